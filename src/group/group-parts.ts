/** What the hard state of classic and of KIP-848 groups has in common. Values, never changed in place. */

import { assertInvariant } from '../core/index.ts'
import type {
  BeforeRebalance,
  OffsetsCommittedRecord,
  Ownership,
  RebalanceEntry,
  RebalanceStart,
  Stamp,
} from './records.ts'
import { outcomeOf } from './timeline/moves.ts'

/** The rebalance that runs, if one does, and the last one that ended. */
export interface Rebalancing {
  readonly rebalance: RebalanceStart | null
  /** The group as it was when that began; null when none runs. */
  readonly before: BeforeRebalance | null
  /** For the timeline, which takes it from here. Not in snapshots: the timeline has its own. */
  readonly lastRebalance: RebalanceEntry | null
}

export const NO_REBALANCE: Rebalancing = { rebalance: null, before: null, lastRebalance: null }

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

/** A rebalance begins; one that runs goes on, and keeps its cause. */
export function began(
  { rebalance, before, lastRebalance }: Rebalancing,
  start: RebalanceStart,
  now: () => BeforeRebalance,
): Rebalancing {
  return { rebalance: rebalance ?? start, before: before ?? now(), lastRebalance }
}

export function ended(
  start: RebalanceStart,
  before: BeforeRebalance | null,
  end: {
    readonly durationMs: number
    readonly generation: number
    readonly owners: readonly Ownership[]
  },
): Rebalancing {
  const { owners, ...rest } = end
  const lastRebalance = {
    ...start,
    ...rest,
    generationFrom: before?.generation ?? end.generation,
    ...outcomeOf(before, owners),
  }
  return { ...NO_REBALANCE, lastRebalance }
}

/** A commit keeps a group without members from expiring. */
export function afterCommit<
  Group extends { readonly members: ReadonlyMap<string, unknown>; readonly idleSince: Stamp },
>(group: Group, { commitTimestampMs, observedMs }: OffsetsCommittedRecord): Group {
  if (group.members.size > 0) return group
  return { ...group, idleSince: { wallMs: commitTimestampMs, observedMs } }
}
