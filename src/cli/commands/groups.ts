/**
 * `groups list` and `groups describe`: over Kafka what Kafka's own tool prints, byte for byte, or JSON; other brokers'
 * groups in `groups-backlog.ts`.
 *
 * A group that is not there ends with exit code 3; the others of the same command are still shown.
 */

import type { Command } from 'commander'
import {
  totalLag,
  viewGroup,
  type AdminPort,
  type GroupDescription,
  type GroupListing,
  type GroupView,
} from '../../admin/index.ts'
import { ShoalError } from '../../core/index.ts'
import { brokerOf, withAdmin, withBroker, withBrokerPort, type BrokerFlags } from '../backend.ts'
import { exitCodes } from '../exit-codes.ts'
import type { Io } from '../io.ts'
import {
  groupList,
  membersTable,
  missingGroupText,
  offsetsTable,
  idleRemark,
  stateRemark,
  stateTable,
} from '../text/group-tables.ts'
import { describeBacklogs } from './groups-backlog.ts'
import { addGroupsDelete } from './groups-delete.ts'
import { addGroupsLag } from './groups-lag.ts'
import { addGroupsPause } from './groups-pause.ts'
import { addGroupsReset } from './groups-reset.ts'
import { addGroupsTimeline } from './groups-timeline.ts'

const consumerGroupStates = [
  'Empty',
  'PreparingRebalance',
  'CompletingRebalance',
  'Stable',
  'Dead',
  'Assigning',
  'Reconciling',
]

interface ListFlags extends BrokerFlags {
  readonly state?: string | true
  readonly type?: string | true
  readonly json?: boolean
}

interface DescribeFlags extends BrokerFlags {
  readonly backlog?: boolean
  readonly members?: boolean
  readonly state?: boolean
  readonly offsets?: boolean
  readonly verbose?: boolean
  readonly all?: boolean
  readonly json?: boolean
}

export function addGroups(program: Command, io: Io): void {
  const groups = program
    .command('groups')
    .description('consumer groups: who they are, what they own, how far they are')
    .addHelpText('after', groupsHelp)
  withBroker(groups.command('list'))
    .description('the names of the groups, in name order')
    .option(
      '--state [states]',
      'show the state; with a list (Stable,Empty) only groups in these states',
    )
    .option(
      '--type [types]',
      'show the type; with a list (classic,consumer,stream,queue) only these types',
    )
    .option('--json', 'print one JSON document')
    .addHelpText('after', listHelp)
    .action((flags: ListFlags) => list(io, flags))
  withBroker(groups.command('describe'))
    .description('offsets and lag of groups, or their members, or their state')
    .argument('[group...]', 'the groups')
    .option('--all', 'all groups')
    .option('--offsets', 'committed and end offset, lag and owner of each partition (the default)')
    .option('--members', 'the members and how many partitions each has')
    .option('--state', 'the state, the assignor and the coordinator')
    .option(
      '--backlog',
      'lag, pending and how old the oldest are: the same columns on every broker (the default beside Kafka)',
    )
    .option('--verbose', 'more columns: epochs and assignments')
    .option('--json', 'print one JSON document')
    .addHelpText('after', describeHelp)
    .action((names: readonly string[], flags: DescribeFlags) => describe(io, names, flags))
  addGroupsLag(groups, io)
  addGroupsTimeline(groups, io)
  addGroupsReset(groups, io)
  addGroupsPause(groups, io)
  addGroupsDelete(groups, io)
}

async function list(io: Io, flags: ListFlags): Promise<void> {
  const states = namesOf(flags.state)
  const unknown = states.filter(
    (state) => !consumerGroupStates.some((known) => sameWord(known, state)),
  )
  if (unknown.length > 0)
    throw new ShoalError(
      'SHOAL_INVALID_ARGUMENT',
      `--state: unknown state ${unknown.join(', ')}; known are ${consumerGroupStates.join(', ')}`,
    )
  const types = namesOf(flags.type)
  const all = await withBrokerPort(io, flags, (port) => port.listGroups())
  const groups = all
    .filter((group) => group.type !== 'Share')
    .filter((group) => states.length === 0 || states.some((state) => sameWord(state, group.state)))
    .filter((group) => types.length === 0 || types.some((type) => sameWord(type, group.type)))
    .sort(byName)
  if (flags.json === true) io.out(`${JSON.stringify({ schema: 'shoal.groups.list/1', groups })}\n`)
  else
    io.out(
      groupList(groups, {
        showType: flags.type !== undefined,
        showState: flags.state !== undefined,
      }),
    )
}

async function describe(io: Io, names: readonly string[], flags: DescribeFlags): Promise<void> {
  if (names.length === 0 && flags.all !== true)
    throw new ShoalError('SHOAL_INVALID_ARGUMENT', 'name at least one group, or say --all')
  const views = (['offsets', 'members', 'state'] as const).filter((view) => flags[view] === true)
  if (views.length > 1)
    throw new ShoalError(
      'SHOAL_INVALID_ARGUMENT',
      `--${views.join(' and --')}: say one of them; --json shows everything at once`,
    )
  const { backend } = await brokerOf(io, flags)
  const code =
    backend === 'kafka' && flags.backlog !== true
      ? await describeAsKafka(io, names, flags)
      : await withBrokerPort(io, flags, async (port) => {
          const asked = flags.all === true ? (await port.listGroups()).filter(isConsumerGroup) : []
          const all = asked.map(({ groupId }) => groupId)
          return describeBacklogs(io, port, (flags.all === true ? all : names).toSorted(), flags)
        })
  io.setExitCode(code)
}

