/**
 * A member of a classic group, alive: `classic-machine.ts` decides, this sends, waits and sets timers.
 *
 * Inputs queue and are taken one after another, so that what an effect calls back into never finds half a step done.
 * Requests of the group go over a connection of their own, for a join may wait at the broker as long as the rebalance
 * lasts; the heartbeats beside it go over the main one.
 */

import { ShoalError, messageOf } from '../../../core/index.ts'
import type { Timer } from '../../../core/index.ts'
import type { OwnedPartition } from '../../../consumer/index.ts'
import {
  heartbeat,
  joinGroup,
  kafkaErrorSentence,
  leaveGroup,
  syncGroup,
} from '../../../protocol/index.ts'
import type { KafkaErrorCode } from '../../../protocol/index.ts'
import { spread } from '../../backoff.ts'
import {
  assignedPartitions,
  isCooperative,
  planGroup,
  subscriptions,
  wantedTopics,
} from './group-plan.ts'
import type { MemberPast } from './group-plan.ts'
import { isPassing } from '../kafka-client.ts'
import type { KafkaClient } from '../kafka-client.ts'
import { partitionKey } from '../topic-partition.ts'
import { initialMember, isFresh } from './classic-state.ts'
import type { MemberState, MembershipSettings } from './classic-state.ts'
import { step } from './classic-machine.ts'
import type { MemberEffect, MemberInput, MemberTimer } from './classic-messages.ts'
import type { SourceSettings } from '../options.ts'
import type { AskedAs, Membership, MembershipEvents, MembershipOptions } from './membership.ts'

export interface ClassicMemberOptions extends MembershipOptions {
  /** Asked before joining anew from the outside; true: another membership has begun, and this one leaves. */
  readonly yields: () => Promise<boolean>
}

/** Beyond the rebalance timeout, for the answer to travel. */
const JOIN_MARGIN_MS = 5_000
const LEAVE_TIMEOUT_MS = 5_000
const PROTOCOL_TYPE = 'consumer'
const NO_PAST: MemberPast = { generation: -1, owned: [] }

export class ClassicMember implements Membership {
  readonly #client: KafkaClient
  readonly #group: string
  readonly #settings: SourceSettings
  readonly #membership: MembershipSettings
  readonly #events: MembershipEvents
  readonly #topics: () => readonly string[]
  readonly #yields: () => Promise<boolean>
  readonly #nextEpoch: () => number
  readonly #timers = new Map<MemberTimer, Timer>()
  readonly #inputs: MemberInput[] = []
  #isStepping = false
  #state: MemberState = initialMember
  #protocol = ''
  /** What an eager member held before the rebalance, for the sticky assignor. */
  #past: MemberPast = NO_PAST
  #waiting: (() => void)[] = []
  #left: Promise<void> = Promise.resolve()

