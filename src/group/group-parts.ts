/** What the hard state of classic and of KIP-848 groups has in common. Values, never changed in place. */

import { assertInvariant } from '../core/index.ts'
import type { OffsetsCommittedRecord, RebalanceEntry, RebalanceStart, Stamp } from './records.ts'

/** How many completed rebalances a group remembers. */
const TIMELINE_LENGTH = 100

/** Members in their order, by both of their names. */
export interface MemberIndex<Member> {
  readonly members: ReadonlyMap<string, Member>
  readonly memberIdByInstance: ReadonlyMap<string, string>
}

interface Identity {
  readonly memberId: string
  readonly groupInstanceId: string | null
}

export function indexed<Member>(
  list: readonly Member[],
  identityOf: (member: Member) => Identity,
): MemberIndex<Member> {
  const members = new Map<string, Member>()
  const memberIdByInstance = new Map<string, string>()
  let staticCount = 0
  for (const member of list) {
    const { memberId, groupInstanceId } = identityOf(member)
    members.set(memberId, member)
    if (groupInstanceId === null) continue
    memberIdByInstance.set(groupInstanceId, memberId)
    staticCount++
  }
  assertInvariant(members.size === list.length, 'a member id stands for two members of a group')
  assertInvariant(
    memberIdByInstance.size === staticCount,
    'an instance id stands for two members of a group',
  )
  return { members, memberIdByInstance }
}

export function extended(
  timeline: readonly RebalanceEntry[],
  start: RebalanceStart,
  { durationMs, generation }: { readonly durationMs: number; readonly generation: number },
): readonly RebalanceEntry[] {
  return [...timeline.slice(1 - TIMELINE_LENGTH), { ...start, durationMs, generation }]
}

/** A commit keeps a group without members from expiring. */
export function afterCommit<
  Group extends { readonly members: ReadonlyMap<string, unknown>; readonly idleSince: Stamp },
>(group: Group, { commitTimestampMs, observedMs }: OffsetsCommittedRecord): Group {
  if (group.members.size > 0) return group
  return { ...group, idleSince: { wallMs: commitTimestampMs, observedMs } }
}
