/**
 * `kafka-consumer-groups`: takes the command line of Kafka's own tool and prints what that prints, so that scripts go on.
 *
 * Its exit codes too: 0 also where an error was printed, 1 for a wrong command line. What differs, and only here: `--list` and
 * partitions are in the order of names (Kafka's is that of a hash table), a stack trace is never printed, and a reset moves an
 * offset that lies outside of the log into it.
 */

import type { Command } from 'commander'
import {
  executeReset,
  isLive,
  partitionKey,
  partitionsIn,
  proposeReset,
  viewGroup,
  type AdminPort,
  type GroupView,
  type NewOffset,
  type PlannedReset,
  type ResetRequest,
} from '../../admin/index.ts'
import { messageOf, ShoalError } from '../../core/index.ts'
import { withAdmin } from '../backend.ts'
import { collect, wholeNumber } from '../flags.ts'
import type { Io } from '../io.ts'
import { offsetsText } from '../offsets-file.ts'
import { resetSpec, topicScope, type ResetSpec, type TargetFlags } from '../reset-spec.ts'
import {
  deletedGroupsText,
  deletedOffsetsText,
  newOffsetsTable,
  noActionWarning,
  notInactiveText,
  unknownTopicText,
} from '../text/consumer-groups-tool.ts'
import {
  groupList,
  membersTable,
  missingGroupText,
  offsetsTable,
  stateRemark,
  stateTable,
} from '../text/group-tables.ts'
import { readOffsets } from './groups-reset.ts'

interface ToolFlags extends TargetFlags {
  readonly bootstrapServer?: string
  readonly list?: boolean
  readonly describe?: boolean
  readonly delete?: boolean
  readonly deleteOffsets?: boolean
  readonly resetOffsets?: boolean
  readonly group: readonly string[]
  readonly allGroups?: boolean
  readonly topic: readonly string[]
  readonly allTopics?: boolean
  readonly members?: boolean
  readonly offsets?: boolean
  readonly verbose?: boolean
  readonly state?: string | true
  readonly type?: string | true
  readonly execute?: boolean
  readonly dryRun?: boolean
  readonly export?: boolean
  readonly timeout: string
}

const ACTIONS = ['list', 'describe', 'delete', 'deleteOffsets', 'resetOffsets'] as const

export function addKafkaConsumerGroups(program: Command, io: Io): void {
  program
    .command('kafka-consumer-groups')
    .description("Kafka's own tool: the same command line, the same output")
    .option('--bootstrap-server <addresses>', 'where the broker is; required')
    .option('--list', 'list all groups')
    .option('--describe', 'offsets and lag of groups, or --members, or --state')
    .option('--delete', 'delete groups without members')
    .option('--delete-offsets', 'forget offsets of a group; wants --topic')
    .option('--reset-offsets', 'move the offsets of groups without members')
    .option('--group <group>', 'the group; repeatable', collect, [])
    .option('--all-groups', 'all groups')
    .option('--topic <topic[:partitions]>', 'orders, or orders:0,2; repeatable', collect, [])
    .option('--all-topics', 'all topics that the group has committed')
    .option('--members', 'describe the members')
    .option('--offsets', 'describe the offsets (the default)')
    .option('--state [states]', 'describe the state; list the state, or groups in these states')
    .option('--type [types]', 'list the type, or groups of these types')
    .option('--verbose', 'more columns')
    .option('--to-earliest', 'reset to the first record')
    .option('--to-latest', 'reset to the end')
    .option('--to-current', 'reset to where it is')
    .option('--to-offset <offset>', 'reset to an offset')
    .option('--to-datetime <time>', 'reset to a time: YYYY-MM-DDThh:mm:ss.sss')
    .option('--by-duration <duration>', 'reset so far back from now: PnDTnHnMnS')
    .option('--shift-by <count>', 'reset so many records on or back')
    .option('--from-file <file>', 'reset to the offsets of a file')
    .option('--execute', 'do it')
    .option('--dry-run', 'only show it')
    .option('--export', 'print topic,partition,offset lines')
    .option('--timeout <ms>', 'how long to try, milliseconds', '5000')
    .addHelpText('after', toolHelp)
    .action((flags: ToolFlags) => run(io, flags))
}

