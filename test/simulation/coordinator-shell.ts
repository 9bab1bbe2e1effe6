/**
 * The broker around a coordinator, as thin as it can be: decides, writes, flushes a while later, and answers what is flushed.
 *
 * A crash keeps what was flushed, and of what was only written as much as chance wants; connections break. A restart
 * reads the bytes that are left, or a snapshot made of them.
 */

import { type Random, randomBelow } from '../../src/core/index.ts'
import { beatRequest } from '../../src/group/consumer/fixture.test.ts'
import { decodeGroupRecord, encodeGroupRecord, partitionListOf } from '../../src/group/index.ts'
import type { httpBeat, ownedAtJoin } from '../../src/group/index.ts'
import type {
  ConsumerHeartbeatRequest,
  ConsumerHeartbeatResponse,
  ConsumerMember,
  GroupCoordinator,
  GroupCoordinatorOptions,
  GroupDecision,
  GroupRecord,
  GroupRequest,
  GroupResponse,
  GroupTopic,
  TopicIdPartitions,
} from '../../src/group/index.ts'
import type { Agenda } from './agenda.ts'
import type { Asked, CoordinatorChecker } from './coordinator-checker.ts'

/** A coordinator and how it is run: as it should be, or with one part broken on purpose. */
export interface CoordinatorBuild {
  readonly name: string
  readonly create: (options: GroupCoordinatorOptions) => GroupCoordinator
  /** What a restart makes of the records that it finds. */
  readonly recover: (records: readonly GroupRecord[]) => readonly GroupRecord[]
  readonly answersBeforeFlush: (response: GroupResponse) => boolean
  /** What the heartbeat and the join of an HTTP member say in KIP-848's words. */
  readonly httpBeat: typeof httpBeat
  readonly ownedAtJoin: typeof ownedAtJoin
}

/** As `broker/http/` gets it. */
export interface HttpCall {
  readonly groupId: string
  readonly memberId: string
  /** Null in a join. */
  readonly generation: number | null
  /** Null where the member does not say it. */
  readonly owned: readonly TopicIdPartitions[] | null
  /** What a join says beside that; null in a heartbeat. */
  readonly join: Partial<ConsumerHeartbeatRequest> | null
}

/** Null: the connection broke. */
export type Hear = (response: GroupResponse | null) => void

interface Waiting {
  readonly request: Asked
  readonly sinceMs: number
  readonly hear: Hear
}

/** An answer, and how many records have to be on disk before it may leave. */
interface Parked extends Waiting {
  readonly response: GroupResponse
  readonly recordCount: number
}

export interface ShellOptions {
  readonly agenda: Agenda
  readonly checker: CoordinatorChecker
  readonly random: Random
  readonly build: CoordinatorBuild
  readonly coordinator: GroupCoordinatorOptions
  readonly maxFlushMs: number
}

export class CoordinatorShell {
  isUp = false
  coordinator: GroupCoordinator
  /** How far the wall clock is from the monotonic one. */
  wallOffsetMs = 1_000_000
  readonly #options: ShellOptions
  #records: GroupRecord[] = []
  #flushedCount = 0
  #isFlushing = false
  #tokens = 0
  readonly #waiting = new Map<number, Waiting>()
  #parked: Parked[] = []
  readonly #timers = new Map<string, () => void>()
  /** Until when the process stands still. */
  #stalledUntilMs = 0
  #life = 0

  constructor(options: ShellOptions) {
    this.#options = options
    this.coordinator = options.build.create(options.coordinator)
    this.start()
  }

