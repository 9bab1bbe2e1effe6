/**
 * A group of a memory broker: who has which partition, and what is committed.
 *
 *   free ──place──▶ owned ──must move──▶ revoking ──drained, or the time is up──▶ free
 *                     └──expired, crashed, left──▶ free
 *
 * Rebalancing is cooperative: a partition that stays is not touched. Each placement has a new epoch; a commit counts
 * only from the member that owns the partition in that epoch.
 */

import { balance } from './memory-balance.ts'
import type { MemoryMember } from './memory-member.ts'
import type { MemoryHost, MemoryMembership } from './memory-ports.ts'
import { partitionId } from '../work.ts'
import type { CommitPosition, CommitResult, OwnedPartition } from '../source.ts'

interface Placement extends OwnedPartition {
  readonly member: MemoryMember
  revoking: boolean
}

export class MemoryGroup implements MemoryMembership<MemoryMember> {
  readonly name: string
  readonly #broker: MemoryHost
  readonly #members = new Map<string, MemoryMember>()
  readonly #placements = new Map<string, Placement>()
  readonly #committed = new Map<string, { readonly offset: number; readonly metadata: string }>()
  /** Members whose session timed out and that have not heard of it. */
  readonly #expired = new Map<string, MemoryMember>()
  #planned = false

  constructor(broker: MemoryHost, name: string) {
    this.#broker = broker
    this.name = name
  }

