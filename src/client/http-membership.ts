/**
 * Being a member over HTTP: joining, heartbeats, and what an answer says about the assignment.
 *
 *   joining ──▶ member ──(unknown to the group: its session ended)──▶ everything is lost, joining
 *
 * An answer with fewer partitions takes them away: they are `draining`, which every heartbeat says by `owned_partitions`, until
 * the consumer gave them up; the next heartbeat then leaves them out, and they go to their new owner. Heartbeats and polls
 * take turns, so an answer never meets an older one; a waiting poll counts as a sign of life at the broker. An answer that was
 * lost costs nothing: the generation says which one was read last, and what it missed is told again.
 */

import { ShoalError, messageOf } from '../core/index.ts'
import type { Clock, Logger, Timer, Timers } from '../core/index.ts'
import type { OwnedPartition } from '../consumer/index.ts'
import type { ApiClient, BrokerRoutes, ReceivedProblem } from '../http/index.ts'
import type { ConsumerSettings } from './config.ts'
import { isPassing, problemError, type Retrying } from './http-calls.ts'
import type { MemberEvents } from './member.ts'
import { Signal } from './signal.ts'

export interface HttpMemberParts {
  readonly api: ApiClient<BrokerRoutes>
  readonly retrying: Retrying
  readonly settings: ConsumerSettings
  readonly memberId: string
  readonly clock: Clock
  readonly timers: Timers
  readonly logger: Logger
}

type Lists = Readonly<Record<string, readonly number[]>>

interface Answer {
  readonly generation: number
  readonly assigned_partitions: Lists
  readonly warnings?: readonly string[] | undefined
}

const LEAVE_LIMIT_MS = 5_000
const REJOIN_MS = 500
/** Kept of the time that a revoke may take, for the commit. */
const REVOKE_SHARE = 0.8

export class HttpMembership {
  readonly #parts: HttpMemberParts
  readonly #events: MemberEvents
  readonly #owned = new Map<string, OwnedPartition>()
  /** Taken away and still worked on. */
  readonly #draining = new Map<string, OwnedPartition>()
  /** Something changed that a waiting fetch has to look at. */
  readonly changed: Signal
  #turn: Promise<unknown> = Promise.resolve()
  #generation = -1
  #epoch = 0
  #isMember = false
  #isClosed = false
  #timer: Timer | null = null
  #warned = ''
  failure: ShoalError | null = null

  constructor(parts: HttpMemberParts, events: MemberEvents) {
    this.#parts = parts
    this.#events = events
    this.changed = new Signal(parts.timers)
  }

  get generation(): number {
    return this.#generation
  }

  /** Whether it may poll: it is in, and nothing is left to be given up. */
  get isSettled(): boolean {
    return this.#isMember && this.#draining.size === 0
  }

  ownerOf(topic: string, partition: number): OwnedPartition | undefined {
    return this.#owned.get(`${topic}/${partition}`)
  }

  get owned(): Iterable<OwnedPartition> {
    return this.#owned.values()
  }

  /** @throws ShoalError SHOAL_BROKER_UNREACHABLE */
  async start(): Promise<void> {
    await this.#inTurn(() => this.#join(this.#parts.settings.connectTimeoutMs))
    this.#beatLater()
  }

  /** Polls in its turn: an answer is taken for what it says of the assignment, a refusal for what it says of the member. */
  async poll<Body extends Answer>(
    ask: (
      generation: number,
    ) => Promise<{ ok: true; body: Body } | { ok: false; problem: ReceivedProblem }>,
  ): Promise<Body | null> {
    return this.#inTurn(async () => {
      if (!this.isSettled || this.#isClosed) return null
      const reply = await ask(this.#generation)
      if (!reply.ok) {
        await this.#refused(reply.problem)
        return null
      }
      this.#heard(reply.body)
      return reply.body
    })
  }

  /** Leaves; rejects never: a member that cannot say goodbye is out when its session ends. */
  async leave(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    this.changed.raise()
    await this.#turn
    if (!this.#isMember) return
    this.#isMember = false
    const { api, retrying, memberId, logger, settings } = this.#parts
    const params = { groupId: settings.groupId }
    try {
      await retrying(
        () => api.leaveGroup({ params, body: { member_id: memberId } }),
        LEAVE_LIMIT_MS,
      )
    } catch (error) {
      logger.log('warn', 'the group could not be left; it is when the session ends', {
        group: settings.groupId,
        reason: messageOf(error),
      })
    }
  }

  // --- requests ---

  async #join(limitMs: number): Promise<void> {
    const { api, retrying, settings, memberId } = this.#parts
    const { instanceId, assignor } = settings
    const body = {
      member_id: memberId,
      client_id: settings.clientId,
      ...(instanceId === null ? {} : { instance_id: instanceId }),
      topics: [...settings.topics],
      session_timeout_ms: Math.round(settings.sessionTimeoutMs),
      heartbeat_interval_ms: Math.max(100, Math.round(settings.heartbeatIntervalMs)),
      rebalance_timeout_ms: Math.round(settings.rebalanceTimeoutMs),
      assignor,
      auto_offset_reset: settings.autoOffsetReset,
    }
    const params = { groupId: settings.groupId }
    const reply = await retrying(() => api.joinGroup({ params, body }), limitMs)
    if (!reply.ok) return this.#notLetIn(reply.problem)
    this.#isMember = true
    this.#heard(reply.body)
  }

