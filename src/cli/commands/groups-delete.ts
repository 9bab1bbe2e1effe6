/**
 * `groups delete` and `groups delete-offsets`: both end something that cannot be brought back, so both want `--yes`.
 *
 * A group with members is refused with their names; one group's failure stops none of the others.
 */

import type { Command } from 'commander'
import {
  isLive,
  liveGroupError,
  partitionsIn,
  type AdminPort,
  type PartitionOutcome,
  type TopicPartition,
} from '../../admin/index.ts'
import { ShoalError } from '../../core/index.ts'
import { withAdmin, withBackend, type BackendFlags } from '../backend.ts'
import { failureReport } from '../failure-report.ts'
import { collect } from '../flags.ts'
import type { Io } from '../io.ts'
import { topicScope } from '../reset-spec.ts'

interface DeleteFlags extends BackendFlags {
  readonly yes?: boolean
  readonly json?: boolean
}

interface DeleteOffsetsFlags extends DeleteFlags {
  readonly topic: readonly string[]
}

export function addGroupsDelete(groups: Command, io: Io): void {
  withBackend(groups.command('delete'))
    .description('delete groups without members, and their committed offsets')
    .argument('<group...>')
    .option('--yes', 'do it; without this nothing is deleted')
    .option('--json', 'print one JSON document')
    .addHelpText('after', deleteHelp)
    .action((names: readonly string[], flags: DeleteFlags) => deleteGroups(io, names, flags))
  withBackend(groups.command('delete-offsets'))
    .description('forget what a group has committed for topics that it does not read any more')
    .argument('<group>')
    .option(
      '--topic <topic[:partitions]>',
      'this topic, or some of its partitions (orders:0,2); repeatable',
      collect,
      [],
    )
    .option('--yes', 'do it; without this nothing is deleted')
    .option('--json', 'print one JSON document')
    .addHelpText('after', deleteOffsetsHelp)
    .action((name: string, flags: DeleteOffsetsFlags) => deleteOffsets(io, name, flags))
}

async function deleteGroups(io: Io, names: readonly string[], flags: DeleteFlags): Promise<void> {
  if (flags.yes !== true)
    throw needsYes(`deleting ${names.join(', ')} deletes every offset committed there`)
  await withAdmin(io, flags, async (admin) => {
    const failures = failureReport(io)
    const deleted: string[] = []
    for (const name of new Set(names)) {
      if ((await failures.unless(deleteOne(admin, name))) === null) continue
      deleted.push(name)
      if (flags.json !== true) io.out(`Deleted group ${name}.\n`)
    }
    if (flags.json === true)
      io.out(`${JSON.stringify({ schema: 'shoal.groups.delete/1', deleted })}\n`)
    failures.finish(deleted.length)
  })
}

async function deleteOne(admin: AdminPort, groupId: string): Promise<true> {
  try {
    await admin.deleteGroup(groupId)
    return true
  } catch (error) {
    if (!(error instanceof ShoalError) || error.details['error'] !== 'NON_EMPTY_GROUP') throw error
    const group = await admin.describeGroup(groupId)
    throw isLive(group) ? liveGroupError(group, 'delete it') : error
  }
}

async function deleteOffsets(io: Io, groupId: string, flags: DeleteOffsetsFlags): Promise<void> {
  if (flags.topic.length === 0)
    throw new ShoalError('SHOAL_INVALID_ARGUMENT', 'name at least one topic: --topic orders')
  const scope = flags.topic.map(topicScope)
  if (flags.yes !== true)
    throw needsYes(`group ${groupId} would forget its offsets of ${flags.topic.join(', ')}`)
  await withAdmin(io, flags, async (admin) => {
    const partitions = await partitionsIn(admin, scope)
    const failures = failureReport(io)
    const deleted: TopicPartition[] = []
    for (const outcome of await admin.deleteOffsets(groupId, partitions)) {
      const { topic, partition } = outcome
      if ((await failures.unless(settled(groupId, outcome))) === null) continue
      deleted.push({ topic, partition })
      if (flags.json !== true)
        io.out(`Group ${groupId} has no offset of ${topic}/${partition} any more.\n`)
    }
    if (flags.json === true)
      io.out(
        `${JSON.stringify({ schema: 'shoal.groups.delete-offsets/1', groupId, partitions: deleted })}\n`,
      )
    failures.finish(deleted.length)
  })
}

async function settled(
  groupId: string,
  { topic, partition, error }: PartitionOutcome,
): Promise<true> {
  if (error === null) return true
  const why =
    error === 'GROUP_SUBSCRIBED_TO_TOPIC'
      ? `group ${groupId} still reads the topic; stop its members first`
      : `the broker answered ${error}`
  throw new ShoalError('SHOAL_REQUEST_FAILED', `${topic}/${partition}: ${why}`, {
    details: { group: groupId, topic, partition, error },
  })
}

function needsYes(consequence: string): ShoalError {
  return new ShoalError('SHOAL_REQUEST_FAILED', `${consequence}; say --yes to do it`)
}

const deleteHelp = `
A group that has members is refused, with their names. Consumers that come back later begin where their
auto.offset.reset says.

Examples:
  shoal groups delete billing --yes
  shoal groups delete billing shipping --yes --json`

const deleteOffsetsHelp = `
Topics that members of the group read now are refused. A partition without a committed offset is no failure.

Examples:
  shoal groups delete-offsets billing --topic refunds --yes
  shoal groups delete-offsets billing --topic orders:0,2 --topic refunds --yes`
