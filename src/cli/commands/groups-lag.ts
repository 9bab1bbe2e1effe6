/**
 * `groups lag`: how far a group is behind, in records and in seconds, and when it will have caught up. Over every broker:
 * Kafka's protocol alone, so also a Kafka cluster; Redis Streams; RabbitMQ.
 *
 * Seconds are the age of the first unread record, which is read; rates come from two looks at the group. A watch looks again
 * and again. What a broker does not tell is said once, on stderr.
 */

import { type Command, Option } from 'commander'
import {
  backlogLook,
  lagMeasures,
  lagSum,
  viewGroup,
  type GroupBacklog,
  type LagFacts,
  type LagLook,
} from '../../admin/index.ts'
import { ShoalError } from '../../core/index.ts'
import {
  backendOf,
  brokerOf,
  withAdmin,
  withBroker,
  withBrokerPort,
  type BrokerFlags,
} from '../backend.ts'
import { durationFlag } from '../flags.ts'
import type { Io } from '../io.ts'
import { lagTable, type LagBy, type LagRowInput } from '../text/lag-table.ts'

const DEFAULT_WATCH = '2s'

interface LagFlags extends BrokerFlags {
  readonly by: LagBy
  readonly time?: boolean
  readonly sample: string
  readonly watch?: string | true
  readonly json?: boolean
}

export function addGroupsLag(groups: Command, io: Io): void {
  withBroker(groups.command('lag'))
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
  const { backend } = await brokerOf(io, flags)
  if (backend === 'kafka') {
    await using watched = await watchKafka(io, groupId, flags)
    await repeat(io, { groupId, flags, sampleMs, isWatch: watchMs !== null }, watched.look)
  } else
    await withBrokerPort(io, flags, async (port) => {
      const notes = new Set<string>()
      await repeat(io, { groupId, flags, sampleMs, isWatch: watchMs !== null }, async () => {
        const group = await port.groupBacklog(groupId)
        for (const note of group.notes)
          if (!notes.has(note)) {
            notes.add(note)
            io.err(`${note}\n\n`)
          }
        return { look: backlogLook(group, io.clock.wallMs()), members: ownersOf(group) }
      })
    })
}

interface Seen {
  readonly look: LagLook
  readonly members: Members
}

interface Repetition {
  readonly groupId: string
  readonly flags: LagFlags
  readonly sampleMs: number
  readonly isWatch: boolean
}

async function repeat(
  io: Io,
  { groupId, flags, sampleMs, isWatch }: Repetition,
  look: (isFirst: boolean) => Promise<Seen>,
): Promise<void> {
  let before = await look(true)
  for (;;) {
    await pause(io, sampleMs)
    if (io.stop.aborted) return
    const now = await look(false)
    show(io, { groupId, flags, before: before.look, now: now.look, members: now.members })
    if (!isWatch) return
    before = now
  }
}

/** Members are asked for again in a watch alone: between two looks at once they hardly change. */
async function watchKafka(io: Io, groupId: string, flags: LagFlags) {
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
  const reader = await GroupLagReader.open({ ...backend, group: groupId, topics })
  return {
    look: async (isFirst: boolean): Promise<Seen> => {
      if (!isFirst && flags.watch !== undefined) members = membersOf((await view()).rows)
      const facts = (await reader.read()).filter((fact) => members.has(keyOf(fact)))
      return { look: { atMs: io.clock.wallMs(), facts }, members }
    },
    [Symbol.asyncDispose]: () => reader.close(),
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

function ownersOf({ partitions }: GroupBacklog): Members {
  return new Map(partitions.map((row) => [keyOf(row), row.memberIds.join(',') || null]))
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
what the group reads faster than is written, "never" where it does not. On Redis Streams and RabbitMQ LAG is what was
not handed out; RabbitMQ counts what is written every few seconds, so --sample should be longer there.

Examples:
  shoal groups lag billing
  shoal groups lag billing --by member --time --sample 5s
  shoal groups lag billing --watch 2s --json
  shoal groups lag billing --broker amqp://localhost --sample 10s`