  #notLetIn(problem: ReceivedProblem): void {
    if (problem.code === 'UNKNOWN_TOPIC') {
      const { logger, settings } = this.#parts
      return logger.log('warn', 'a topic does not exist yet', {
        group: settings.groupId,
        reason: problem.detail,
      })
    }
    this.failure = problemError(problem)
    this.changed.raise()
  }

  async #beat(): Promise<void> {
    const { api, memberId, settings } = this.#parts
    if (!this.#isMember) return this.#join(settings.sessionTimeoutMs)
    const reply = await api.heartbeat({
      params: { groupId: settings.groupId },
      body: {
        member_id: memberId,
        generation: this.#generation,
        owned_partitions: listsOf([...this.#owned.values(), ...this.#draining.values()]),
      },
    })
    if (reply.ok) this.#heard(reply.body)
    else await this.#refused(reply.problem)
  }

  /** The group does not know the member as it is. */
  async #refused(problem: ReceivedProblem): Promise<void> {
    switch (problem.code) {
      case 'UNKNOWN_MEMBER':
      case 'UNKNOWN_GROUP':
        this.#lose()
        return this.#isClosed ? undefined : this.#join(this.#parts.settings.sessionTimeoutMs)
      case 'STALE_GENERATION': {
        // An answer was lost on its way: the present generation is in the refusal, the assignment in the next answer.
        const present = Number(problem.body['current_generation'] ?? problem.body['generation'])
        if (present === this.#generation) return
        this.#generation = present
        return this.#beat()
      }
      default:
        if (problem.status === 503 || problem.status === 429) return
        this.failure = problemError(problem)
        this.changed.raise()
    }
  }

  // --- assignment ---

  #heard({ generation, assigned_partitions: assigned, warnings = [] }: Answer): void {
    this.#warn(warnings)
    this.#generation = generation
    const wanted = pairsOf(assigned)
    const gone = [...this.#owned.values()].filter((one) => !wanted.has(idOf(one)))
    const added = [...wanted]
      .filter(([id]) => !this.#owned.has(id) && !this.#draining.has(id))
      .map(([, pair]) => ({ ...pair, epoch: ++this.#epoch, startOffset: null }))
    for (const one of gone) this.#owned.delete(idOf(one))
    if (added.length > 0) {
      for (const { topic, partition, epoch } of added)
        this.#owned.set(`${topic}/${partition}`, { topic, partition, epoch })
      this.#events.assigned(added, generation)
      this.changed.raise()
    }
    if (gone.length > 0) this.#drain(gone)
  }

  #drain(gone: readonly OwnedPartition[]): void {
    for (const one of gone) this.#draining.set(idOf(one), one)
    const limitMs = this.#parts.settings.rebalanceTimeoutMs * REVOKE_SHARE
    const given = () => {
      for (const one of gone)
        if (this.#draining.get(idOf(one)) === one) this.#draining.delete(idOf(one))
      this.changed.raise()
      // A fetch that waits polls now, which gives them up as well; a heartbeat does where none waits.
      this.#parts.timers.soon(() => {
        if (!this.#isClosed && this.#isMember) void this.#beatNow()
      })
    }
    // It resolves whatever happens: the consumer tells its failures itself.
    void this.#events.revoked(gone, limitMs).then(given, given)
  }

  #lose(): void {
    this.#isMember = false
    this.#generation = -1
    const lost = [...this.#owned.values(), ...this.#draining.values()]
    this.#owned.clear()
    this.#draining.clear()
    if (lost.length > 0) this.#events.lost(lost)
  }

  // --- heartbeats ---

  #beatLater(): void {
    if (this.#isClosed) return
    const { timers, settings } = this.#parts
    const delayMs = this.#isMember ? settings.heartbeatIntervalMs : REJOIN_MS
    this.#timer = timers.schedule(delayMs, () => {
      void this.#beatNow().then(() => this.#beatLater())
    })
  }

  async #beatNow(): Promise<void> {
    const { logger, settings } = this.#parts
    try {
      await this.#inTurn(async () => {
        if (!this.#isClosed && this.failure === null) await this.#beat()
      })
    } catch (error) {
      if (!isPassing(error)) this.failure = errorOf(error)
      logger.log('warn', 'source: heartbeat-failed', {
        group: settings.groupId,
        reason: messageOf(error),
      })
      this.changed.raise()
    }
  }

  async #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(run)
    this.#turn = done.catch(() => {})
    return done
  }

  #warn(warnings: readonly string[]): void {
    const words = warnings.join('; ')
    if (words !== '' && words !== this.#warned)
      this.#parts.logger.log('warn', words, { group: this.#parts.settings.groupId })
    this.#warned = words
  }
}

function errorOf(error: unknown): ShoalError {
  return error instanceof ShoalError
    ? error
    : new ShoalError('SHOAL_REQUEST_FAILED', messageOf(error), { cause: error })
}

function pairsOf(lists: Lists): ReadonlyMap<string, Pick<OwnedPartition, 'topic' | 'partition'>> {
  const pairs = Object.entries(lists).flatMap(([topic, partitions]) =>
    partitions.map((partition) => [`${topic}/${partition}`, { topic, partition }] as const),
  )
  return new Map(pairs)
}

function listsOf(owned: readonly OwnedPartition[]): Record<string, number[]> {
  const byTopic = Map.groupBy(owned, ({ topic }) => topic)
  return Object.fromEntries(
    Array.from(byTopic, ([topic, list]) => [topic, list.map(({ partition }) => partition)]),
  )
}

function idOf({ topic, partition }: Pick<OwnedPartition, 'topic' | 'partition'>): string {
  return `${topic}/${partition}`
}
