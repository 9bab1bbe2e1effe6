/**
 * A KIP-848 member: heartbeats that say what changed, everything again after an answer that was lost; gives up what it is
 * told to, which takes its time, and only then takes on what is new.
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
  LOST,
  REBALANCE_TIMEOUT_MS,
  REQUEST_TIMEOUT_MS,
  Worker,
} from './coordinator-worker.ts'

export class ConsumerMember extends Worker {
  protected readonly isKeptAway = false
  #lives = 0
  #target: readonly TopicPartitions[] = []
  /** What the broker was told to be owned, as far as the member knows; null: say everything again. */
  #told: string | null = null

  protected begin(): void {
    // Who leaves for a while or dies comes back as another process: under another id.
    this.memberId = `${this.name}/${++this.#lives}`
    this.#forget()
    this.#beat()
  }

  protected sayGoodbye(): void {
    const memberEpoch = this.instanceId === null ? -1 : -2
    const { memberId, groupId, instanceId } = this
    const request = beatRequest({ groupId, memberId, instanceId, memberEpoch })
    this.process.send(request, REQUEST_TIMEOUT_MS, () => {})
  }

  /** Nothing is its own any more: its next heartbeat joins. */
  #forget(): void {
    this.own([])
    this.epoch = 0
    this.#target = []
    this.#told = null
  }

  #beat(): void {
    const all = this.#told === null
    const owned = this.#ids()
    const said = JSON.stringify(owned)
    const request = beatRequest({
      groupId: this.groupId,
      memberId: this.memberId,
      instanceId: this.instanceId,
      memberEpoch: this.epoch,
      rebalanceTimeoutMs: all ? REBALANCE_TIMEOUT_MS : -1,
      subscribedTopicNames: all ? this.topics : null,
      topicPartitions: all || said !== this.#told ? owned : null,
    })
    this.process.send(request, REQUEST_TIMEOUT_MS, (response) => {
      this.#told = response === null ? null : said
      if (response?.kind === 'consumer-heartbeat') this.#hear(response)
      this.process.after(this.#isBehind() ? 100 : HEARTBEAT_MS, () => this.#beat())
    })
  }

  #hear({ errorCode, memberEpoch, assignment }: ConsumerHeartbeatResponse): void {
    switch (errorCode) {
      case 'NONE':
        this.epoch = memberEpoch
        if (assignment !== null) this.#shallOwn(assignment.topicPartitions)
        return
      case 'UNRELEASED_INSTANCE_ID':
        this.#told = null
        return
      default:
        if (!LOST.has(errorCode))
          this.process.network.checker.violation(`${this.name} was answered ${errorCode}`)
        this.#forget()
    }
  }

  /** Gives up first, which takes its time; only then takes on. */
  #shallOwn(given: readonly TopicIdPartitions[]): void {
    const target = given.map(({ topicId, partitions }) => ({
      topic: topicId.slice(0, -'-id'.length),
      partitions,
    }))
    this.#target = target
    const kept = new Set(keysOf(target))
    const delayMs = keysOf(this.owned).every((key) => kept.has(key)) ? 0 : this.process.below(2_500)
    this.process.after(delayMs, () => {
      if (this.#target === target) this.own(target)
    })
  }

  #isBehind(): boolean {
    return this.#told !== null && this.#told !== JSON.stringify(this.#ids())
  }

  #ids(): readonly TopicIdPartitions[] {
    return this.owned.map(({ topic, partitions }) => ({ topicId: `${topic}-id`, partitions }))
  }
}