  get memberIds(): readonly string[] {
    return [...this.#members.keys()]
  }

  member(memberId: string): MemoryMember | undefined {
    return this.#members.get(memberId) ?? this.#expired.get(memberId)
  }

  committed(
    topic: string,
    partition: number,
  ): { readonly offset: number; readonly metadata: string } | null {
    return this.#committed.get(partitionId({ topic, partition })) ?? null
  }

  get hasCommitted(): boolean {
    return this.#committed.size > 0
  }

  /** Who owns a partition now. */
  ownerOf(topic: string, partition: number): string | null {
    return this.#placements.get(partitionId({ topic, partition }))?.member.memberId ?? null
  }

  /** Sets a position by hand, as an operator or another tool would. */
  reset(topic: string, partition: number, offset: number, metadata = ''): void {
    this.#committed.set(partitionId({ topic, partition }), { offset, metadata })
  }

  join(member: MemoryMember): void {
    this.#members.set(member.memberId, member)
    this.rebalance()
  }

  leave(member: MemoryMember): void {
    if (this.#members.get(member.memberId) !== member) return
    this.#members.delete(member.memberId)
    for (const [id, placement] of this.#placements)
      if (placement.member === member) this.#placements.delete(id)
    this.rebalance()
  }

  /** The session timed out at the broker. Its partitions move at once; the member hears of it `toldAfterMs` later, and joins anew. */
  expire(memberId: string, toldAfterMs = 0): void {
    const member = this.#members.get(memberId)
    if (member === undefined) return
    member.expire()
    this.leave(member)
    this.#expired.set(memberId, member)
    this.#broker.timers.schedule(toldAfterMs, () => {
      if (this.#expired.delete(memberId)) member.expired()
    })
  }

  /** The process is gone: it hears nothing any more, and what it asks is never answered. */
  crash(memberId: string): void {
    const member = this.#members.get(memberId) ?? this.#expired.get(memberId)
    if (member === undefined) return
    this.#expired.delete(memberId)
    member.crashed()
    this.leave(member)
  }

  /** Takes a partition from its owner in good order, whoever gets it next: the same member, when there is no other. */
  churn(topic: string, partition: number): void {
    const placement = this.#placements.get(partitionId({ topic, partition }))
    if (placement !== undefined && !placement.revoking)
      void this.#revoke(placement.member, [placement])
  }

  /** There may be something to deliver. */
  wake(): void {
    for (const member of this.#members.values()) member.wake()
  }

  /** Brings the placements to balance, soon. */
  rebalance(): void {
    if (this.#planned) return
    this.#planned = true
    this.#broker.timers.soon(() => {
      this.#planned = false
      this.#balance()
    })
  }

  commit(member: MemoryMember, positions: readonly CommitPosition[]): CommitResult[] {
    const aborted = this.#transact(member, positions)
    if (aborted !== null) return aborted
    return positions.map((position) => {
      const { topic, partition, epoch, offset, metadata } = position
      const placement = this.#placements.get(partitionId(position))
      if (placement?.member !== member || placement.epoch !== epoch)
        return { topic, partition, epoch, outcome: 'stale' }
      this.#committed.set(partitionId(position), { offset, metadata })
      this.#broker.onCommit?.({ ...position, group: this.name, memberId: member.memberId })
      return { topic, partition, epoch, outcome: 'committed' }
    })
  }

  /** Writes the outputs of all positions, or says why nothing of the transaction happens. */
  #transact(member: MemoryMember, positions: readonly CommitPosition[]): CommitResult[] | null {
    const outputs = positions.flatMap((position) => position.outputs ?? [])
    if (outputs.length === 0) return null
    const isStale = (position: CommitPosition) => {
      const placement = this.#placements.get(partitionId(position))
      return placement?.member !== member || placement.epoch !== position.epoch
    }
    const refused = outputs
      .map((output) => ({ output, reason: this.#broker.faults.output?.(output) }))
      .find(({ reason }) => reason !== undefined)
    if (refused === undefined && !positions.some(isStale)) {
      for (const output of outputs) this.#broker.append(output)
      return null
    }
    return positions.map((position) => {
      const { topic, partition, epoch } = position
      const place = { topic, partition, epoch }
      if (isStale(position)) return { ...place, outcome: 'stale' }
      if (refused?.reason === undefined || position.outputs?.includes(refused.output) !== true)
        return { ...place, outcome: 'retry' }
      const { output, reason } = refused
      return { ...place, outcome: 'refused', refused: { output, reason } }
    })
  }

  #balance(): void {
    const owners = new Map(
      [...this.#placements].map(([id, { member }]) => [id, member.memberId] as const),
    )
    const target = balance({ partitions: this.#partitions(), owners })
    const moving = new Map<MemoryMember, Placement[]>()
    for (const [id, memberId] of target) {
      const placement = this.#placements.get(id)
      if (placement === undefined) this.#place(id, memberId)
      else if (placement.member.memberId !== memberId && !placement.revoking)
        moving.set(placement.member, [...(moving.get(placement.member) ?? []), placement])
    }
    for (const member of this.#members.values()) member.tellAssigned()
    for (const [member, placements] of moving) void this.#revoke(member, placements)
  }

  #partitions(): { id: string; members: string[] }[] {
    const topics = new Set([...this.#members.values()].flatMap((member) => member.topics))
    return [...topics].flatMap((topic) =>
      Array.from({ length: this.#broker.log.partitionCount(topic) }, (_, partition) => ({
        id: partitionId({ topic, partition }),
        members: [...this.#members.values()]
          .filter((member) => member.topics.includes(topic))
          .map((member) => member.memberId),
      })),
    )
  }

  #place(id: string, memberId: string): void {
    const member = this.#members.get(memberId)
    if (member === undefined) return
    const cut = id.lastIndexOf('/')
    const owned = {
      topic: id.slice(0, cut),
      partition: Number(id.slice(cut + 1)),
      epoch: this.#broker.nextEpoch(),
    }
    this.#placements.set(id, { ...owned, member, revoking: false })
    member.place(owned)
  }

  async #revoke(member: MemoryMember, placements: readonly Placement[]): Promise<void> {
    for (const placement of placements) placement.revoking = true
    await member.revoke(placements, this.#broker.rebalanceTimeoutMs)
    for (const placement of placements)
      if (this.#placements.get(partitionId(placement)) === placement)
        this.#placements.delete(partitionId(placement))
    this.rebalance()
  }
}
