/**
 * A member of a KIP-848 group, alive: `consumer-machine.ts` decides, this sends, waits and sets timers.
 *
 * Inputs queue and are taken one after another, so that what an effect calls back into never finds half a step done. No
 * request of this protocol waits at the broker, so heartbeats and commits share a connection and keep their order.
 */

import { ShoalError, messageOf, sleep, uuidText } from '../../../core/index.ts'
import type { Timer } from '../../../core/index.ts'
import type { OwnedPartition } from '../../../consumer/index.ts'
import { consumerGroupHeartbeat, kafkaErrorSentence } from '../../../protocol/index.ts'
import type { KafkaErrorCode } from '../../../protocol/index.ts'
import { backoffMs, spread } from '../../backoff.ts'
import { refusal } from '../broker-link.ts'
import { isPassing, speaksNoVersion } from '../kafka-client.ts'
import { partitionKey } from '../topic-partition.ts'
import { sessionTimeoutAt } from './session-timeout.ts'
import { isFresh, step } from './consumer-machine.ts'
import type {
  ConsumerEffect,
  ConsumerInput,
  ConsumerTimer,
  IdPartition,
  NamedPartition,
} from './consumer-messages.ts'
import { initialConsumer } from './consumer-state.ts'
import type { ConsumerSettings, ConsumerState } from './consumer-state.ts'
import type { AskedAs, Membership, MembershipOptions } from './membership.ts'

export interface ConsumerMemberOptions extends MembershipOptions {
  /** The broker, or the group as it is, takes no member of this protocol; this one is closed. */
  readonly onUnsupported: (error: ShoalError) => void
}

const LEAVE_TIMEOUT_MS = 5_000
const PROTOCOL = 'consumer'
/** The longest session that a broker with Kafka's limits allows. */
const UNRELEASED_LIMIT_MS = 60_000

export class ConsumerMember implements Membership {
  readonly #options: ConsumerMemberOptions
  #settings: ConsumerSettings
  readonly #timers = new Map<ConsumerTimer, Timer>()
  readonly #inputs: ConsumerInput[] = []
  readonly #ended = new AbortController()
  #isStepping = false
  #state: ConsumerState = initialConsumer
  #memberId: string
  #waiting: (() => void)[] = []
  #left: Promise<void> = Promise.resolve()

