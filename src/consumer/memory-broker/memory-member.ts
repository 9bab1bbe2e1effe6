/**
 * A member of a memory group: the session that the runtime holds.
 *
 * Delivers in turns of the event loop, one batch a partition and turn; a request takes at least a turn, more with a
 * fault. A crashed member is silent in both directions.
 */

import { ShoalError } from '../../core/index.ts'
import type { MemoryFault, MemoryHost, MemoryMembership } from './memory-ports.ts'
import { partitionId } from '../work.ts'
import type {
  Assignment,
  CommitPosition,
  CommitResult,
  OutgoingRecord,
  OwnedPartition,
  ReadAnswer,
  ReadRequest,
  SourceContext,
  SourceRecord,
  SourceSession,
} from '../source.ts'

export interface MemoryMemberOptions {
  readonly id: string
  readonly topics: readonly string[]
  readonly maxBatchRecords: number
  readonly startAt: 'earliest' | 'latest'
}

interface Owned extends OwnedPartition {
  position: number
  paused: boolean
  atEnd: boolean
}

export class MemoryMember implements SourceSession {
  readonly #broker: MemoryHost
  readonly #group: MemoryMembership<MemoryMember>
  readonly #context: SourceContext
  readonly #options: MemoryMemberOptions
  readonly #owned = new Map<string, Owned>()
  #untold: Assignment[] = []
  #state: 'alive' | 'crashed' | 'closed' = 'alive'
  #awake = false
  #fresh = true
  /** Its session timed out and it has not heard of it. */
  #expired = false

  constructor(
    broker: MemoryHost,
    group: MemoryMembership<MemoryMember>,
    context: SourceContext,
    options: MemoryMemberOptions,
  ) {
    this.#broker = broker
    this.#group = group
    this.#context = context
    this.#options = options
  }

  get memberId(): string {
    return this.#options.id
  }

  get topics(): readonly string[] {
    return this.#options.topics
  }

  // --- what the runtime asks ---

  pause(partition: OwnedPartition): void {
    const owned = this.#current(partition)
    if (owned !== undefined) owned.paused = true
  }

  resume(partition: OwnedPartition): void {
    const owned = this.#current(partition)
    if (owned === undefined) return
    owned.paused = false
    this.wake()
  }

  async commit(positions: readonly CommitPosition[]): Promise<readonly CommitResult[]> {
    const fault = this.#broker.faults.commit?.(this.memberId, positions)
    const notStored = () =>
      positions.map(({ topic, partition, epoch }) => ({
        topic,
        partition,
        epoch,
        outcome: 'retry' as const,
      }))
    return this.#request(fault, () => this.#group.commit(this, positions), notStored)
  }

  async produce(record: OutgoingRecord): Promise<void> {
    const fault = this.#broker.faults.produce?.(this.memberId, record)
    await this.#request(fault, () => this.#broker.append(record), refuse)
  }

  async read({ topic, partition, offset, maxRecords }: ReadRequest): Promise<ReadAnswer> {
    const fault = this.#broker.faults.read?.(this.memberId)
    const act = () => this.#broker.log.read(topic, partition, offset, maxRecords)
    const { records, nextOffset } = await this.#request(fault, act, refuse)
    return { records, nextOffset }
  }

  ownershipIsFresh(): boolean {
    return this.#fresh && !this.#expired
  }

  async close(): Promise<void> {
    if (this.#state === 'crashed') return never()
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#owned.clear()
    this.#group.leave(this)
  }

  // --- what the test does to it ---

  /** Whether its heartbeats are answered. */
  setFresh(fresh: boolean): void {
    this.#fresh = fresh
  }

  crashed(): void {
    this.#state = 'crashed'
  }

  /** Its session timed out: it has had no answered heartbeat for a while, and will hear why. */
  expire(): void {
    this.#expired = true
  }

  /** It hears that its session timed out: what it had is gone, and it joins anew. */
  expired(): void {
    if (this.#state !== 'alive') return
    this.#expired = false
    this.#untold = []
    const lost = [...this.#owned.values()].map(({ topic, partition, epoch }) => ({
      topic,
      partition,
      epoch,
    }))
    this.#owned.clear()
    if (lost.length > 0) this.#context.events.lost(lost)
    this.#group.join(this)
  }

  // --- what the group does to it ---

