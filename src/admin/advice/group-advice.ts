/**
 * What is wrong with groups as they are at this moment: members with nothing to do, nobody at work, work in one place. Pure.
 */

import type { GroupDescription } from '../admin-port.ts'
import type { LagRow } from '../lag-model.ts'
import type { Finding } from './finding.ts'

export interface GroupFacts {
  readonly group: GroupDescription
  readonly rows: readonly LagRow[]
}

/** So many groups on one broker deserve a look. */
const MANY_GROUPS = 200
/** A partition with so much of a lag that is worth a word. */
const HOT_SHARE = 0.8
const WORTH_A_WORD = 1_000

export function groupAdvice(groups: readonly GroupFacts[]): readonly Finding[] {
  return [...groups.flatMap(oneGroup), ...tooManyGroups(groups)]
}

function oneGroup(facts: GroupFacts): readonly Finding[] {
  return [...idleMembers(facts), ...nobodyAtWork(facts), ...hotPartition(facts)]
}

function idleMembers({ group }: GroupFacts): readonly Finding[] {
  const { members, state, groupId } = group
  if (state !== 'Stable') return []
  const idle = members.filter(({ assignment }) => assignment.length === 0)
  if (idle.length === 0) return []
  const partitions = members
    .flatMap(({ assignment }) => assignment)
    .reduce((sum, { partitions: owned }) => sum + owned.length, 0)
  return [
    {
      rule: 'idle-members',
      severity: 'warn',
      subject: groupId,
      problem: `${members.length} members for ${partitions} partitions: ${idle.length} idle (${idle.map(({ clientId }) => clientId).join(', ')}), each with its memory and connections`,
      fix: 'at most as many members as partitions; more work at once in each (concurrency), or more partitions',
    },
  ]
}

function nobodyAtWork({ group, rows }: GroupFacts): readonly Finding[] {
  const lag = lagOf(rows)
  if (group.members.length > 0 || lag === 0) return []
  return [
    {
      rule: 'no-members',
      severity: 'warn',
      subject: group.groupId,
      problem: `nobody is in the group and ${lag} records wait`,
      fix: 'start its service, or delete the group: shoal groups delete',
    },
  ]
}

function hotPartition({ group, rows }: GroupFacts): readonly Finding[] {
  const lag = lagOf(rows)
  const [worst] = rows.toSorted((left, right) => (right.lag ?? 0) - (left.lag ?? 0))
  if (worst === undefined || rows.length < 4 || lag < WORTH_A_WORD) return []
  const share = (worst.lag ?? 0) / lag
  if (share < HOT_SHARE) return []
  return [
    {
      rule: 'hot-partition',
      severity: 'warn',
      subject: group.groupId,
      problem: `${Math.round(share * 100)} % of its lag is on ${worst.topic}/${worst.partition} (${worst.lag} of ${lag} records): one key, or one stuck record`,
      fix: `look at what is there: shoal consume ${worst.topic} -p ${worst.partition} -o ${worst.committed?.offset ?? 0} -n 1`,
    },
  ]
}

function tooManyGroups(groups: readonly GroupFacts[]): readonly Finding[] {
  if (groups.length < MANY_GROUPS) return []
  const empty = groups.filter(({ group }) => group.members.length === 0).length
  return [
    {
      rule: 'many-groups',
      severity: 'info',
      subject: 'groups',
      problem: `there are ${groups.length} groups, ${empty} of them without members: each costs the coordinator something`,
      fix: 'one group a service, named by it; delete those that nobody uses: shoal groups delete',
    },
  ]
}

function lagOf(rows: readonly LagRow[]): number {
  return rows.reduce((sum, { lag }) => sum + Math.max(0, lag ?? 0), 0)
}
