/**
 * A member over HTTP: it keeps its id over its lives, is answered with all of its assignment, and gives up what it loses after
 * a while. Two kinds: one says in every heartbeat what it still works on, as `shoal/client` does; the other says by its
 * generation alone which answer it has read, and goes on with the old one while it gives up.
 *
 * Now and then it joins again for another subscription, and goes on working. Whatever was not answered it says again.
 */

import type {
  ConsumerHeartbeatResponse,
  GroupResponse,
  TopicIdPartitions,
  TopicPartitions,
} from '../../src/group/index.ts'
import { beatRequest } from '../../src/group/consumer/fixture.test.ts'
import { keysOf } from './coordinator-client.ts'
import {
  HEARTBEAT_MS,
  type MemberOptions,
  REBALANCE_TIMEOUT_MS,
  REQUEST_TIMEOUT_MS,
  SESSION_TIMEOUT_MS,
  Worker,
} from './coordinator-worker.ts'

const REJOIN_MS = 500

export class HttpMember extends Worker {
  protected readonly isKeptAway = false
  readonly #listsOwned: boolean
  #target: readonly TopicPartitions[] = []
  /** The generation of the last answer that it has done all of. */
  #done = 0
  /** What its next join subscribes to; null when there is nothing to say. */
  #wanted: readonly string[] | null = null

  constructor(options: MemberOptions, { listsOwned }: { readonly listsOwned: boolean }) {
    super(options)
    this.#listsOwned = listsOwned
  }

  /** From its next call on; all of its topics without a number of them. */
  subscribe(topicCount = this.topics.length): void {
    this.#wanted = this.topics.slice(0, topicCount)
  }

  protected begin(): void {
    this.memberId = this.name
    this.#beginAnew()
  }

  protected sayGoodbye(): void {
    const { memberId, groupId } = this
    const request = beatRequest({ groupId, memberId, memberEpoch: -1 })
    this.process.send(request, REQUEST_TIMEOUT_MS, () => {})
  }

  #beginAnew(): void {
    this.own([])
    this.epoch = 0
    this.#target = []
    this.#wanted ??= this.topics
    this.#join(this.#wanted)
  }

  #join(topics: readonly string[]): void {
    const join = {
      rebalanceTimeoutMs: REBALANCE_TIMEOUT_MS,
      subscribedTopicNames: topics,
      serverAssignor: 'cooperative-sticky',
      http: { sessionTimeoutMs: SESSION_TIMEOUT_MS, start: 'earliest' },
    } as const
    const { groupId, memberId } = this
    const call = { groupId, memberId, generation: null, owned: null, join }
    this.process.sendHttp(call, REQUEST_TIMEOUT_MS, (response) => {
      const isIn = response?.kind === 'consumer-heartbeat' && response.errorCode === 'NONE'
      // Who is in already has not to say it again at once: heartbeats go on beside.
      if (!isIn)
        return this.process.after(REJOIN_MS, () =>
          this.epoch > 0 ? this.#beat() : this.#join(topics),
        )
      if (this.#wanted === topics) this.#wanted = null
      this.#hear(response)
      this.#callSoon(0)
    })
  }

  #beat(): void {
    const { groupId, memberId } = this
    const generation = this.#listsOwned ? this.epoch : this.#done
    const owned = this.#listsOwned ? this.#ids() : null
    const call = { groupId, memberId, generation, owned, join: null }
    this.process.sendHttp(call, REQUEST_TIMEOUT_MS, (response) => this.#answered(response))
  }

  #answered(response: GroupResponse | null): void {
    if (response?.kind !== 'consumer-heartbeat') return this.#callSoon(HEARTBEAT_MS)
    const { checker } = this.process.network
    switch (response.errorCode) {
      case 'NONE':
        this.#hear(response)
        return this.#callSoon(HEARTBEAT_MS)
      case 'FENCED_MEMBER_EPOCH':
        // An answer was lost: the refusal carries the present generation.
        this.epoch = response.memberEpoch
        this.#done = response.memberEpoch
        checker.count('HTTP member refused')
        return this.#callSoon(0)
      case 'UNKNOWN_MEMBER_ID':
      case 'GROUP_ID_NOT_FOUND':
        return this.#beginAnew()
      default:
        checker.violation(`${this.name} was answered ${response.errorCode}`)
    }
  }

  #callSoon(delayMs: number): void {
    this.process.after(delayMs, () => {
      if (this.#wanted === null) this.#beat()
      else this.#join(this.#wanted)
    })
  }

  #hear({ memberEpoch, assignment }: ConsumerHeartbeatResponse): void {
    this.epoch = memberEpoch
    const target = (assignment?.topicPartitions ?? []).map(({ topicId, partitions }) => ({
      topic: topicId.slice(0, -'-id'.length),
      partitions,
    }))
    const isNews = String(keysOf(target)) !== String(keysOf(this.#target))
    const kept = new Set(keysOf(target))
    const isGivingUp = !keysOf(this.owned).every((key) => kept.has(key))
    // Every answer has it all; only another one begins something.
    if (isNews) this.#target = target
    if (!isGivingUp) return this.#finish(this.#target)
    if (!isNews) return this.process.network.checker.count('told again')
    this.process.after(this.process.below(2_500), () => {
      if (this.#target === target) this.#finish(target)
    })
  }

  #finish(target: readonly TopicPartitions[]): void {
    // Told anew: somebody whose session ended has it as another member, and cannot know.
    const isSame =
      this.#done === this.epoch && String(keysOf(target)) === String(keysOf(this.owned))
    this.#done = this.epoch
    if (!isSame) this.own(target)
  }

  #ids(): readonly TopicIdPartitions[] {
    return this.owned.map(({ topic, partitions }) => ({ topicId: `${topic}-id`, partitions }))
  }
}