  constructor(options: ConsumerMemberOptions) {
    const { client, settings } = options
    this.#options = options
    this.#memberId = uuidText(client.ports.random)
    this.#settings = {
      isStatic: settings.groupInstanceId !== null,
      sessionTimeoutMs: settings.sessionTimeoutMs,
      retryBackoffMs: Math.max(client.settings.reconnectBackoffMs, 100),
      retryBackoffMaxMs: client.settings.reconnectBackoffMaxMs,
      unreleasedLimitMs: Math.max(UNRELEASED_LIMIT_MS, settings.sessionTimeoutMs),
    }
  }

  get memberId(): string {
    return this.#memberId
  }

  get generation(): number {
    return this.#state.memberEpoch
  }

  get isClosed(): boolean {
    return this.#state.phase === 'closed'
  }

  start(): void {
    this.#take({ kind: 'start' })
  }

  owns(partition: OwnedPartition): boolean {
    return this.#state.owned.get(partitionKey(partition))?.epoch === partition.epoch
  }

  isFresh(): boolean {
    return isFresh(this.#state, this.#settings, this.#options.client.ports.clock.monotonicMs())
  }

  async settled(): Promise<void> {
    while (!isSettled(this.#state))
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  refused({ generation, memberId }: AskedAs, error: KafkaErrorCode): void {
    if (memberId === this.#memberId) this.#take({ kind: 'refused', memberEpoch: generation, error })
  }

  /** The broker watches the topics. */
  topicsChanged(): void {}

  topicRemade(topic: string): void {
    this.#take({ kind: 'topic-remade', topic })
  }

  async close(): Promise<void> {
    this.#take({ kind: 'close' })
    await this.#left
  }

  #take(input: ConsumerInput): void {
    this.#inputs.push(input)
    if (this.#isStepping) return
    this.#isStepping = true
    try {
      for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) {
        const nowMs = this.#options.client.ports.clock.monotonicMs()
        const { state, effects } = step(this.#state, next, this.#settings, nowMs)
        this.#state = state
        for (const effect of effects) this.#perform(effect)
      }
    } finally {
      this.#isStepping = false
    }
    if (this.isClosed) this.#ended.abort()
    if (isSettled(this.#state)) for (const resolve of this.#waiting.splice(0)) resolve()
  }

  #perform(effect: ConsumerEffect): void {
    const { client, group, events } = this.#options
    switch (effect.kind) {
      case 'heartbeat':
        return void this.#beat(effect)
      case 'leave':
        this.#left = this.#leave(effect.memberEpoch)
        return
      case 'forget-coordinator':
        return client.forgetCoordinator(group)
      case 'name':
        return void this.#name(effect)
      case 'joined':
        void this.#learnSession()
        return events.joined(this.#memberId, effect.memberEpoch, PROTOCOL)
      case 'assign':
        return events.assign(effect.partitions, effect.memberEpoch)
      case 'revoke':
        return void this.#revoke(effect.drain, effect.partitions)
      case 'lose':
        return events.lose(effect.partitions)
      case 'schedule':
        return this.#schedule(effect.key, effect.delayMs, effect.jitter === true)
      case 'cancel':
        return this.#timers.get(effect.key)?.cancel()
      case 'heartbeat-failed':
        return events.heartbeatFailed(this.#wordsFor(effect.reason))
      case 'unsupported':
        return this.#options.onUnsupported(this.#failure(effect.error))
      case 'fail':
        return events.failed(this.#failure(effect.error))
    }
  }

  async #beat(effect: ConsumerEffect & { kind: 'heartbeat' }): Promise<void> {
    const { attempt, memberEpoch } = effect
    const { client, group } = this.#options
    try {
      const { response, sentMs } = await client.request(
        consumerGroupHeartbeat,
        (version) => this.#request(effect, version),
        {
          to: { group },
          channel: 'group',
          timeoutMs: Math.min(
            client.settings.requestTimeoutMs,
            this.#settings.sessionTimeoutMs / 3,
          ),
        },
      )
      if (memberEpoch === 0 && response.memberId !== null && response.memberId !== '')
        this.#memberId = response.memberId
      this.#take({
        kind: 'answered',
        attempt,
        error: response.errorCode,
        memberEpoch: response.memberEpoch,
        intervalMs: response.heartbeatIntervalMs,
        assignment: response.assignment === null ? null : flat(response.assignment.topicPartitions),
        sentMs,
      })
    } catch (error) {
      this.#unanswered(attempt, error)
    }
  }

  #request(effect: ConsumerEffect & { kind: 'heartbeat' }, version: number) {
    const { settings, topics, group } = this.#options
    const { isFull, owned, memberEpoch } = effect
    const pattern = settings.topicPattern
    if (isFull && pattern !== null && version < PATTERN_VERSION)
      throw refusal(consumerGroupHeartbeat.name, 'UNSUPPORTED_VERSION', { group })
    return {
      groupId: group,
      memberId: this.#memberId,
      memberEpoch,
      instanceId: settings.groupInstanceId,
      rackId: isFull ? settings.clientRack : null,
      rebalanceTimeoutMs: isFull ? settings.rebalanceTimeoutMs : -1,
      subscribedTopicNames: !isFull ? null : pattern === null ? topics() : [],
      subscribedTopicRegex: isFull ? (pattern ?? null) : null,
      serverAssignor: isFull ? settings.groupRemoteAssignor : null,
      topicPartitions: owned === null ? null : byTopic(owned),
    }
  }

  /**
   * Who believes in itself longer than its broker does would let handlers start on partitions that are somebody else's.
   * A broker that does not say how long a session is leaves it at what we were told.
   */
  async #learnSession(): Promise<void> {
    const { client, group } = this.#options
    try {
      const brokerMs = await sessionTimeoutAt(client, group)
      const sessionTimeoutMs = Math.min(this.#settings.sessionTimeoutMs, brokerMs)
      this.#settings = { ...this.#settings, sessionTimeoutMs }
      // The timer that runs was set for the longer one.
      this.#take({ kind: 'timer', key: 'session' })
    } catch (error) {
      client.ports.logger.log('debug', 'the session timeout of the group could not be asked for', {
        group,
        reason: messageOf(error),
      })
    }
  }

  /** Finds the names of an assignment; while topics of it are not to be seen yet, what is known is taken. */
  async #name({ assignment, partitions }: ConsumerEffect & { kind: 'name' }): Promise<void> {
    const { client } = this.#options
    const { reconnectBackoffMs: firstMs, reconnectBackoffMaxMs: longestMs } = client.settings
    const isCurrent = () => !this.isClosed && this.#state.assignment === assignment
    for (let failures = 1; isCurrent(); failures++) {
      const missing = this.#unnamed(partitions)
      if (missing.length > 0) await this.#learn(missing)
      if (!isCurrent()) return
      const named = this.#named(partitions)
      const epoch = this.#options.nextEpoch()
      this.#take({ kind: 'named', assignment, partitions: named, epoch })
      if (named.length === partitions.length) return
      const pauseMs = backoffMs(failures, { firstMs, longestMs }, client.ports.random)
      await sleep(client.ports.timers, pauseMs, this.#ended.signal)
    }
  }

  async #learn(topicIds: readonly string[]): Promise<void> {
    const { client } = this.#options
    try {
      await client.refreshIds(topicIds)
    } catch (error) {
      client.ports.logger.log('debug', 'topics of the assignment could not be looked up', {
        reason: messageOf(error),
      })
    }
  }

  #unnamed(partitions: readonly IdPartition[]): readonly string[] {
    const known = this.#names()
    return [...new Set(partitions.map(({ topicId }) => topicId))].filter((id) => !known.has(id))
  }

  #named(partitions: readonly IdPartition[]): readonly NamedPartition[] {
    const known = this.#names()
    return partitions.flatMap(({ topicId, partition }) => {
      const topic = known.get(topicId)
      return topic === undefined ? [] : [{ topicId, partition, topic }]
    })
  }

  /** A topic that the cluster seems to have lost for a moment keeps its name while we own something of it. */
  #names(): ReadonlyMap<string, string> {
    const owned = [...this.#state.owned.values()].map(
      ({ topicId, topic }) => [topicId, topic] as const,
    )
    return new Map([...owned, ...this.#options.client.cluster.topicNames])
  }

  async #revoke(drain: number, partitions: readonly OwnedPartition[]): Promise<void> {
    await this.#options.events.revoke(partitions)
    this.#take({ kind: 'drained', drain })
  }

  async #leave(memberEpoch: number): Promise<void> {
    const { client, group } = this.#options
    try {
      const effect = {
        kind: 'heartbeat',
        attempt: 0,
        memberEpoch,
        isFull: false,
        owned: null,
      } as const
      await client.request(consumerGroupHeartbeat, (version) => this.#request(effect, version), {
        to: { group },
        channel: 'group',
        timeoutMs: LEAVE_TIMEOUT_MS,
      })
    } catch (error) {
      // The broker drops the member by itself when its session times out.
      client.ports.logger.log('warn', 'leaving the group failed', {
        group,
        reason: messageOf(error),
      })
    }
  }

  #unanswered(attempt: number, error: unknown): void {
    if (speaksNoVersion(error)) return this.#take({ kind: 'unsupported' })
    // What no repetition mends: no right to the group, a request that cannot be written.
    if (!isPassing(error) && !this.isClosed) {
      this.#take({ kind: 'close' })
      this.#options.events.failed(error instanceof Error ? error : new Error(messageOf(error)))
      return
    }
    this.#take({ kind: 'unanswered', attempt, reason: messageOf(error) })
  }

  #schedule(key: ConsumerTimer, delayMs: number, jitter: boolean): void {
    const { timers, random } = this.#options.client.ports
    this.#timers.get(key)?.cancel()
    const fire = () => this.#take({ kind: 'timer', key })
    this.#timers.set(key, timers.schedule(jitter ? spread(delayMs, random) : delayMs, fire))
  }

  #wordsFor(reason: string): string {
    return reason === 'UNRELEASED_INSTANCE_ID'
      ? `the group instance id ${this.#options.settings.groupInstanceId} is still held by another member; waiting until it is free`
      : reason
  }

  #failure(error: KafkaErrorCode): ShoalError {
    const { group, settings } = this.#options
    const details = { group, error }
    if (error === 'FENCED_INSTANCE_ID' || error === 'UNRELEASED_INSTANCE_ID')
      return new ShoalError(
        'SHOAL_MEMBER_FENCED',
        `group ${group}: another consumer runs with group instance id ${settings.groupInstanceId}; give each its own`,
        { details },
      )
    return new ShoalError(
      'SHOAL_REQUEST_FAILED',
      `group ${group} refused this consumer: ${kafkaErrorSentence(error)} (${error})`,
      { details },
    )
  }
}

/** The first version that carries one. */
const PATTERN_VERSION = 1

function isSettled({ phase }: ConsumerState): boolean {
  return phase !== 'joining'
}

function flat(
  topics: readonly { readonly topicId: string; readonly partitions: readonly number[] }[],
): readonly IdPartition[] {
  return topics.flatMap(({ topicId, partitions }) =>
    partitions.map((partition) => ({ topicId, partition })),
  )
}

function byTopic(owned: readonly IdPartition[]) {
  return [...Map.groupBy(owned, ({ topicId }) => topicId)].map(([topicId, held]) => ({
    topicId,
    partitions: held.map(({ partition }) => partition),
  }))
}