  place(partition: OwnedPartition): void {
    const { topic, partition: index } = partition
    const committed = this.#group.committed(topic, index)
    const latest = this.#options.startAt === 'latest' && !this.#group.hasCommitted
    const { endOffset } = this.#broker.log.partition(topic, index)
    const startOffset = committed?.offset ?? (latest ? endOffset : 0)
    this.#untold.push({ ...partition, committed, startOffset, generation: partition.epoch })
  }

  tellAssigned(): void {
    const assignments = this.#untold
    this.#untold = []
    if (assignments.length === 0 || this.#state !== 'alive') return
    for (const assignment of assignments) {
      const { topic, partition, epoch, startOffset: position } = assignment
      const owned = { topic, partition, epoch, position, paused: false, atEnd: false }
      this.#owned.set(partitionId(assignment), owned)
    }
    this.#context.events.assigned(assignments)
    this.wake()
  }

  /** Resolves when the runtime has drained, or may no longer wait. */
  async revoke(partitions: readonly OwnedPartition[], limitMs: number): Promise<void> {
    const mine = partitions
      .filter((partition) => this.#current(partition) !== undefined)
      .map(({ topic, partition, epoch }) => ({ topic, partition, epoch }))
    if (mine.length === 0 || this.#state !== 'alive') return
    const waitMs = Math.min(limitMs, this.#context.drainTimeoutMs)
    await new Promise<void>((resolve, reject) => {
      const timer = this.#broker.timers.schedule(waitMs, resolve)
      this.#context.events
        .revoked(mine, waitMs)
        .finally(() => timer.cancel())
        .then(resolve, reject)
    })
    for (const partition of mine)
      if (this.#current(partition) !== undefined) this.#owned.delete(partitionId(partition))
  }

  wake(): void {
    if (this.#awake || this.#state !== 'alive') return
    this.#awake = true
    this.#broker.timers.soon(() => {
      this.#awake = false
      this.#deliver()
    })
  }

  #deliver(): void {
    if (this.#state !== 'alive') return
    let more = false
    for (const owned of this.#owned.values()) {
      if (owned.paused || this.#current(owned) === undefined) continue
      more = this.#deliverOne(owned) || more
    }
    if (more) this.wake()
  }

  /** True when there is more to deliver. */
  #deliverOne(owned: Owned): boolean {
    const { topic, partition, epoch, position } = owned
    const { log } = this.#broker
    const slice = log.read(topic, partition, position, this.#options.maxBatchRecords)
    const { events } = this.#context
    if (slice.nextOffset > position) {
      owned.position = slice.nextOffset
      owned.atEnd = false
      const byteLength = slice.records.reduce((sum, record) => sum + bytesOf(record), 0)
      events.records({ topic, partition, epoch, byteLength, ...slice })
    }
    if (owned.position < slice.endOffset) return true
    if (!owned.atEnd) events.endOfPartition({ topic, partition, epoch }, owned.position)
    owned.atEnd = true
    return false
  }

  #current({ topic, partition, epoch }: OwnedPartition): Owned | undefined {
    const owned = this.#owned.get(partitionId({ topic, partition }))
    return owned?.epoch === epoch ? owned : undefined
  }

  async #request<T>(
    fault: MemoryFault | undefined,
    act: () => T,
    answerAsIfNot: () => T,
  ): Promise<T> {
    if (this.#state === 'crashed') return never()
    await this.#wait(fault?.beforeMs)
    if (fault?.outcome === 'thrown') refuse()
    const answer = fault?.outcome === 'refused' ? answerAsIfNot : valueOf(act())
    await this.#wait(fault?.afterMs)
    return fault?.outcome === 'lost' ? answerAsIfNot() : answer()
  }

  async #wait(ms: number | undefined): Promise<void> {
    const { timers } = this.#broker
    await new Promise<void>((resolve) => {
      if (ms === undefined) timers.soon(resolve)
      else timers.schedule(ms, resolve)
    })
    if (this.#stateIs('crashed')) return never()
  }

  #stateIs(state: 'alive' | 'crashed' | 'closed'): boolean {
    return this.#state === state
  }
}

function valueOf<T>(value: T): () => T {
  return () => value
}

function refuse(): never {
  throw new ShoalError('SHOAL_REQUEST_TIMEOUT', 'memory: the broker did not answer')
}

/** What a process waits for that is gone. */
function never(): Promise<never> {
  return new Promise(() => {})
}

function bytesOf({ key, value, headers }: SourceRecord): number {
  let bytes = 32 + (key?.length ?? 0) + (value?.length ?? 0)
  for (const header of headers) bytes += header.key.length + (header.value?.length ?? 0)
  return bytes
}