async function run(io: Io, flags: ToolFlags): Promise<void> {
  try {
    const actions = ACTIONS.filter((action) => flags[action] === true)
    const [action] = actions
    if (action === undefined || actions.length > 1)
      throw usage(
        'Command must include exactly one action: --list, --describe, --delete, --reset-offsets, --delete-offsets.',
      )
    if (flags.bootstrapServer === undefined)
      throw usage('Missing required argument "[bootstrap-server]"')
    const timeout = `${wholeNumber('--timeout', flags.timeout, 1)}ms`
    const backend = { bootstrapServer: flags.bootstrapServer, timeout }
    await withAdmin(io, backend, (admin) => act(io, admin, flags, action))
  } catch (error) {
    if (!(error instanceof ShoalError) || error.code !== 'SHOAL_INVALID_ARGUMENT') throw error
    io.err(`${messageOf(error)}\n`)
    io.setExitCode(1)
  }
}

async function act(
  io: Io,
  admin: AdminPort,
  flags: ToolFlags,
  action: (typeof ACTIONS)[number],
): Promise<void> {
  if (action === 'list') return list(io, admin, flags)
  const groups = flags.allGroups === true ? await allGroups(admin) : [...new Set(flags.group)]
  if (groups.length === 0)
    throw usage(`Option [${optionOf(action)}] takes one of these options: [all-groups], [group]`)
  switch (action) {
    case 'describe':
      return describe(io, admin, flags, groups.toSorted())
    case 'delete':
      return deleteGroups(io, admin, groups)
    case 'deleteOffsets':
      return deleteOffsets(io, admin, flags, groups)
    case 'resetOffsets':
      return resetOffsets(io, admin, flags, groups)
  }
}

async function list(io: Io, admin: AdminPort, flags: ToolFlags): Promise<void> {
  const wanted = (value: string | true | undefined, actual: string) =>
    typeof value !== 'string' ||
    value.split(',').some((each) => each.trim().toLowerCase() === actual.toLowerCase())
  const groups = (await admin.listGroups())
    .filter(({ type }) => type !== 'Share')
    .filter(({ state, type }) => wanted(flags.state, state) && wanted(flags.type, type))
    .sort((left, right) => (left.groupId < right.groupId ? -1 : 1))
  const showState = flags.state !== undefined
  io.out(groupList(groups, { showState, showType: flags.type !== undefined }))
}

async function describe(
  io: Io,
  admin: AdminPort,
  flags: ToolFlags,
  groups: readonly string[],
): Promise<void> {
  const views = [flags.members, flags.offsets, flags.state].filter((view) => view !== undefined)
  if (views.length > 1)
    throw usage(
      'Option [describe] takes at most one of these options: [members], [offsets], [state]',
    )
  for (const groupId of groups) {
    const view = await groupOrNull(admin, groupId)
    if (view === null) {
      io.out(missingGroupText(groupId))
      continue
    }
    const remark = stateRemark(view.group)
    if (remark !== null) io.err(remark)
    const verbose = flags.verbose === true
    if (flags.members === true) io.out(membersTable(view.group, verbose))
    else if (flags.state !== undefined) io.out(stateTable(view.group, verbose))
    else io.out(offsetsTable(view, verbose))
  }
}

async function deleteGroups(io: Io, admin: AdminPort, groups: readonly string[]): Promise<void> {
  const failures = new Map<string, string>()
  for (const groupId of groups)
    try {
      await admin.deleteGroup(groupId)
    } catch (error) {
      failures.set(groupId, errorName(error))
    }
  io.out(deletedGroupsText(groups, failures))
}

async function deleteOffsets(
  io: Io,
  admin: AdminPort,
  { topic }: ToolFlags,
  groups: readonly string[],
): Promise<void> {
  if (topic.length === 0)
    throw usage('Option [delete-offsets] takes the following options: [topic]')
  const partitions = await partitionsIn(admin, topic.map(topicScope))
  for (const groupId of groups)
    try {
      io.out(deletedOffsetsText(groupId, await admin.deleteOffsets(groupId, partitions)))
    } catch (error) {
      if (!(error instanceof ShoalError) || error.code !== 'SHOAL_UNKNOWN_GROUP') throw error
      io.out(`\nError: '${groupId}' does not exist.\n`)
    }
}