function describeAsKafka(io: Io, names: readonly string[], flags: DescribeFlags): Promise<number> {
  return withAdmin(io, flags, async (admin) => {
    const asked =
      flags.all === true
        ? (await admin.listGroups()).filter(isConsumerGroup).map(({ groupId }) => groupId)
        : names
    return flags.json === true
      ? describeJson(io, admin, asked.toSorted())
      : describeText(io, admin, asked.toSorted(), flags)
  })
}

async function describeText(
  io: Io,
  admin: AdminPort,
  names: readonly string[],
  flags: DescribeFlags,
): Promise<number> {
  let code: number = exitCodes.done.code
  for (const name of names) {
    const view = await viewOrNull(admin, name, flags)
    if (view === null) {
      io.out(missingGroupText(name))
      code = exitCodes.notFound.code
      continue
    }
    const remark = stateRemark(view.group)
    if (remark !== null) io.err(remark)
    const idle = idleRemark(view.group)
    if (idle !== null) io.err(idle)
    io.out(textOf(view, flags))
  }
  return code
}

async function describeJson(io: Io, admin: AdminPort, names: readonly string[]): Promise<number> {
  const views = await Promise.all(
    names.map(async (name) => ({ name, view: await viewOrNull(admin, name, {}) })),
  )
  const missing = views.filter(({ view }) => view === null).map(({ name }) => name)
  const groups = views.flatMap(({ view }) => (view === null ? [] : [jsonOf(view)]))
  io.out(`${JSON.stringify({ schema: 'shoal.groups.describe/1', groups, missing })}\n`)
  return missing.length === 0 ? exitCodes.done.code : exitCodes.notFound.code
}

/** The members and the state need no offsets; asking for them would only take time. */
async function viewOrNull(
  admin: AdminPort,
  name: string,
  flags: Pick<DescribeFlags, 'members' | 'state'>,
): Promise<GroupView | null> {
  try {
    if (flags.members === true || flags.state === true)
      return { group: await admin.describeGroup(name), rows: [] }
    return await viewGroup(admin, name)
  } catch (error) {
    if (error instanceof ShoalError && error.code === 'SHOAL_UNKNOWN_GROUP') return null
    throw error
  }
}

function textOf(view: GroupView, flags: DescribeFlags): string {
  const verbose = flags.verbose === true
  if (flags.members === true) return membersTable(view.group, verbose)
  if (flags.state === true) return stateTable(view.group, verbose)
  return offsetsTable(view, verbose)
}

function jsonOf({ group, rows }: GroupView): object {
  const partitions = rows.map(({ topic, partition, committed, logEndOffset, lag, member }) => ({
    topic,
    partition,
    committedOffset: committed?.offset ?? null,
    metadata: committed?.metadata ?? null,
    logEndOffset,
    lag,
    memberId: member?.memberId ?? null,
  }))
  return { ...(group satisfies GroupDescription), lag: totalLag(rows), partitions }
}

function isConsumerGroup(group: GroupListing): boolean {
  return group.type !== 'Share'
}

function namesOf(value: string | true | undefined): readonly string[] {
  return typeof value === 'string' ? value.split(',').map((name) => name.trim()) : []
}

function sameWord(left: string, right: string): boolean {
  return left.toLowerCase() === right.toLowerCase()
}

function byName(left: GroupListing, right: GroupListing): number {
  if (left.groupId === right.groupId) return 0
  return left.groupId < right.groupId ? -1 : 1
}

const groupsHelp = `
Examples:
  shoal groups list --state
  shoal groups describe billing
  shoal groups reset billing --to earliest --topic orders --dry-run
  shoal groups delete billing --yes`

const listHelp = `
Examples:
  shoal groups list
  shoal groups list --state Stable,Empty --json
  shoal groups list --broker redis://localhost:6379 --state`

const describeHelp = `
On Kafka and Shoal the text is that of kafka-consumer-groups.sh --describe, byte for byte; LAG is "-" where nothing
was committed. On Redis Streams and RabbitMQ, and with --backlog everywhere: LAG is what was not handed out, PENDING
what was and is not acknowledged, and how old the oldest of each is. "-" is what the broker does not tell.

A group of Redis Streams is a consumer group. RabbitMQ has none: a queue is the group, known by the name that its
members give it, or by its own. AMQP tells how much is ready there; the rest is asked of the management API.

Examples:
  shoal groups describe billing
  shoal groups describe billing --members --verbose
  shoal groups describe billing --state --verbose
  shoal groups describe --all --json | jq '.groups[] | {groupId, lag}'
  shoal groups describe billing --broker redis://localhost:6379
  shoal groups describe billing --broker amqp://localhost --members`
