/**
 * What `kafka-consumer-groups.sh` of Kafka 4.3.1 prints of resets and deletions, byte for byte. Pure.
 *
 * Its other views are in `group-tables.ts`. Where it prints partitions in the order of a hash table, these are by name.
 */

import type { PartitionOutcome, PlannedReset } from '../../admin/index.ts'
import { tableLines, type Column } from './columns.ts'

export const noActionWarning =
  'WARN: No action will be performed as the --execute option is missing. In version 5.0, this command will require ' +
  'either --dry-run or --execute to be specified. You should add the --dry-run option explicitly if you are scripting ' +
  'this command and want to keep the current default behavior without prompting.\n'

export const unknownTopicText =
  '\nError: Executing consumer group command failed due to This server does not host this topic-partition.\n'

export function newOffsetsTable(
  rows: readonly (PlannedReset & { readonly groupId: string })[],
  groupIds: readonly string[],
): string {
  const columns: readonly Column<PlannedReset & { readonly groupId: string }>[] = [
    {
      title: 'GROUP',
      width: Math.max(15, ...groupIds.map(({ length }) => length)),
      cell: (row) => row.groupId,
    },
    { title: 'TOPIC', width: 15, grows: true, cell: (row) => row.topic },
    { title: 'PARTITION', width: 10, cell: (row) => String(row.partition) },
    { title: 'NEW-OFFSET', width: 'rest', cell: (row) => String(row.newOffset) },
  ]
  return block(tableLines(columns, rows))
}

export function notInactiveText(groupId: string, state: string): string {
  return `\nError: Assignments can only be reset if the group '${groupId}' is inactive, but the current state is ${state}.\n`
}

/** @param failures Kafka's names of errors, by group */
export function deletedGroupsText(
  groupIds: readonly string[],
  failures: ReadonlyMap<string, string>,
): string {
  const quoted = (names: readonly string[]) => names.map((name) => `'${name}'`).join(', ')
  if (failures.size === 0)
    return `Deletion of requested consumer groups (${quoted(groupIds)}) was successful.\n`
  const lines = Array.from(
    failures,
    ([groupId, error]) =>
      `* Group '${groupId}' could not be deleted due to: ${exceptionOf(error)}\n`,
  )
  const deleted = groupIds.filter((groupId) => !failures.has(groupId))
  const others =
    deleted.length === 0
      ? ''
      : `\nThese consumer groups were deleted successfully: ${quoted(deleted)}\n`
  return `\nError: Deletion of some consumer groups failed:\n${lines.join('')}${others}`
}

export function deletedOffsetsText(groupId: string, outcomes: readonly PartitionOutcome[]): string {
  const failed = outcomes.some(({ error }) => error !== null)
  const head = failed
    ? '\nError: Encountered some partition-level error, see the follow-up details.\n'
    : `Request succeeded for deleting offsets from group ${groupId}.\n`
  const columns: readonly Column<PartitionOutcome>[] = [
    { title: 'TOPIC', width: 15, cell: (row) => row.topic },
    { title: 'PARTITION', width: 10, cell: (row) => String(row.partition) },
    {
      title: 'STATUS',
      width: 15,
      cell: ({ error }) => (error === null ? 'Successful' : `Error: ${exceptionOf(error)}`),
    },
  ]
  return `${head}${block(tableLines(columns, outcomes))}`
}

/** Errors as Java's client says them. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  NON_EMPTY_GROUP: 'GroupNotEmptyException: The group is not empty.',
  GROUP_ID_NOT_FOUND: 'GroupIdNotFoundException: The group id does not exist.',
  GROUP_SUBSCRIBED_TO_TOPIC:
    'GroupSubscribedToTopicException: Deleting offsets of a topic is forbidden while the consumer group is actively subscribed to it.',
  UNKNOWN_TOPIC_OR_PARTITION:
    'UnknownTopicOrPartitionException: This server does not host this topic-partition.',
}

function exceptionOf(error: string): string {
  const known = EXCEPTIONS[error]
  return known === undefined ? error : `org.apache.kafka.common.errors.${known}`
}

/** Each line begins where the last one ended: a table begins and ends with a line break. */
function block(lines: readonly string[]): string {
  return `\n${lines.join('\n')}\n`
}