  /** A request arrives. */
  ask(request: Asked, hear: Hear): void {
    this.#awake(
      () => {
        const token = ++this.#tokens
        const asked = { ...request, replyTo: token }
        this.#waiting.set(token, { request: asked, hear, sinceMs: this.#options.agenda.nowMs })
        this.#decide(asked)
      },
      () => hear(null),
    )
  }

  /**
   * A join or a heartbeat over HTTP arrives: looked up, told and looked at again in one turn, as `broker/http/` does it. A
   * stale generation is refused with the present one.
   */
  askHttp({ groupId, memberId, generation, owned, join }: HttpCall, hear: Hear): void {
    const { build } = this.#options
    this.#awake(
      () => {
        const before = this.#memberOf(groupId, memberId) ?? null
        const said = before && build.httpBeat(before, { generation, owned })
        const words =
          join === null
            ? (said ?? { memberEpoch: generation ?? 0, topicPartitions: owned })
            : { ...join, memberEpoch: 0, topicPartitions: build.ownedAtJoin(before) }
        const request = beatRequest({ groupId, memberId, ...words })
        if (join === null && before !== null && said === null) {
          const refusal = {
            errorCode: 'FENCED_MEMBER_EPOCH',
            memberEpoch: before.memberEpoch,
          } as const
          return this.#park(request, { ...NOTHING_NEW, ...refusal }, hear)
        }
        // What needs no flush is answered at once, within `ask`.
        let after: ConsumerMember | undefined
        this.ask(request, (response) => {
          after ??= this.#memberOf(groupId, memberId)
          hear(after === undefined ? response : withAssignment(response, after))
        })
        after ??= this.#memberOf(groupId, memberId)
      },
      () => hear(null),
    )
  }

  #memberOf(groupId: string, memberId: string): ConsumerMember | undefined {
    return this.coordinator.consumerGroup(groupId)?.members.get(memberId)
  }

  /** A refusal rests on what may not be flushed yet. */
  #park(request: Asked, response: GroupResponse, hear: Hear): void {
    const { agenda, build } = this.#options
    const recordCount = build.answersBeforeFlush(response) ? 0 : this.#records.length
    this.#parked.push({ request, response, hear, recordCount, sinceMs: agenda.nowMs })
    this.#release()
  }

  /** How long the oldest request waits that has no answer. */
  get longestWaitMs(): number {
    const { nowMs } = this.#options.agenda
    return Math.max(0, ...Array.from(this.#waiting.values(), ({ sinceMs }) => nowMs - sinceMs))
  }

  deleteTopic({ name, topicId }: GroupTopic): void {
    this.#awake(() => this.#decide({ kind: 'topic-deleted', topic: name, topicId }))
  }

  /** The process stands still, and knows it when it goes on. */
  stall(durationMs: number): void {
    const { nowMs } = this.#options.agenda
    if (!this.isUp || nowMs < this.#stalledUntilMs) return
    this.#stalledUntilMs = nowMs + durationMs
    this.#awake(() => this.#decide({ kind: 'stalled', durationMs }))
  }

  crash(): void {
    const { random, checker } = this.#options
    this.isUp = false
    this.#life++
    for (const cancel of this.#timers.values()) cancel()
    this.#timers.clear()
    const unflushed = this.#records.length - this.#flushedCount
    const kept = randomBelow(random, 2) === 0 ? 0 : randomBelow(random, unflushed + 1)
    if (kept < unflushed) checker.count('lost')
    this.#records.splice(this.#flushedCount + kept)
    this.#settleFlushed(this.#records.length)
    const broken = [...this.#waiting.values(), ...this.#parked]
    this.#waiting.clear()
    this.#parked = []
    for (const { hear } of broken) hear(null)
  }

  start(): void {
    const { agenda, build, checker, coordinator: options, random } = this.#options
    const survived = this.#records.map((record) => decodeGroupRecord(encodeGroupRecord(record)))
    this.coordinator = build.create(options)
    for (const record of build.recover(survived)) this.coordinator.replay(record)
    if (randomBelow(random, 2) === 0) {
      const snapshot = this.coordinator.snapshot()
      this.coordinator = build.create(options)
      for (const record of snapshot) this.coordinator.replay(record)
      this.#records = [...snapshot]
      this.#flushedCount = snapshot.length
    }
    checker.restarted(this.#records, this.coordinator, agenda.nowMs)
    this.isUp = true
    this.#isFlushing = false
    this.#stalledUntilMs = 0
    this.#setTimers(this.coordinator.start(this.#now()))
  }

  #now(): { wallMs: number; monotonicMs: number } {
    const { nowMs } = this.#options.agenda
    return { wallMs: nowMs + this.wallOffsetMs, monotonicMs: nowMs }
  }

  /** Runs when the process does; never, if it dies before. */
  #awake(run: () => void, dead: () => void = () => {}): void {
    const life = this.#life
    if (!this.isUp) return dead()
    const delayMs = this.#stalledUntilMs - this.#options.agenda.nowMs
    if (delayMs <= 0) return run()
    this.#options.agenda.after(delayMs, () => (life === this.#life ? run() : dead()))
  }

  #decide(request: GroupRequest): void {
    const { agenda, checker, build } = this.#options
    const decision = this.coordinator.handle(request, this.#now())
    checker.decided(request, decision, agenda.nowMs)
    for (const record of decision.records) {
      this.coordinator.replay(record)
      this.#records.push(record)
    }
    checker.replayed(request, this.coordinator)
    this.#setTimers(decision.timers)
    for (const { to, response } of decision.replies) {
      const waiting = this.#waiting.get(to)
      if (waiting === undefined) throw new Error(`request ${to} is answered twice`)
      this.#waiting.delete(to)
      checker.replied(waiting.request, response, agenda.nowMs)
      const recordCount = build.answersBeforeFlush(response) ? 0 : this.#records.length
      this.#parked.push({ ...waiting, response, recordCount })
    }
    this.#release()
    this.#flushSoon()
  }

  #flushSoon(): void {
    if (this.#isFlushing || this.#flushedCount === this.#records.length) return
    const { agenda, random, maxFlushMs } = this.#options
    const life = this.#life
    // What is written from here on waits for the next flush.
    const recordCount = this.#records.length
    this.#isFlushing = true
    agenda.after(1 + randomBelow(random, maxFlushMs), () => {
      if (life !== this.#life) return
      this.#isFlushing = false
      this.#settleFlushed(recordCount)
      this.#release()
      this.#flushSoon()
    })
  }

  #settleFlushed(recordCount: number): void {
    for (const record of this.#records.slice(this.#flushedCount, recordCount))
      this.#options.checker.flushed(record)
    this.#flushedCount = recordCount
  }

  #release(): void {
    const ready = this.#parked.filter(({ recordCount }) => recordCount <= this.#flushedCount)
    this.#parked = this.#parked.filter(({ recordCount }) => recordCount > this.#flushedCount)
    for (const { request, hear, response } of ready) {
      this.#options.checker.answered(request, response)
      hear(response)
    }
  }

  #setTimers(commands: GroupDecision['timers']): void {
    for (const command of commands) {
      this.#timers.get(command.key)?.()
      this.#timers.delete(command.key)
      if (command.kind === 'cancel') continue
      const { key, delayMs, request } = command
      const cancel = this.#options.agenda.after(delayMs, () => {
        this.#timers.delete(key)
        this.#awake(() => this.#decide(request))
      })
      this.#timers.set(key, cancel)
    }
  }
}

const NOTHING_NEW = {
  kind: 'consumer-heartbeat',
  errorMessage: null,
  memberId: null,
  heartbeatIntervalMs: 0,
  assignment: null,
} as const

/** Over HTTP the whole assignment is in every answer, with the epoch that belongs to it. */
function withAssignment(
  response: GroupResponse | null,
  member: ConsumerMember,
): GroupResponse | null {
  if (response?.kind !== 'consumer-heartbeat' || response.errorCode !== 'NONE') return response
  const { memberEpoch, assigned } = member
  const whole: ConsumerHeartbeatResponse = {
    ...response,
    memberEpoch,
    assignment: { topicPartitions: partitionListOf(assigned) },
  }
  return whole
}
