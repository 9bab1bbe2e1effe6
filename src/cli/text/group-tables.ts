/**
 * Groups as `kafka-consumer-groups.sh` of Kafka 4.3.1 prints them, byte for byte: users diff and parse this.
 *
 * A describe table begins with an empty line; `--list` does not. Widths and orders are Kafka's; what differs is said in
 * the command's help: groups are listed in name order (Kafka's is that of a hash table).
 */

import type {
  GroupDescription,
  GroupListing,
  GroupMember,
  GroupView,
  LagRow,
  TopicPartitions,
} from '../../admin/index.ts'
import { tableLines, type Column } from './columns.ts'

export function offsetsTable({ group, rows }: GroupView, verbose: boolean): string {
  const columns: readonly Column<LagRow>[] = [
    { title: 'GROUP', width: 15, grows: true, cell: () => group.groupId },
    { title: 'TOPIC', width: 15, grows: true, cell: (row) => row.topic },
    { title: 'PARTITION', width: 10, cell: (row) => String(row.partition) },
    ...(verbose ? [{ title: 'LEADER-EPOCH', width: 15, cell: leaderEpochOf } as const] : []),
    { title: 'CURRENT-OFFSET', width: 15, cell: (row) => orDash(row.committed?.offset) },
    { title: 'LOG-END-OFFSET', width: 15, cell: (row) => orDash(row.logEndOffset) },
    { title: 'LAG', width: 15, cell: (row) => orDash(row.lag) },
    { title: 'CONSUMER-ID', width: 15, grows: true, cell: (row) => row.member?.memberId ?? '-' },
    { title: 'HOST', width: 15, grows: true, cell: (row) => row.member?.host ?? '-' },
    { title: 'CLIENT-ID', width: 'rest', cell: (row) => row.member?.clientId ?? '-' },
  ]
  return block(tableLines(columns, rows))
}

export function membersTable(group: GroupDescription, verbose: boolean): string {
  const withInstances = group.members.some((member) => member.groupInstanceId !== null)
  const mixed = group.members.some((member) => member.upgraded === false)
  const columns: readonly Column<GroupMember>[] = [
    { title: 'GROUP', width: 15, grows: true, cell: () => group.groupId },
    { title: 'CONSUMER-ID', width: 15, grows: true, cell: (member) => member.memberId },
    ...(withInstances
      ? [
          {
            title: 'GROUP-INSTANCE-ID',
            width: 17,
            grows: true,
            cell: (member: GroupMember) => member.groupInstanceId ?? '',
          },
        ]
      : []),
    { title: 'HOST', width: 15, grows: true, cell: (member) => member.host },
    { title: 'CLIENT-ID', width: 15, grows: true, cell: (member) => member.clientId },
    { title: '#PARTITIONS', width: 15, cell: (member) => String(partitionCountOf(member)) },
    ...(verbose ? verboseMemberColumns : [{ title: '', width: 'rest', cell: () => '' } as const]),
    ...(verbose && mixed ? [upgradedColumn] : []),
  ]
  return block(tableLines(columns, group.members))
}

const verboseMemberColumns: readonly Column<GroupMember>[] = [
  { title: 'CURRENT-EPOCH', width: 15, cell: (member) => orDash(member.memberEpoch) },
  {
    title: 'CURRENT-ASSIGNMENT',
    width: 20,
    grows: true,
    cell: (member) => assignmentText(member.assignment),
  },
  { title: 'TARGET-EPOCH', width: 15, cell: (member) => orDash(member.targetEpoch) },
  {
    title: 'TARGET-ASSIGNMENT',
    width: 20,
    grows: true,
    cell: (member) => assignmentText(member.targetAssignment),
  },
]

const upgradedColumn: Column<GroupMember> = {
  title: 'UPGRADED',
  width: 'rest',
  cell: (member) => String(member.upgraded === true),
}

