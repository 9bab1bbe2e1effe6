/**
 * `groups timeline`: the rebalances of a group with their causes; `--follow` prints further ones as they end.
 *
 * Shoal's broker keeps the timeline, over restarts; Kafka keeps none, and the command says so.
 */

import type { Command } from 'commander'
import { ShoalError } from '../../core/index.ts'
import type { BrokerRoutes, ReplyOf } from '../../http/index.ts'
import type { Io } from '../io.ts'
import { timelineLines, timelineSummary } from '../text/timeline-table.ts'
import {
  openWorkbench,
  refusedByApi,
  withWorkbench,
  type Workbench,
  type WorkbenchFlags,
} from '../workbench.ts'

/** How often `--follow` asks. */
const FOLLOW_INTERVAL_MS = 1_000
/** The most that one answer carries. */
const PAGE_SIZE = 1_000

type Timeline = ReplyOf<BrokerRoutes['rebalances']>

interface TimelineFlags extends WorkbenchFlags {
  readonly since?: string
  readonly follow?: boolean
  readonly json?: boolean
}

export function addGroupsTimeline(groups: Command, io: Io): void {
  withWorkbench(groups.command('timeline'))
    .description('the rebalances of a group: cause, member, duration, what moved')
    .argument('<group>')
    .option('--since <time>', 'only those that ended since: 1h, 30m, 7d or 2026-11-21T10:00:00Z')
    .option('--follow', 'go on with those to come, the oldest first, until Ctrl-C')
    .option('--json', 'print one JSON document; with --follow one a rebalance, one a line')
    .addHelpText('after', timelineHelp)
    .action((groupId: string, flags: TimelineFlags) => timeline(io, groupId, flags))
}

async function timeline(io: Io, groupId: string, flags: TimelineFlags): Promise<void> {
  const since = sinceOf(flags)
  const api = await openWorkbench(io, flags, 'rebalance timeline')
  const told = await ask(api, groupId, since)
  if (flags.follow === true) return follow(io, api, { groupId, flags, told })
  if (flags.json === true) {
    io.out(`${JSON.stringify({ schema: 'shoal.groups.timeline/1', ...told })}\n`)
    return
  }
  const { header, lines } = timelineLines(told.rebalances)
  if (lines.length > 0) io.out(`${[header, ...lines].join('\n')}\n`)
  io.err(`${lines.length > 0 ? '\n' : ''}${timelineSummary(groupId, told, io.clock.wallMs())}\n`)
  if (told.current !== null)
    io.err(
      `a rebalance runs since ${told.current.at}: ${told.current.reason} ${told.current.client_id}\n`,
    )
}

/** Ends with the first signal. */
async function follow(
  io: Io,
  api: Workbench,
  { groupId, flags, told }: { groupId: string; flags: TimelineFlags; told: Timeline },
): Promise<void> {
  const first = told.rebalances.toReversed()
  const widths: number[] = []
  const show = (rows: Timeline['rebalances']) => {
    if (flags.json === true) for (const row of rows) io.out(`${JSON.stringify(row)}\n`)
    else
      io.out(
        timelineLines(rows, widths)
          .lines.map((line) => `${line}\n`)
          .join(''),
      )
  }
  if (flags.json !== true) {
    // The header knows the widths of what is there already.
    const { header } = timelineLines(first, widths)
    io.out(`${header}\n`)
  }
  show(first)
  let after = told.rebalances[0]?.generation_to ?? 0
  while (!io.stop.aborted) {
    await pause(io)
    if (io.stop.aborted) return
    const { rebalances } = await ask(api, groupId, { after })
    show(rebalances.toReversed())
    after = rebalances[0]?.generation_to ?? after
  }
}

async function ask(
  api: Workbench,
  groupId: string,
  query: { readonly since?: string; readonly after?: number },
): Promise<Timeline> {
  const reply = await api.rebalances({ params: { groupId }, query: { ...query, limit: PAGE_SIZE } })
  if (!reply.ok) throw refusedByApi(reply.problem)
  return reply.body
}

function pause(io: Io): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      timer.cancel()
      io.stop.removeEventListener('abort', done)
      resolve()
    }
    const timer = io.timers.schedule(FOLLOW_INTERVAL_MS, done)
    io.stop.addEventListener('abort', done)
  })
}

function sinceOf({ since }: TimelineFlags): { readonly since?: string } {
  if (since === undefined) return {}
  if (/^\d+(?:\.\d+)?(?:ms|s|m|h|d)$/.test(since)) return { since }
  if (/^\d{4}-\d\d-\d\d/.test(since) && !Number.isNaN(Date.parse(since)))
    return { since: new Date(since).toISOString() }
  throw new ShoalError(
    'SHOAL_INVALID_ARGUMENT',
    `--since ${since}: expected a span such as 30m, 1h or 7d, or a time such as 2026-11-21T10:00:00Z`,
  )
}

const timelineHelp = `
Only Shoal's own broker keeps a timeline; it is asked over its HTTP API. MOVED counts partitions with another owner than
before; an eager member that got its own back moved nothing.

Examples:
  shoal groups timeline billing --since 1h
  shoal groups timeline billing --follow --json
  shoal groups timeline billing --http http://localhost:8080`
