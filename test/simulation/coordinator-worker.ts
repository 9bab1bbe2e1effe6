/**
 * What members of either kind have in common: a process, who they are, what they work on and that they commit it.
 *
 * Each tells the checker what it works on: from the answer that gave it a partition until it gave it up, lost it or died.
 */

import { commitRequest } from '../../src/group/fixture.test.ts'
import type { GroupError, TopicPartitions } from '../../src/group/index.ts'
import { type Network, Process } from './coordinator-process.ts'

export const SESSION_TIMEOUT_MS = 6_000
export const REBALANCE_TIMEOUT_MS = 8_000
export const HEARTBEAT_MS = 1_500
export const REQUEST_TIMEOUT_MS = 3_000

/** Answers after which nothing is a member's own any more. */
export const LOST: ReadonlySet<GroupError> = new Set<GroupError>([
  'UNKNOWN_MEMBER_ID',
  'ILLEGAL_GENERATION',
  'FENCED_INSTANCE_ID',
  'FENCED_MEMBER_EPOCH',
  'GROUP_ID_NOT_FOUND',
])

export interface MemberOptions {
  readonly network: Network
  readonly name: string
  readonly groupId: string
  readonly topics: readonly string[]
  readonly isStatic: boolean
}

/** A base class: a client of either kind is one, and the world calls it as one. */
export abstract class Worker {
  readonly groupId: string
  readonly process: Process
  memberId = ''
  /** Generation or member epoch. */
  epoch = 0
  owned: readonly TopicPartitions[] = []
  /** Who it was: a process that is late may still commit as that. */
  readonly past: { readonly memberId: string; readonly epoch: number }[] = []
  protected readonly name: string
  protected readonly topics: readonly string[]
  protected readonly instanceId: string | null
  protected abstract readonly isKeptAway: boolean

  constructor({ network, name, groupId, topics, isStatic }: MemberOptions) {
    this.name = name
    this.groupId = groupId
    this.topics = topics
    this.instanceId = isStatic ? name : null
    this.process = new Process(network)
  }

  start(): void {
    if (this.process.isUp) return
    this.process.start()
    this.begin()
    this.#workOn()
  }

  crash(): void {
    this.own([])
    this.process.kill()
  }

  leave(): void {
    if (!this.process.isUp) return
    this.own([])
    this.sayGoodbye()
    this.process.kill()
  }

  protected abstract begin(): void
  protected abstract sayGoodbye(): void

  protected own(owned: readonly TopicPartitions[]): void {
    this.owned = owned
    const { memberId, epoch, groupId, isKeptAway } = this
    this.past.push({ memberId, epoch })
    const partitions = keysOf(owned)
    this.process.network.checker.owns({ groupId, memberId, epoch, isKeptAway, partitions })
  }

  commitAs({ memberId, epoch }: { readonly memberId: string; readonly epoch: number }): void {
    const held = this.owned.flatMap(({ topic, partitions }) =>
      partitions.map((partition) => ({ topic, partition })),
    )
    const { network } = this.process
    const target = held[this.process.below(held.length)] ?? { topic: 'a', partition: 0 }
    const request = commitRequest({
      groupId: this.groupId,
      memberId,
      generationIdOrMemberEpoch: epoch,
      offset: network.nextOffset++,
      ...target,
    })
    this.process.send(request, REQUEST_TIMEOUT_MS, () => {})
  }

  #workOn(): void {
    this.process.after(200 + this.process.below(1_500), () => {
      if (this.owned.length > 0) this.commitAs(this)
      this.#workOn()
    })
  }
}

export function keysOf(owned: readonly TopicPartitions[]): readonly string[] {
  return owned.flatMap(({ topic, partitions }) => partitions.map((each) => `${topic}/${each}`))
}