async function resetOffsets(
  io: Io,
  admin: AdminPort,
  flags: ToolFlags,
  groups: readonly string[],
): Promise<void> {
  const { to: _, ...targets } = flags
  const spec = resetSpec(pick(targets), io.clock)
  if (flags.execute !== true && flags.dryRun !== true) io.err(noActionWarning)
  const offsets = spec.kind === 'file' ? await readOffsets(io, spec.path) : []
  const rows: (PlannedReset & { readonly groupId: string })[] = []
  for (const groupId of groups) {
    const plan = await planned(io, admin, requestOf(flags, spec, { groupId, offsets }))
    if (plan === null) return
    if (flags.execute === true && plan.resets.length > 0)
      for (const { topic, partition, error } of await executeReset(admin, groupId, plan))
        if (error !== null) io.err(`${topic}-${partition} was not reset: ${error}\n`)
    rows.push(...plan.resets.map((row) => ({ ...row, groupId })))
  }
  if (flags.export === true)
    io.out(offsetsText(rows.map((row) => ({ ...row, offset: row.newOffset }))))
  else io.out(newOffsetsTable(rows, groups))
}

/** Null when the tool says why not and ends. A group with members has no rows. */
async function planned(io: Io, admin: AdminPort, request: ResetRequest) {
  try {
    const { group, plan } = await proposeReset(admin, request)
    if (group !== null && isLive(group)) {
      io.out(notInactiveText(request.groupId, group.state))
      return { ...plan, resets: [] }
    }
    const [problem] = plan.problems
    if (problem === undefined) return plan
    throw usage(
      request.target.kind === 'shift'
        ? `Cannot shift offset for partition ${problem.topic}-${problem.partition} since there is no current committed offset`
        : `${problem.topic}-${problem.partition}: ${problem.problem}`,
    )
  } catch (error) {
    if (!(error instanceof ShoalError) || error.code !== 'SHOAL_UNKNOWN_TOPIC') throw error
    io.out(unknownTopicText)
    return null
  }
}

function requestOf(
  { topic, allTopics }: ToolFlags,
  spec: ResetSpec,
  { groupId, offsets }: { readonly groupId: string; readonly offsets: readonly NewOffset[] },
): ResetRequest {
  if (spec.kind === 'file') {
    const byPartition = new Map(offsets.map((each) => [partitionKey(each), each.offset]))
    return {
      groupId,
      target: { kind: 'listed', source: spec.path, offsets: byPartition },
      scope: offsets.map((each) => ({ topic: each.topic, partitions: [each.partition] })),
    }
  }
  if (spec.kind === 'group') throw usage('--to is not an option of this tool')
  if (topic.length === 0 && allTopics !== true)
    throw usage('One of the reset scopes should be defined: --all-topics, --topic.')
  return { groupId, target: spec, scope: topic.length > 0 ? topic.map(topicScope) : 'committed' }
}

/** The flags that say where to. */
function pick(flags: Omit<ToolFlags, 'to'>): TargetFlags {
  const names = [
    'toEarliest',
    'toLatest',
    'toCurrent',
    'toOffset',
    'shiftBy',
    'toDatetime',
    'byDuration',
    'fromFile',
  ] as const
  return Object.fromEntries(
    names.flatMap((name) => (flags[name] === undefined ? [] : [[name, flags[name]]])),
  )
}

async function allGroups(admin: AdminPort): Promise<readonly string[]> {
  const groups = await admin.listGroups()
  return groups.filter(({ type }) => type !== 'Share').map(({ groupId }) => groupId)
}

async function groupOrNull(admin: AdminPort, groupId: string): Promise<GroupView | null> {
  try {
    return await viewGroup(admin, groupId)
  } catch (error) {
    if (error instanceof ShoalError && error.code === 'SHOAL_UNKNOWN_GROUP') return null
    throw error
  }
}

function errorName(error: unknown): string {
  if (!(error instanceof ShoalError)) throw error
  if (error.code === 'SHOAL_UNKNOWN_GROUP') return 'GROUP_ID_NOT_FOUND'
  const name = error.details['error']
  return typeof name === 'string' ? name : messageOf(error)
}

function optionOf(action: string): string {
  return action.replace(/[A-Z]/, (letter) => `-${letter.toLowerCase()}`)
}

function usage(message: string): ShoalError {
  return new ShoalError('SHOAL_INVALID_ARGUMENT', message)
}

const toolHelp = `
Output and exit codes are those of kafka-consumer-groups.sh 4.3.1: 0 also where an error was printed. shoal groups has
plans that show what moves, JSON, and exit codes that tell failures apart.

Examples:
  shoal kafka-consumer-groups --bootstrap-server localhost:9092 --describe --group billing
  shoal kafka-consumer-groups --bootstrap-server localhost:9092 --list --state
  shoal kafka-consumer-groups --bootstrap-server localhost:9092 --reset-offsets --group billing --topic orders \\
    --to-earliest --dry-run`