export function stateTable(group: GroupDescription, verbose: boolean): string {
  const columns: readonly Column<GroupDescription>[] = [
    { title: 'GROUP', width: 15, grows: true, cell: () => group.groupId },
    { title: 'COORDINATOR (ID)', width: 25, grows: true, cell: coordinatorText },
    { title: 'ASSIGNMENT-STRATEGY', width: 20, cell: () => group.assignor || '-' },
    { title: 'STATE', width: 20, cell: () => group.state },
    ...(verbose
      ? [
          { title: 'GROUP-EPOCH', width: 15, cell: () => orDash(group.epochs?.group) } as const,
          {
            title: 'TARGET-ASSIGNMENT-EPOCH',
            width: 25,
            cell: () => orDash(group.epochs?.targetAssignment),
          } as const,
        ]
      : []),
    { title: '#MEMBERS', width: 'rest', cell: () => String(group.members.length) },
  ]
  return block(tableLines(columns, [group]))
}

/** Bare names, or with the asked columns behind them (TYPE before STATE). */
export function groupList(
  groups: readonly GroupListing[],
  {
    showType = false,
    showState = false,
  }: { readonly showType?: boolean; readonly showState?: boolean } = {},
): string {
  if (!showType && !showState) return groups.map((group) => `${group.groupId}\n`).join('')
  const nameWidth = groups.reduce((width, group) => Math.max(width, group.groupId.length), 15) + 10
  const columns: readonly Column<GroupListing>[] = [
    { title: 'GROUP', width: nameWidth, cell: (group) => group.groupId },
    ...(showType
      ? [{ title: 'TYPE', width: 20, cell: (group: GroupListing) => group.type } as const]
      : []),
    ...(showState
      ? [{ title: 'STATE', width: 20, cell: (group: GroupListing) => group.state } as const]
      : []),
  ]
  return tableLines(columns, groups)
    .map((line) => `${line}\n`)
    .join('')
}

/** What Kafka says on stderr about a group that is not simply working; null when there is nothing to say. */
export function stateRemark(group: GroupDescription): string | null {
  switch (group.state) {
    case 'Empty':
      return `\nConsumer group '${group.groupId}' has no active members.\n`
    case 'PreparingRebalance':
    case 'CompletingRebalance':
    case 'Assigning':
    case 'Reconciling':
      return `\nWarning: Consumer group '${group.groupId}' is rebalancing.\n`
    case 'Dead':
      return `\nConsumer group '${group.groupId}' does not exist.\n`
    case 'Stable':
      return null
  }
}

/** Members without a partition, named: Kafka's table leaves them out. On stderr, so that stdout stays Kafka's. */
export function idleRemark({ groupId, state, members }: GroupDescription): string | null {
  const idle = members.filter((member) => partitionCountOf(member) === 0)
  if (state !== 'Stable' || idle.length === 0) return null
  if (idle.length === members.length)
    return `\nNo member of '${groupId}' has a partition: it is paused, or its topics do not exist.\n`
  const named = idle
    .slice(0, MOST_NAMED)
    .map(({ memberId, clientId }) => `${memberId} (client ${clientId})`)
  const more = idle.length > MOST_NAMED ? [`${idle.length - MOST_NAMED} more`] : []
  const what = idle.length === 1 ? '1 member has' : `${idle.length} members have`
  return `\nIdle: ${what} no partition, there are more members than partitions: ${[...named, ...more].join(', ')}\n`
}

const MOST_NAMED = 10

/** The line that Kafka's tool prints on stdout for a group that is not there. */
export function missingGroupText(groupId: string): string {
  return `\nError: Executing consumer group command failed due to org.apache.kafka.common.errors.GroupIdNotFoundException: Group ${groupId} not found.\n`
}

function assignmentText(assignment: readonly TopicPartitions[] | null): string {
  if (assignment === null || assignment.length === 0) return '-'
  return assignment.map(({ topic, partitions }) => `${topic}:${partitions.join(',')}`).join(';')
}

function coordinatorText({ coordinator }: GroupDescription): string {
  return `${coordinator.host}:${coordinator.port}  (${coordinator.id})`
}

function leaderEpochOf({ committed }: LagRow): string {
  return committed === null || committed.leaderEpoch < 0 ? '-' : String(committed.leaderEpoch)
}

function partitionCountOf(member: GroupMember): number {
  return member.assignment.reduce((count, { partitions }) => count + partitions.length, 0)
}

function orDash(value: number | null | undefined): string {
  return value === null || value === undefined ? '-' : String(value)
}

function block(lines: readonly string[]): string {
  return `\n${lines.join('\n')}\n`
}
