/**
 * One request being decided for one group, of whatever type: the draft of its hard state, its soft state, and what comes out.
 *
 * A record emitted here is applied to the draft at once, so that later steps of the same decision see it; the
 * coordinator's own hard state changes only when the shell replays the records.
 *
 * A base class, which this project has nowhere else: every step of a decision takes the turn and says `turn.record`,
 * `turn.reply`, `turn.schedule`. An object inside the turn would either show at each of these, or be passed through twice.
 */

import type {
  GroupReply,
  GroupResponse,
  Now,
  ReplyToken,
  TimerCommand,
  TimerRequest,
} from './messages.ts'
import type { GroupRecord, Stamp } from './records.ts'

export interface TurnStart<Group, Soft, Limits> {
  readonly group: Group
  readonly soft: Soft
  /** Whether anybody has heard of the group. */
  readonly exists: boolean
  /** Whether there may be one more group. */
  readonly mayBegin: boolean
  readonly limits: Limits
  readonly now: Now
  /** Monotonic time without the stalls of the host: what deadlines are measured in. */
  readonly nowMs: number
  /** Time that the broker has seen pass, for the stamps of expiry. */
  readonly observedMs: number
}

export abstract class Turn<
  Group extends { readonly groupId: string },
  Decided extends GroupRecord,
  Soft,
  Limits,
> {
  readonly soft: Soft
  readonly exists: boolean
  readonly mayBegin: boolean
  readonly limits: Limits
  readonly now: Now
  readonly nowMs: number
  readonly stamp: Stamp
  readonly records: GroupRecord[] = []
  readonly replies: GroupReply[] = []
  readonly timers: TimerCommand[] = []
  readonly #apply: (group: Group, record: Decided) => Group
  #group: Group

  constructor(
    start: TurnStart<Group, Soft, Limits>,
    apply: (group: Group, record: Decided) => Group,
  ) {
    this.#group = start.group
    this.#apply = apply
    this.soft = start.soft
    this.exists = start.exists
    this.mayBegin = start.mayBegin
    this.limits = start.limits
    this.now = start.now
    this.nowMs = start.nowMs
    this.stamp = { wallMs: start.now.wallMs, observedMs: start.observedMs }
  }

  /** The hard state as the records of this turn leave it. */
  get group(): Group {
    return this.#group
  }

  get groupId(): string {
    return this.#group.groupId
  }

  record(record: Decided): void {
    this.#group = this.#apply(this.#group, record)
    this.records.push(record)
  }

  reply(to: ReplyToken, response: GroupResponse): void {
    this.replies.push({ to, response })
  }

  schedule(key: string, delayMs: number, request: TimerRequest): void {
    this.timers.push({ kind: 'schedule', key, delayMs: Math.max(0, delayMs), request })
  }

  cancel(key: string): void {
    this.timers.push({ kind: 'cancel', key })
  }
}
