/**
 * The group coordinator, alive: a journal under it, timers beside it, answers parked until the disk has what they rest on.
 *
 * A request is decided, journaled and replayed in one turn. Its reply leaves after the flush that covers everything replayed
 * before, its own records or not: an answer may rest on an earlier record that a crash could still take away.
 *
 * **A stalled process expires nobody** (`stall-watch.ts`): every deadline moves by the time that was lost. Also without a
 * stall, a deadline that is due waits one turn, in which what the sockets hold is read.
 *
 *   heartbeat in the socket ─▶ timer due ─▶ one turn: heartbeat handled, timer replaced ─▶ nothing expires
 */

import type { Clock, Timer, Timers } from '../core/index.ts'
import { ShoalError } from '../core/index.ts'
import type {
  GroupCoordinator,
  GroupDecision,
  GroupRecord,
  GroupReply,
  GroupRequest,
  GroupResponse,
  NamedTopicPartitions,
  Now,
  ReplyToken,
  SharePartition,
  SharePartitionId,
  SharePartitions,
  ShareRecord,
  TimerCommand,
  TimerRequest,
} from '../group/index.ts'
import { applyShareRecord, decodeGroupRecord, encodeGroupRecord } from '../group/index.ts'
import type { LogStore, StateMachine } from '../log/index.ts'
import { StallWatch } from './stall-watch.ts'

const MACHINE = 'groups'

/** The coordinator as a machine of the journal. */
export function groupMachine(coordinator: GroupCoordinator): StateMachine {
  return {
    name: MACHINE,
    replay: (bytes) => coordinator.replay(decodeGroupRecord(bytes)),
    *snapshot() {
      for (const record of coordinator.snapshot()) yield encodeGroupRecord(record)
    },
  }
}

export interface GroupServiceOptions {
  readonly coordinator: GroupCoordinator
  readonly logs: Pick<LogStore, 'appendMetadata' | 'flushed'>
  readonly clock: Clock
  readonly timers: Timers
  /** Ends the instance: a flush failed, or the coordinator broke an invariant. */
  readonly fail: (error: Error) => void
}

/** The requests that are answered. */
export type AskedRequest = Extract<GroupRequest, { readonly replyTo: ReplyToken }>
/** A request as a handler makes it: the token is the service's. */
type WithoutToken<Request> = Request extends unknown ? Omit<Request, 'replyTo'> : never
export type ResponseTo<Kind extends AskedRequest['kind']> = Extract<
  GroupResponse,
  { readonly kind: Kind }
>

interface Waiting {
  readonly resolve: (response: GroupResponse) => void
  readonly reject: (error: Error) => void
}

interface Deadline {
  readonly request: TimerRequest
  readonly dueMs: number
  readonly timer: Timer
}

export class GroupService {
  readonly #options: GroupServiceOptions
  readonly #waiting = new Map<ReplyToken, Waiting>()
  readonly #deadlines = new Map<string, Deadline>()
  readonly #stalls: StallWatch
  readonly #listeners: ((records: readonly GroupRecord[]) => void)[] = []
  #lastToken = 0
  #closed: Error | null = null