  constructor(options: ClassicMemberOptions) {
    const { client, group, settings } = options
    this.#client = client
    this.#group = group
    this.#settings = settings
    this.#events = options.events
    this.#topics = options.topics
    this.#yields = options.yields
    this.#nextEpoch = options.nextEpoch
    this.#membership = {
      cooperative: isCooperative(settings.assignors),
      isStatic: settings.groupInstanceId !== null,
      sessionTimeoutMs: settings.sessionTimeoutMs,
      heartbeatIntervalMs: settings.heartbeatIntervalMs,
      retryBackoffMs: Math.max(client.settings.reconnectBackoffMs, 100),
      retryBackoffMaxMs: client.settings.reconnectBackoffMaxMs,
    }
  }

  get memberId(): string {
    return this.#state.memberId
  }

  get generation(): number {
    return this.#state.generation
  }

  get isLeader(): boolean {
    return this.#state.isLeader
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
    return isFresh(this.#state, this.#membership, this.#client.ports.clock.monotonicMs())
  }

  async settled(): Promise<void> {
    while (!isSettled(this.#state))
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  refused(asked: AskedAs, error: KafkaErrorCode): void {
    this.#take({ kind: 'refused', ...asked, error })
  }

  topicsChanged(isSubscription: boolean): void {
    this.#take({ kind: 'topics-changed', isSubscription })
  }

  topicRemade(topic: string): void {
    this.#take({ kind: 'topic-remade', topic, epoch: this.#nextEpoch() })
  }

  /** A static member does not leave: it has until its session times out to come back. */
  async close(): Promise<void> {
    this.#take({ kind: 'close' })
    await this.#left
  }

  #take(input: MemberInput): void {
    this.#inputs.push(input)
    if (this.#isStepping) return
    this.#isStepping = true
    try {
      for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) {
        const nowMs = this.#client.ports.clock.monotonicMs()
        const { state, effects } = step(this.#state, next, this.#membership, nowMs)
        this.#state = state
        for (const effect of effects) this.#perform(effect)
      }
    } finally {
      this.#isStepping = false
    }
    if (isSettled(this.#state)) for (const resolve of this.#waiting.splice(0)) resolve()
  }

  #perform(effect: MemberEffect): void {
    switch (effect.kind) {
      case 'join':
        return void this.#join(effect)
      case 'plan':
        return void this.#plan(effect)
      case 'sync':
        return void this.#sync(effect)
      case 'heartbeat':
        return void this.#beat(effect)
      case 'leave':
        this.#left = this.#leave(effect.memberId)
        return
      case 'forget-coordinator':
        return this.#client.forgetCoordinator(this.#group)
      case 'joined':
        return this.#events.joined(effect.memberId, effect.generation, this.#protocol)
      case 'assign':
        return this.#events.assign(effect.partitions, effect.generation)
      case 'revoke':
        return void this.#revoke(effect.drain, effect.partitions)
      case 'lose':
        return this.#events.lose(effect.partitions)
      case 'schedule':
        return this.#schedule(effect.key, effect.delayMs, effect.jitter === true)
      case 'cancel':
        return this.#timers.get(effect.key)?.cancel()
      case 'heartbeat-failed':
        return this.#events.heartbeatFailed(effect.reason)
      case 'fail':
        return this.#events.failed(this.#failure(effect.error))
    }
  }

  async #join(effect: MemberEffect & { kind: 'join' }): Promise<void> {
    const { assignors, clientRack, groupInstanceId } = this.#settings
    const held = {
      generation: effect.owned.length > 0 ? effect.generation : -1,
      owned: effect.owned,
    }
    try {
      if (effect.isAnew && (await this.#yields())) return this.#take({ kind: 'close' })
      const { response } = await this.#client.request(
        joinGroup,
        {
          groupId: this.#group,
          sessionTimeoutMs: this.#settings.sessionTimeoutMs,
          rebalanceTimeoutMs: this.#settings.rebalanceTimeoutMs,
          memberId: effect.memberId,
          groupInstanceId,
          protocolType: PROTOCOL_TYPE,
          protocols: subscriptions(assignors, this.#topics(), held, this.#past, clientRack),
          reason: effect.reason,
        },
        { to: { group: this.#group }, channel: 'group', timeoutMs: this.#joinTimeoutMs },
      )
      this.#protocol = response.protocolName ?? ''
      this.#take({
        kind: 'join-answered',
        attempt: effect.attempt,
        answer: {
          error: response.errorCode,
          memberId: response.memberId,
          generation: response.generationId,
          leader: response.leader,
          protocol: this.#protocol,
          skipAssignment: response.skipAssignment,
          members: response.members,
        },
      })
    } catch (error) {
      this.#joinFailed(effect.attempt, error)
    }
  }

  async #plan(effect: MemberEffect & { kind: 'plan' }): Promise<void> {
    try {
      const topics = wantedTopics(effect.members)
      const view = await this.#client.refresh(topics)
      const counts = new Map(
        topics.map((topic) => [topic, view.topics.get(topic)?.partitions.length ?? 0] as const),
      )
      const existing = new Map([...counts].filter(([, count]) => count > 0))
      const assignments = planGroup(effect.protocol, effect.members, existing)
      this.#events.planned(counts)
      this.#take({ kind: 'planned', attempt: effect.attempt, assignments })
    } catch (error) {
      this.#joinFailed(effect.attempt, error)
    }
  }

  async #sync(effect: MemberEffect & { kind: 'sync' }): Promise<void> {
    try {
      const { response, sentMs } = await this.#client.request(
        syncGroup,
        {
          groupId: this.#group,
          generationId: effect.generation,
          memberId: effect.memberId,
          groupInstanceId: this.#settings.groupInstanceId,
          protocolType: PROTOCOL_TYPE,
          protocolName: this.#protocol,
          assignments: effect.assignments,
        },
        { to: { group: this.#group }, channel: 'group', timeoutMs: this.#joinTimeoutMs },
      )
      const error = response.errorCode
      const partitions = error === 'NONE' ? assignedPartitions(response.assignment) : []
      if (error === 'NONE') this.#past = { generation: effect.generation, owned: partitions }
      const epoch = this.#nextEpoch()
      this.#take({
        kind: 'sync-answered',
        attempt: effect.attempt,
        error,
        partitions,
        epoch,
        sentMs,
      })
    } catch (error) {
      this.#joinFailed(effect.attempt, error)
    }
  }

  async #beat(effect: MemberEffect & { kind: 'heartbeat' }): Promise<void> {
    const { generation, memberId } = effect
    try {
      const { response, sentMs } = await this.#client.request(
        heartbeat,
        {
          groupId: this.#group,
          generationId: generation,
          memberId,
          groupInstanceId: this.#settings.groupInstanceId,
        },
        {
          to: { group: this.#group },
          channel: effect.besideJoin ? 'main' : 'group',
          timeoutMs: this.#settings.sessionTimeoutMs / 3,
        },
      )
      const error = response.errorCode
      this.#take({ kind: 'heartbeat-answered', generation, memberId, error, sentMs })
    } catch (error) {
      this.#take({ kind: 'heartbeat-failed', reason: messageOf(error) })
    }
  }

  async #revoke(drain: number, partitions: readonly OwnedPartition[]): Promise<void> {
    await this.#events.revoke(partitions)
    this.#take({ kind: 'drained', drain })
  }

  async #leave(memberId: string): Promise<void> {
    const { groupInstanceId } = this.#settings
    const reason = 'the consumer was closed'
    try {
      // A join that waits at the broker would hold the leave up until the rebalance is over: another connection.
      await this.#client.request(
        leaveGroup,
        { groupId: this.#group, memberId, members: [{ memberId, groupInstanceId, reason }] },
        { to: { group: this.#group }, timeoutMs: LEAVE_TIMEOUT_MS },
      )
    } catch (error) {
      // The broker drops the member by itself when its session times out.
      this.#client.ports.logger.log('warn', 'leaving the group failed', {
        group: this.#group,
        reason: messageOf(error),
      })
    }
  }

  #joinFailed(attempt: number, error: unknown): void {
    this.#client.ports.logger.log('debug', 'joining the group failed', {
      group: this.#group,
      reason: messageOf(error),
    })
    // What no repetition mends: no common version, no right to the group, a request that cannot be written.
    if (!isPassing(error) && !this.isClosed) {
      this.#take({ kind: 'close' })
      this.#events.failed(error instanceof Error ? error : new Error(messageOf(error)))
      return
    }
    this.#take({ kind: 'join-failed', attempt, reason: messageOf(error) })
  }

  #schedule(key: MemberTimer, delayMs: number, jitter: boolean): void {
    const { timers, random } = this.#client.ports
    this.#timers.get(key)?.cancel()
    const fire = () => this.#take({ kind: 'timer', key })
    this.#timers.set(key, timers.schedule(jitter ? spread(delayMs, random) : delayMs, fire))
  }

  #failure(error: KafkaErrorCode): ShoalError {
    const details = { group: this.#group, error }
    if (error === 'FENCED_INSTANCE_ID')
      return new ShoalError(
        'SHOAL_MEMBER_FENCED',
        `group ${this.#group}: another consumer runs with group instance id ${this.#settings.groupInstanceId}; give each its own`,
        { details },
      )
    return new ShoalError(
      'SHOAL_REQUEST_FAILED',
      `group ${this.#group} refused this consumer: ${kafkaErrorSentence(error)} (${error})`,
      { details },
    )
  }

  get #joinTimeoutMs(): number {
    return Math.max(
      this.#client.settings.requestTimeoutMs,
      this.#settings.rebalanceTimeoutMs + JOIN_MARGIN_MS,
    )
  }
}

function isSettled({ phase, generation }: MemberState): boolean {
  return phase === 'stable' || phase === 'closed' || (phase === 'out' && generation < 0)
}
