/**
 * `groups lag`: how far a group is behind, in records and in seconds, and when it will have caught up. Over Kafka's protocol
 * alone, so also on a Kafka cluster.
 *
 * Seconds are the age of the first unread record, which is read; rates come from two looks at the group. A watch looks again
 * and again.
 */

import { type Command, Option } from 'commander'
import { lagMeasures, lagSum, viewGroup, type LagFacts, type LagLook } from '../../admin/index.ts'
import { ShoalError } from '../../core/index.ts'
import { backendOf, withAdmin, withBackend, type BackendFlags } from '../backend.ts'
import { durationFlag } from '../flags.ts'
import type { Io } from '../io.ts'
import { lagTable, type LagBy, type LagRowInput } from '../text/lag-table.ts'

const DEFAULT_WATCH = '2s'

interface LagFlags extends BackendFlags {
  readonly by: LagBy
  readonly time?: boolean
  readonly sample: string
  readonly watch?: string | true
  readonly json?: boolean
}

export function addGroupsLag(groups: Command, io: Io): void {
  withBackend(groups.command('lag'))
    .description(
      'how far a group is behind: records, seconds, rate, and when it will have caught up',
    )
    .argument('<group>')
    .addOption(
      new Option('--by <what>', 'a line for each of these')
        .choices(['partition', 'topic', 'member'])
        .default('partition'),
    )
    .option('--time', 'who is most behind in time first')
    .option('--sample <duration>', 'how long rates are measured', '1s')
    .option('--watch [interval]', `again and again, until Ctrl-C; default every ${DEFAULT_WATCH}`)
    .option('--json', 'print one JSON document; with --watch one a line')
    .addHelpText('after', lagHelp)
    .action((groupId: string, flags: LagFlags) => lag(io, groupId, flags))
}

async function lag(io: Io, groupId: string, flags: LagFlags): Promise<void> {
  const interval = flags.watch === true ? DEFAULT_WATCH : flags.watch
  const watchMs = interval === undefined ? null : durationFlag('--watch', interval)
  const sampleMs = watchMs ?? durationFlag('--sample', flags.sample)
  const backend = await backendOf(io, flags)
  const view = () => withAdmin(io, flags, (admin) => viewGroup(admin, groupId))
  let members = membersOf((await view()).rows)
  const topics = [
    ...new Set(Array.from(members.keys(), (key) => key.slice(0, key.lastIndexOf(':')))),
  ]
  if (topics.length === 0)
    throw new ShoalError(
      'SHOAL_REQUEST_FAILED',
      `group ${groupId} has committed nothing and owns nothing: there is no lag to tell`,
    )
  const { GroupLagReader } = await import('../../sources/kafka/admin/index.ts')
  await using reader = await GroupLagReader.open({ ...backend, group: groupId, topics })
  const look = async (): Promise<LagLook> => {
    const facts = (await reader.read()).filter((fact) => members.has(keyOf(fact)))
    return { atMs: io.clock.wallMs(), facts }
  }
  let before = await look()
  for (;;) {
    await pause(io, sampleMs)
    if (io.stop.aborted) return
    if (watchMs !== null) members = membersOf((await view()).rows)
    const now = await look()
    show(io, { groupId, flags, before, now, members })
    if (watchMs === null) return
    before = now
  }
}

type Members = ReadonlyMap<string, string | null>

interface Shown {
  readonly groupId: string
  readonly flags: LagFlags
  readonly before: LagLook
  readonly now: LagLook
  readonly members: Members
}

function show(io: Io, { groupId, flags, before, now, members }: Shown): void {
  const rows: readonly LagRowInput[] = lagMeasures(before, now).map((measure) => ({
    ...measure,
    member: members.get(keyOf(measure)) ?? null,
  }))
  const { by, time = false, json, watch } = flags
  const sampleMs = now.atMs - before.atMs
  if (json === true) {
    const document = {
      schema: 'shoal.groups.lag/1',
      group: groupId,
      at: new Date(now.atMs).toISOString(),
      sampleMs,
      ...lagSum(rows),
      partitions: rows,
    }
    return io.out(`${JSON.stringify(document)}\n`)
  }
  if (watch !== undefined) io.out(`\n${groupId}  ${new Date(now.atMs).toISOString()}\n`)
  io.out(lagTable(rows, { by, oldestFirst: time }))
  if (watch === undefined) io.err(`\nrates were measured for ${(sampleMs / 1_000).toFixed(1)}s\n`)
}

/** The client ids of the owners, by partition, of all that the group owns or has committed. */
function membersOf(
  rows: readonly {
    readonly topic: string
    readonly partition: number
    readonly member: { readonly clientId: string; readonly memberId: string } | null
  }[],
): Members {
  return new Map(
    rows.map((row) => [
      keyOf(row),
      row.member === null
        ? null
        : row.member.clientId === ''
          ? row.member.memberId
          : row.member.clientId,
    ]),
  )
}

function keyOf({ topic, partition }: Pick<LagFacts, 'topic' | 'partition'>): string {
  return `${topic}:${partition}`
}

function pause(io: Io, durationMs: number): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      timer.cancel()
      io.stop.removeEventListener('abort', done)
      resolve()
    }
    const timer = io.timers.schedule(durationMs, done)
    io.stop.addEventListener('abort', done)
  })
}

const lagHelp = `
BEHIND is the age of the oldest record that is not committed, read from the record itself. DRAINS-IN is the lag over
what the group reads faster than is written, "never" where it does not.

Examples:
  shoal groups lag billing
  shoal groups lag billing --by member --time --sample 5s
  shoal groups lag billing --watch 2s --json`
