/**
 * Taking a member in, or what it says of itself now: what that means for the group's epoch, and whose place it takes.
 *
 * The epoch rises before the member is written down: a crash between the two leaves an epoch without a reason, never a
 * member whose subscription nobody looked at.
 */

import type { MemberProfile } from '../records.ts'
import { endSession } from '../sessions.ts'
import { type Cause, causedBy, causedByNobody, topicChanges } from '../timeline/causes.ts'
import type { ConsumerMember } from './consumer-group.ts'
import { sameProfile, sameSubscription } from './profile.ts'
import type { ConsumerTurn } from './turn.ts'

/** Takes in who the member is now; whether its subscription changed. */
export function enrol(
  turn: ConsumerTurn,
  { profile, before }: { readonly profile: MemberProfile; readonly before: ConsumerMember | null },
): boolean {
  const { groupId, group } = turn
  const { memberId } = profile
  const changed = !sameSubscription(profile, before?.profile ?? null)
  // A group begins at epoch 1, and its first subscription is a change already. Over HTTP the first generation is 1.
  const begins = group.groupEpoch === 0 && profile.http === null
  const by = (begins ? 1 : 0) + (changed ? 1 : 0)
  if (by > 0) turn.raiseEpoch(causeOf(profile, before?.profile ?? null), by)
  else if (topicsChanged(turn)) turn.raiseEpoch(causedByNobody('topic_changed', whatChanged(turn)))

  if (before !== null && before.profile.memberId !== memberId) {
    const oldId = before.profile.memberId
    turn.record({ kind: 'consumer-member-replaced', groupId, memberId: oldId, profile })
    endSession(turn, oldId)
    for (const what of ['revoke', 'join', 'sync'] as const) turn.clearDeadline(what, oldId)
  } else if (before === null || !sameProfile(before.profile, profile)) {
    turn.record({ kind: 'consumer-member', groupId, profile })
  }
  return changed
}

function causeOf(profile: MemberProfile, before: MemberProfile | null): Cause {
  if (before === null) return causedBy(profile, 'member_joined')
  return causedBy(profile, 'subscription_changed', subscriptionOf(profile))
}

function subscriptionOf(profile: MemberProfile): string {
  const { subscribedTopicNames: names, subscribedTopicRegex: regex } = profile
  const topics = names.length > 5 ? `${names.length} topics` : names.join(', ')
  const pattern = regex === null ? '' : `the pattern ${regex}`
  const wanted = [topics, pattern].filter((part) => part !== '').join(' and ')
  return `it subscribes to ${wanted === '' ? 'nothing' : wanted}`
}

function whatChanged({ group, limits }: ConsumerTurn): string {
  const profiles = Array.from(group.members.values(), ({ profile }) => profile)
  return topicChanges(group.topics, limits.subscriptions.unionOf(profiles))
}

/** Whether the topics that the group wants are others, or have more partitions, than at its last target. */
function topicsChanged({ soft, group, limits }: ConsumerTurn): boolean {
  const { version } = limits.topics
  if (soft.topicsVersion === version) return false
  soft.topicsVersion = version
  if (group.groupEpoch > group.assignmentEpoch) return false
  const profiles = Array.from(group.members.values(), ({ profile }) => profile)
  return limits.subscriptions.hashOf(profiles) !== group.topicsHash
}
