/**
 * A member over HTTP, as `shoal/client` is one: it keeps its id over its lives, says in every heartbeat what it still works on,
 * and is answered with all of its assignment. What it loses it gives up after a while, and only then does not name it any more.
 */

import { beatRequest } from '../../src/group/consumer/fixture.test.ts'
import type {
  ConsumerHeartbeatResponse,
  TopicIdPartitions,
  TopicPartitions,
} from '../../src/group/index.ts'
import { keysOf } from './coordinator-client.ts'
import {
  HEARTBEAT_MS,
  REBALANCE_TIMEOUT_MS,
  REQUEST_TIMEOUT_MS,
  SESSION_TIMEOUT_MS,
  Worker,
} from './coordinator-worker.ts'

const REJOIN_MS = 500

export class HttpMember extends Worker {
  protected readonly isKeptAway = false
  #target: readonly TopicPartitions[] = []

  protected begin(): void {
    this.memberId = this.name
    this.#join()
  }

  protected sayGoodbye(): void {
    const { memberId, groupId } = this
    const request = beatRequest({ groupId, memberId, memberEpoch: -1 })
    this.process.send(request, REQUEST_TIMEOUT_MS, () => {})
  }

  #join(): void {
    this.own([])
    this.epoch = 0
    this.#target = []
    const request = beatRequest({
      groupId: this.groupId,
      memberId: this.memberId,
      memberEpoch: 0,
      rebalanceTimeoutMs: REBALANCE_TIMEOUT_MS,
      subscribedTopicNames: this.topics,
      serverAssignor: 'cooperative-sticky',
      topicPartitions: [],
      http: { sessionTimeoutMs: SESSION_TIMEOUT_MS, start: 'earliest' },
    })
    this.process.send(request, REQUEST_TIMEOUT_MS, (response) => {
      const isIn = response?.kind === 'consumer-heartbeat' && response.errorCode === 'NONE'
      if (!isIn) return this.process.after(REJOIN_MS, () => this.#join())
      this.#hear(response)
      this.#beat()
    })
  }

  #beat(): void {
    const { groupId, memberId, epoch: generation } = this
    const owned = this.#ids()
    this.process.sendHttp(
      { groupId, memberId, generation, owned },
      REQUEST_TIMEOUT_MS,
      (response) => {
        if (response?.kind !== 'consumer-heartbeat') return this.#beatSoon(HEARTBEAT_MS)
        switch (response.errorCode) {
          case 'NONE':
            this.#hear(response)
            return this.#beatSoon(HEARTBEAT_MS)
          case 'FENCED_MEMBER_EPOCH':
            // An answer was lost: the refusal carries the present generation.
            this.epoch = response.memberEpoch
            return this.#beatSoon(0)
          case 'UNKNOWN_MEMBER_ID':
          case 'GROUP_ID_NOT_FOUND':
            return this.#join()
          default:
            this.process.network.checker.violation(
              `${this.name} was answered ${response.errorCode}`,
            )
        }
      },
    )
  }

  #beatSoon(delayMs: number): void {
    this.process.after(delayMs, () => this.#beat())
  }

  #hear({ memberEpoch, assignment }: ConsumerHeartbeatResponse): void {
    this.epoch = memberEpoch
    const target = (assignment?.topicPartitions ?? []).map(({ topicId, partitions }) => ({
      topic: topicId.slice(0, -'-id'.length),
      partitions,
    }))
    // Every answer has it; only another one begins something.
    if (String(keysOf(target)) === String(keysOf(this.#target))) return
    this.#target = target
    const kept = new Set(keysOf(target))
    const isGivingUp = !keysOf(this.owned).every((key) => kept.has(key))
    const finish = () => {
      if (this.#target === target) this.own(target)
    }
    if (isGivingUp) this.process.after(this.process.below(2_500), finish)
    else finish()
  }

  #ids(): readonly TopicIdPartitions[] {
    return this.owned.map(({ topic, partitions }) => ({ topicId: `${topic}-id`, partitions }))
  }
}
