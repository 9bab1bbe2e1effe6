/**
 * What members that commit have in common, of either kind: what they work on, alone, and that they commit it.
 *
 * Each tells the checker what it works on: from the answer that gave it a partition until it gave it up, lost it or died.
 */

import { commitRequest } from '../../src/group/fixture.test.ts'
import type { GroupError, TopicPartitions } from '../../src/group/index.ts'
import { Client, type ClientOptions, type Identity, keysOf } from './coordinator-client.ts'

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

export interface MemberOptions extends ClientOptions {
  readonly topics: readonly string[]
  readonly isStatic: boolean
}

export abstract class Worker extends Client {
  owned: readonly TopicPartitions[] = []
  protected readonly topics: readonly string[]
  protected readonly instanceId: string | null
  protected abstract readonly isKeptAway: boolean

  constructor(options: MemberOptions) {
    super(options)
    this.topics = options.topics
    this.instanceId = options.isStatic ? options.name : null
  }

  override start(): void {
    if (this.process.isUp) return
    super.start()
    this.#workOn()
  }

  protected override drop(): void {
    this.own([])
  }

  protected own(owned: readonly TopicPartitions[]): void {
    this.owned = owned
    this.remember()
    const { memberId, epoch, groupId, isKeptAway } = this
    const partitions = keysOf(owned)
    this.process.network.checker.owns({ groupId, memberId, epoch, isKeptAway, partitions })
  }

  override speakAs(identity: Identity): void {
    this.process.network.checker.count('late commit')
    this.#commitAs(identity)
  }

  #commitAs({ memberId, epoch }: Identity): void {
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
      if (this.owned.length > 0) this.#commitAs(this)
      this.#workOn()
    })
  }
}
