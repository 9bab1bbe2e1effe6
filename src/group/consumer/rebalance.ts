/**
 * The two steps by which a group rebalances: a new target when something changed, and each member towards it, one step a
 * heartbeat. Nobody waits for anybody but for a partition that another still has.
 */

import { assertInvariant } from '../../core/index.ts'
import { type ConsumerMember, isHeldByOther } from './consumer-group.ts'
import { type AnyPartitions, epochListOf, NO_PARTITIONS } from './partitions.ts'
import { type Progress, reconcile } from './reconcile.ts'
import { computeTarget } from './target.ts'
import type { ConsumerTurn } from './turn.ts'

/** Computes the target that is due, unless the last one is too young and nothing is urgent. */
export function renewTarget(turn: ConsumerTurn, { isUrgent = false } = {}): void {
  const { group, soft, config, limits } = turn
  if (group.groupEpoch === group.assignmentEpoch) return
  const { assignmentIntervalMs } = config
  const isYoung = soft.assignedMs !== null && turn.nowMs - soft.assignedMs < assignmentIntervalMs
  if (isYoung && !isUrgent) return
  turn.record(computeTarget(group, limits.topics, limits.subscriptions))
  soft.assignedMs = turn.nowMs
  soft.topicsVersion = limits.topics.version
}

export interface Advance {
  /** What the member says it owns; null when it does not say. */
  readonly owned: AnyPartitions | null
  readonly subscriptionChanged: boolean
}

/** Takes the member one step towards its target; the member as it is then. */
export function advance(
  turn: ConsumerTurn,
  memberId: string,
  { owned, subscriptionChanged }: Advance,
): ConsumerMember {
  const { group, limits } = turn
  const member = memberOf(turn, memberId)
  const next = reconcile(member, {
    targetEpoch: group.assignmentEpoch,
    target: group.targets.get(memberId) ?? NO_PARTITIONS,
    owned,
    subscriptionChanged,
    isHttp: member.profile.http !== null,
    wants: (topicId) => limits.subscriptions.wants(member.profile, topicId),
    isHeldByOther: (topicId, partition) => isHeldByOther(group, memberId, { topicId, partition }),
  })
  if (next !== member) move(turn, memberId, next)
  return memberOf(turn, memberId)
}

/** Writes down where a member stands now; who has to give something up has its rebalance timeout to do it. */
export function move(turn: ConsumerTurn, memberId: string, next: Progress): void {
  turn.record({
    kind: 'member-epoch',
    groupId: turn.groupId,
    memberId,
    memberEpoch: next.memberEpoch,
    previousMemberEpoch: next.previousMemberEpoch,
    state: next.state,
    assigned: epochListOf(next.assigned),
    pendingRevocation: epochListOf(next.pendingRevocation),
    durationMs: turn.rebalanceDurationMs(),
  })
  if (next.state === 'unrevoked') {
    const { rebalanceTimeoutMs } = memberOf(turn, memberId).profile
    turn.setDeadline('revoke', memberId, rebalanceTimeoutMs)
  } else turn.clearDeadline('revoke', memberId)
}

function memberOf(turn: ConsumerTurn, memberId: string): ConsumerMember {
  const member = turn.member(memberId)
  assertInvariant(
    member !== undefined,
    () => `group ${turn.groupId}: ${memberId} is moved and no member`,
  )
  return member
}
