/** One request being decided for one KIP-848 group: what `../turn.ts` says, epochs, and deadlines of members. */

import type { MemberDeadline } from '../messages.ts'
import type { MemberProfile } from '../records.ts'
import { isDue, type SessionTurn } from '../sessions.ts'
import type { Cause } from '../timeline/causes.ts'
import type { GroupTopics } from '../topics.ts'
import { Turn, type TurnStart } from '../turn.ts'
import {
  applyConsumerRecord,
  type ConsumerGroup,
  type ConsumerMember,
  type ConsumerRecord,
} from './consumer-group.ts'
import { type ConsumerSoftState, deadlineKey } from './soft-state.ts'
import type { Subscriptions } from './target.ts'

/** What may be set for one group; Kafka's `consumer.session.timeout.ms` and so on. */
export interface ConsumerGroupConfig {
  readonly sessionTimeoutMs: number
  readonly heartbeatIntervalMs: number
  /** Least time between two targets of the group; 0 computes each at once. */
  readonly assignmentIntervalMs: number
}

/** Whether a classic group may become a KIP-848 one (`upgrade`) and back (`downgrade`) while members are in. */
export type MigrationPolicy = 'bidirectional' | 'upgrade' | 'downgrade' | 'disabled'

export interface ConsumerLimits {
  /** Of classic members. */
  readonly groupMinSessionTimeoutMs: number
  readonly groupMaxSessionTimeoutMs: number
  readonly groupConsumerMaxSize: number
  readonly groupConsumerMigrationPolicy: MigrationPolicy
  readonly consumerGroupConfig: (groupId: string) => ConsumerGroupConfig
  readonly newMemberId: (prefix: string) => string
  readonly topics: GroupTopics
  readonly subscriptions: Subscriptions
}

export class ConsumerTurn
  extends Turn<ConsumerGroup, ConsumerRecord, ConsumerSoftState, ConsumerLimits>
  implements SessionTurn
{
  readonly config: ConsumerGroupConfig

  constructor(start: TurnStart<ConsumerGroup, ConsumerSoftState, ConsumerLimits>) {
    super(start, applyConsumerRecord)
    this.config = start.limits.consumerGroupConfig(start.group.groupId)
  }

  member(memberId: string): ConsumerMember | undefined {
    return this.group.members.get(memberId)
  }

  /** Something changed that calls for a new target. */
  raiseEpoch(why: Cause, by = 1): void {
    if (this.group.rebalance === null) this.soft.rebalanceStartedMs = this.nowMs
    this.record({
      kind: 'group-epoch',
      groupId: this.groupId,
      groupEpoch: this.group.groupEpoch + by,
      rebalance: { ...why, startedMs: this.now.wallMs },
    })
  }

  /** How long the rebalance that runs has taken; over a restart only the wall clock knows. */
  rebalanceDurationMs(): number {
    const { rebalance } = this.group
    if (rebalance === null) return 0
    const { rebalanceStartedMs } = this.soft
    const durationMs =
      rebalanceStartedMs === null
        ? this.now.wallMs - rebalance.startedMs
        : this.nowMs - rebalanceStartedMs
    return Math.max(0, Math.round(durationMs))
  }

  /** The member has to be done with this in so much time, or it is removed. */
  setDeadline(what: MemberDeadline, memberId: string, delayMs: number): void {
    const { groupId } = this
    const key = deadlineKey(what, groupId, memberId)
    this.soft.deadlines.set(key, this.nowMs + delayMs)
    this.schedule(key, delayMs, { kind: 'member-deadline', groupId, memberId, what })
  }

  hasDeadline(what: MemberDeadline, memberId: string): boolean {
    return this.soft.deadlines.has(deadlineKey(what, this.groupId, memberId))
  }

  clearDeadline(what: MemberDeadline, memberId: string): void {
    const key = deadlineKey(what, this.groupId, memberId)
    if (this.soft.deadlines.delete(key)) this.cancel(key)
  }

  /** A deadline's timer fired: whether the member is late. One that was moved by a stall gets its next timer. */
  isLate(what: MemberDeadline, memberId: string): boolean {
    const { groupId } = this
    const key = deadlineKey(what, groupId, memberId)
    const dueMs = this.soft.deadlines.get(key)
    if (dueMs === undefined) return false
    if (isDue(this, dueMs)) return true
    this.schedule(key, dueMs - this.nowMs, { kind: 'member-deadline', groupId, memberId, what })
    return false
  }
}

export function sessionTimeoutOf(turn: ConsumerTurn, { classic, http }: MemberProfile): number {
  return classic?.sessionTimeoutMs ?? http?.sessionTimeoutMs ?? turn.config.sessionTimeoutMs
}