  constructor(options: GroupServiceOptions) {
    this.#options = options
    this.#stalls = new StallWatch({
      clock: options.clock,
      timers: options.timers,
      isNeeded: () => this.#hasSessions(),
      onStall: (durationMs) => this.#handle({ kind: 'stalled', durationMs }),
    })
  }

  /** Call once, when the journal is replayed: sessions begin anew. */
  start(): void {
    const { coordinator } = this.#options
    this.#guard(() => this.#set(coordinator.start(this.#now())))
  }

  /** The coordinator's answer, as soon as it may leave. Rejects when the service closes before. */
  request<Kind extends AskedRequest['kind']>(
    request: WithoutToken<Extract<AskedRequest, { readonly kind: Kind }>>,
  ): Promise<ResponseTo<Kind>> {
    const replyTo = ++this.#lastToken
    return new Promise((resolve, reject) => {
      if (this.#closed !== null) return reject(this.#closed)
      // The coordinator answers a request with a response of the same kind.
      this.#waiting.set(replyTo, { resolve: resolve as Waiting['resolve'], reject })
      this.#handle({ ...request, replyTo })
    })
  }

  /** The answer to a question that changes nothing, as soon as it may leave. */
  async ask<Answer>(question: (coordinator: GroupCoordinator) => Answer): Promise<Answer> {
    if (this.#closed !== null) throw this.#closed
    const answer = question(this.#options.coordinator)
    await this.#options.logs.flushed()
    return answer
  }

  /** What is known in this turn, flushed or not: for a decision that goes on in it. Answers that leave wait for `ask`. */
  peek<Answer>(question: (coordinator: GroupCoordinator) => Answer): Answer {
    return question(this.#options.coordinator)
  }

  /** The topic's committed offsets and deliveries go with it. */
  topicDeleted({ name, topicId }: { readonly name: string; readonly topicId: string }): void {
    if (this.#closed === null) this.#handle({ kind: 'topic-deleted', topic: name, topicId })
  }

  /** Told of every record as soon as it is replayed: for what lives beside groups. */
  onRecords(listener: (records: readonly GroupRecord[]) => void): void {
    this.#listeners.push(listener)
  }

  /** What groups were delivered record by record. */
  get shares(): SharePartitions {
    return this.#options.coordinator.shares
  }

  isShareGroup(groupId: string): boolean {
    return this.isEmptyShareGroup(groupId) !== undefined
  }

  /** Whether a share group has members; undefined for a group of another type, or none. */
  isEmptyShareGroup(groupId: string): boolean | undefined {
    return this.#options.coordinator.isEmptyShareGroup(groupId)
  }

  /** Makes the share group if there is none; false when it cannot be, for the id is that of another group. */
  beginShareGroup(groupId: string): boolean {
    const records = this.#options.coordinator.beginShareGroup(groupId)
    this.#replay(records ?? [])
    return records !== null
  }

  /** What members of a share group have. */
  assignedOf(groupId: string): readonly NamedTopicPartitions[] {
    const { members } = this.#options.coordinator.describeShare(groupId)
    return members.flatMap(({ assignment }) => assignment.topicPartitions)
  }

  /** What a group committed in a partition; null when nothing. */
  committedOffset(groupId: string, topic: string, partition: number): number | null {
    return this.#options.coordinator.committedOffset(groupId, topic, partition)
  }

  /** Deliveries are decided beside the coordinator; their records, and the commit that follows them, are its own. */
  recordDeliveries(id: SharePartitionId, records: readonly ShareRecord[]): void {
    const { coordinator } = this.#options
    const after = records.reduce<SharePartition | null>(applyShareRecord, this.shares.get(id))
    const commit = after && coordinator.commitOfDelivery(after, this.#now())
    this.#replay(commit === null ? records : [...records, commit])
  }

  /** Stops the timers and turns away whose answer is not decided yet; the others get theirs. Idempotent. */
  close(): void {
    if (this.#closed !== null) return
    this.#closed = new ShoalError('SHOAL_CLOSED', 'the broker closed')
    this.#stalls.close()
    for (const { timer } of this.#deadlines.values()) timer.cancel()
    this.#deadlines.clear()
    for (const { reject } of this.#waiting.values()) reject(this.#closed)
    this.#waiting.clear()
  }

  #handle(request: GroupRequest): void {
    this.#guard(() => this.#carryOut(this.#options.coordinator.handle(request, this.#now())))
  }

  #carryOut({ records, replies, timers }: GroupDecision): void {
    this.#replay(records)
    this.#set(timers)
    if (replies.length > 0) this.#release(replies)
  }

  #replay(records: readonly GroupRecord[]): void {
    if (records.length === 0) return
    const { coordinator, logs } = this.#options
    logs.appendMetadata(MACHINE, records.map(encodeGroupRecord))
    for (const record of records) coordinator.replay(record)
    for (const listener of this.#listeners) listener(records)
  }

  /** From here on these are answered whatever comes, but for a disk that fails. */
  #release(replies: readonly GroupReply[]): void {
    const { logs, fail } = this.#options
    const released = replies.map(({ to, response }) => {
      const waiting = this.#waiting.get(to)
      this.#waiting.delete(to)
      return { waiting, response }
    })
    logs.flushed().then(
      () => {
        for (const { waiting, response } of released) waiting?.resolve(response)
      },
      (error: Error) => {
        for (const { waiting } of released) waiting?.reject(error)
        fail(error)
      },
    )
  }

  #set(commands: readonly TimerCommand[]): void {
    for (const command of commands) {
      if (command.kind === 'cancel') this.#cancel(command.key)
      else this.#schedule(command.key, command.delayMs, command.request)
    }
  }

  #schedule(key: string, delayMs: number, request: TimerRequest): void {
    this.#cancel(key)
    const { clock, timers } = this.#options
    const deadline: Deadline = {
      request,
      dueMs: clock.monotonicMs() + delayMs,
      timer: timers.schedule(delayMs, () => this.#due(key, deadline)),
    }
    this.#deadlines.set(key, deadline)
    if (request.kind === 'session-expired') this.#stalls.watch()
  }

  #cancel(key: string): void {
    this.#deadlines.get(key)?.timer.cancel()
    this.#deadlines.delete(key)
  }

  #due(key: string, deadline: Deadline): void {
    this.#stalls.notice()
    // Input first: what the sockets hold is read before the next turn, and may replace or cancel this deadline.
    this.#options.timers.soon(() => {
      if (this.#closed !== null || this.#deadlines.get(key) !== deadline) return
      this.#deadlines.delete(key)
      this.#handle(deadline.request)
    })
  }

  #hasSessions(): boolean {
    for (const { request } of this.#deadlines.values())
      if (request.kind === 'session-expired') return true
    return false
  }

  #now(): Now {
    const { clock } = this.#options
    return { wallMs: clock.wallMs(), monotonicMs: clock.monotonicMs() }
  }

  /** A decision that throws broke an invariant: nothing that follows could be trusted. */
  #guard(act: () => void): void {
    try {
      act()
    } catch (error) {
      this.#options.fail(error instanceof Error ? error : new Error(String(error)))
    }
  }
}
