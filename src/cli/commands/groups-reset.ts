/**
 * `groups reset`: what a reset would change, and with `--execute` the change.
 *
 *   spec, scope ──▶ plan (table on stdout) ──▶ problem or live group: refused ──▶ --execute? commit : refused, --dry-run: done
 *
 * Nothing is committed before the whole plan stands, and never while members own partitions: with `--pause` a live group is
 * paused first, planned again, reset and resumed, whatever happens in between.
 */

import { readFile, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import {
  executeReset,
  isLive,
  liveGroupError,
  liveGroupText,
  partitionKey,
  proposeReset,
  type AdminPort,
  type NewOffset,
  type PartitionOutcome,
  type ProposedReset,
  type ResetRequest,
  type ResetTarget,
  type TopicScope,
} from '../../admin/index.ts'
import { ShoalError, messageOf } from '../../core/index.ts'
import { withAdmin } from '../backend.ts'
import { exitCodes } from '../exit-codes.ts'
import { collect, durationFlag } from '../flags.ts'
import type { Io } from '../io.ts'
import { offsetsText, parseOffsets } from '../offsets-file.ts'
import { resetSpec, topicScope, type ResetSpec, type TargetFlags } from '../reset-spec.ts'
import { resetSummary, resetTable } from '../text/reset-table.ts'
import { openWorkbench, withWorkbench, type WorkbenchFlags } from '../workbench.ts'
import { holdersText, pauseAndWait, resumeGroup } from './groups-pause.ts'

/** A pause ends by itself when this command dies. */
const LONGEST_PAUSE = '10m'

/** Some 500,000 partitions; more is not a file of offsets. */
const MAX_FILE_BYTES = 16 * 1024 * 1024

interface ResetFlags extends WorkbenchFlags, TargetFlags {
  readonly topic: readonly string[]
  readonly allTopics?: boolean
  readonly execute?: boolean
  readonly pause?: boolean
  readonly wait: string
  readonly dryRun?: boolean
  readonly export?: boolean
  readonly json?: boolean
}

export function addGroupsReset(groups: Command, io: Io): void {
  withWorkbench(groups.command('reset'))
    .description('move the committed offsets of a group: the plan, and with --execute the change')
    .argument('<group>')
    .option('--to <spec>', 'where to: see below')
    .option(
      '--topic <topic[:partitions]>',
      'only this topic, or some of its partitions (orders:0,2); repeatable',
      collect,
      [],
    )
    .option('--all-topics', 'every partition that the group has committed (the default)')
    .option('--from-file <file>', 'to the offsets in a file of lines topic,partition,offset')
    .option('--to-earliest', 'to the first record; as --to earliest')
    .option('--to-latest', 'to the end; as --to latest')
    .option('--to-current', 'to where it is, or the end; as --to current')
    .option('--to-offset <offset>', 'to an offset; as --to 1234')
    .option('--shift-by <count>', 'so many records on, or back when negative; as --to +100')
    .option('--to-datetime <time>', "to a time in UTC, as Kafka's tool: 2026-11-21T10:00:00.000")
    .option('--by-duration <duration>', 'so far back from now: PT2H, P1DT12H, 90m; as --to @-2h')
    .option('--execute', 'do it; without this nothing is changed')
    .option('--pause', 'of a group with members: pause it first and resume it afterwards')
    .option('--wait <duration>', 'with --pause: how long members may take to give up', '1m')
    .option('--dry-run', 'only the plan: ends with 0 where it could be executed')
    .option('--export', 'print topic,partition,offset lines for --from-file instead of the table')
    .option('--json', 'print one JSON document')
    .addHelpText('after', resetHelp)
    .action((groupId: string, flags: ResetFlags) => reset(io, groupId, flags))
}

async function reset(io: Io, groupId: string, flags: ResetFlags): Promise<void> {
  const spec = checked(flags, resetSpec(flags, io.clock))
  const scope = flags.topic.map(topicScope)
  const fileOffsets = spec.kind === 'file' ? await readOffsets(io, spec.path) : []
  await withAdmin(io, flags, async (admin) => {
    const request = await requestOf(admin, { groupId, spec, scope, fileOffsets })
    const proposed = await proposeReset(admin, request)
    const onlyExports = flags.export === true && flags.execute !== true
    const pauses = flags.pause === true && proposed.group !== null && isLive(proposed.group)
    const refused = problemOf(proposed) ?? (onlyExports || pauses ? null : livenessOf(proposed))
    if (flags.execute !== true || refused !== null) {
      show(io, { groupId, flags, proposed, outcomes: null })
      if (refused !== null) throw refused
      if (flags.dryRun !== true && flags.export !== true) throw needsExecute()
      return
    }
    const commit = async (planned: ProposedReset) => {
      const outcomes = await executeReset(admin, groupId, planned.plan)
      show(io, { groupId, flags, proposed: planned, outcomes })
      await tellFailures(io, admin, { groupId, flags, proposed: planned, outcomes })
    }
    if (!pauses) return commit(proposed)
    await whilePaused(io, groupId, flags, async () => {
      // What members committed on their way out counts.
      const planned = await proposeReset(admin, request)
      const problem = problemOf(planned)
      if (problem !== null) throw problem
      await commit(planned)
    })
  })
}

/** Every member has given up its partitions while `work` runs; they go on afterwards, whatever comes of it. */
async function whilePaused(
  io: Io,
  groupId: string,
  flags: ResetFlags,
  work: () => Promise<void>,
): Promise<void> {
  const waitMs = durationFlag('--wait', flags.wait)
  const api = await openWorkbench(
    io,
    flags,
    'pause for a group, and resets only one without members',
  )
  try {
    const reason = 'offsets are being reset'
    const state = await pauseAndWait(io, api, groupId, { waitMs, until: LONGEST_PAUSE, reason })
    if (!state.held)
      throw new ShoalError(
        'SHOAL_REQUEST_FAILED',
        `members of ${groupId} have not given up their partitions in ${flags.wait}: ${holdersText(state)}. Nothing changed`,
      )
    await work()
  } finally {
    await resumeGroup(api, groupId)
  }
}

function checked(flags: ResetFlags, spec: ResetSpec): ResetSpec {
  durationFlag('--wait', flags.wait)
  if (flags.execute === true && flags.dryRun === true)
    throw invalid('--execute and --dry-run: say one of them')
  if (flags.export === true && flags.json === true)
    throw invalid('--export and --json: say one of them')
  if (flags.allTopics === true && flags.topic.length > 0)
    throw invalid('--all-topics and --topic: say one of them')
  if (spec.kind === 'file' && (flags.allTopics === true || flags.topic.length > 0))
    throw invalid('--from-file says which partitions: leave --topic and --all-topics out')
  return spec
}

interface Asked {
  readonly groupId: string
  readonly spec: ResetSpec
  readonly scope: readonly TopicScope[]
  readonly fileOffsets: readonly NewOffset[]
}

async function requestOf(
  admin: AdminPort,
  { groupId, spec, scope, fileOffsets }: Asked,
): Promise<ResetRequest> {
  if (spec.kind !== 'file' && spec.kind !== 'group')
    return { groupId, target: spec, scope: scope.length === 0 ? 'committed' : scope }
  const offsets = spec.kind === 'file' ? fileOffsets : await offsetsOfGroup(admin, spec.groupId)
  const source = spec.kind === 'file' ? spec.path : `group ${spec.groupId}`
  return {
    groupId,
    target: listed(source, offsets),
    scope:
      scope.length > 0
        ? scope
        : offsets.map(({ topic, partition }) => ({ topic, partitions: [partition] })),
  }
}

async function offsetsOfGroup(admin: AdminPort, groupId: string): Promise<readonly NewOffset[]> {
  const offsets = await admin.committedOffsets(groupId)
  if (offsets.length > 0) return offsets
  throw new ShoalError(
    'SHOAL_UNKNOWN_GROUP',
    `group ${groupId} does not exist or has committed nothing: there is nothing to take over`,
    { details: { group: groupId } },
  )
}

function listed(source: string, offsets: readonly NewOffset[]): ResetTarget {
  const byPartition = new Map(offsets.map((offset) => [partitionKey(offset), offset.offset]))
  return { kind: 'listed', source, offsets: byPartition }
}

/** Why the plan cannot be executed, or null. */
function problemOf({ plan }: ProposedReset): ShoalError | null {
  if (plan.problems.length === 0) return null
  const told = plan.problems.map((row) => `${row.topic}/${row.partition}: ${row.problem}`)
  return new ShoalError('SHOAL_REQUEST_FAILED', `${told.join('; ')}. Nothing changed`)
}

function livenessOf({ group }: ProposedReset): ShoalError | null {
  if (group === null || !isLive(group)) return null
  const change = "reset its offsets; on Shoal's own broker --pause holds delivery while they move"
  return liveGroupError(group, change)
}

function needsExecute(): ShoalError {
  return new ShoalError(
    'SHOAL_REQUEST_FAILED',
    'nothing changed; say --execute to do it, or --dry-run to only look',
  )
}

interface Shown {
  readonly groupId: string
  readonly flags: ResetFlags
  readonly proposed: ProposedReset
  /** Null when nothing was executed. */
  readonly outcomes: readonly PartitionOutcome[] | null
}

function show(io: Io, { groupId, flags, proposed, outcomes }: Shown): void {
  const { plan } = proposed
  if (flags.json === true) io.out(`${JSON.stringify(jsonOf(groupId, proposed, outcomes))}\n`)
  else if (flags.export === true)
    io.out(offsetsText(plan.resets.map((row) => ({ ...row, offset: row.newOffset }))))
  else {
    io.out(resetTable(groupId, plan))
    io.err(`\n${resetSummary(proposed)}\n`)
  }
}

function jsonOf(groupId: string, { group, plan }: ProposedReset, outcomes: Shown['outcomes']) {
  const errors = new Map(outcomes?.map((outcome) => [partitionKey(outcome), outcome.error]))
  return {
    schema: 'shoal.groups.reset/1',
    groupId,
    state: group?.state ?? null,
    executed: outcomes !== null,
    skipped: plan.skipped,
    repeated: plan.repeated,
    partitions: plan.resets.map(({ committed, ...row }) => ({
      ...row,
      committedOffset: committed,
      error: errors.get(partitionKey(row)) ?? null,
    })),
    problems: plan.problems,
  }
}

/** The exit code is that of a refusal when nothing was committed, that of a failure when some of it was. */
async function tellFailures(
  io: Io,
  admin: AdminPort,
  { groupId, proposed, outcomes }: Shown,
): Promise<void> {
  const all = outcomes ?? []
  const failed = all.filter(({ error }) => error !== null)
  if (failed.length === 0) return
  for (const { topic, partition, error } of failed)
    io.err(`shoal: ${topic}/${partition} was not reset: the broker answered ${error}\n`)
  if (failed.length < all.length) return io.setExitCode(exitCodes.failed.code)
  io.setExitCode(exitCodes.refused.code)
  if (proposed.group === null) return
  // Somebody may have joined between the plan and the commit.
  const group = await admin.describeGroup(groupId)
  if (isLive(group)) io.err(`shoal: ${liveGroupText(group)}\n`)
}

export async function readOffsets(io: Io, path: string): Promise<readonly NewOffset[]> {
  const file = resolve(io.cwd, path)
  try {
    const { size } = await stat(file)
    if (size > MAX_FILE_BYTES)
      throw invalid(`--from-file ${path}: ${size} bytes are more than ${MAX_FILE_BYTES}`)
    return parseOffsets(path, await readFile(file, 'utf8'))
  } catch (cause) {
    if (cause instanceof ShoalError) throw cause
    throw new ShoalError(
      'SHOAL_INVALID_ARGUMENT',
      `--from-file ${path} cannot be read: ${messageOf(cause)}`,
      { cause },
    )
  }
}

function invalid(message: string): ShoalError {
  return new ShoalError('SHOAL_INVALID_ARGUMENT', message)
}

const resetHelp = `
SPEC is earliest, latest, current, an offset (1234), a step from the committed offset (+100, -100), a time
(@2026-11-21T10:00:00Z, @-2h) or the offsets of another group (group:other). An offset outside of the log is moved into
it, and the table says so. Metadata that was committed beside an offset is dropped.

Only a group without members is reset: stop its consumers first. On Shoal's own broker --pause does without: members of
every client give up their partitions, stay in the group, and go on at the new offsets; commits from before are refused.
Without --execute the command shows the plan and ends with 4 (0 with --dry-run or --export).

Examples:
  shoal groups reset billing --to earliest --topic orders
  shoal groups reset billing --to @-2h --execute
  shoal groups reset billing --to -100 --topic orders:0,2 --execute
  shoal groups reset billing --to @-2h --execute --pause
  shoal groups reset billing --to current --export > before.csv
  shoal groups reset billing --from-file before.csv --execute`
