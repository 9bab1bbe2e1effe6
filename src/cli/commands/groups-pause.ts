/**
 * `groups pause` and `groups resume`: hold the delivery of a group while its members and sessions stay.
 *
 * A pause waits until everybody has given up its partitions, and says who has not; what was asked for stands also when the
 * waiting ends before.
 */

import type { Command } from 'commander'
import { ShoalError } from '../../core/index.ts'
import type { BrokerRoutes, ReplyOf } from '../../http/index.ts'
import { parseDuration } from '../../consumer/index.ts'
import { exitCodes } from '../exit-codes.ts'
import { durationFlag } from '../flags.ts'
import type { Io } from '../io.ts'
import {
  openWorkbench,
  refusedByApi,
  withWorkbench,
  type Workbench,
  type WorkbenchFlags,
} from '../workbench.ts'

/** How often the broker is asked who still has partitions. */
const ASK_INTERVAL_MS = 250

export type PauseState = ReplyOf<BrokerRoutes['getPause']>

interface PauseFlags extends WorkbenchFlags {
  readonly until?: string
  readonly reason?: string
  readonly wait: string
  readonly json?: boolean
}

export function addGroupsPause(groups: Command, io: Io): void {
  withWorkbench(groups.command('pause'))
    .description('hold the delivery of a group; its members and their sessions stay')
    .argument('<group>')
    .option('--until <time>', 'goes on by itself: after a span (15m) or at 2026-11-21T10:00:00Z')
    .option('--reason <text>', 'kept with the pause, and shown in the timeline')
    .option(
      '--wait <duration>',
      'how long to wait until all members gave up their partitions',
      '1m',
    )
    .option('--json', 'print one JSON document')
    .addHelpText('after', pauseHelp)
    .action((groupId: string, flags: PauseFlags) => pause(io, groupId, flags))
  withWorkbench(groups.command('resume'))
    .description('give the members of a paused group their partitions back')
    .argument('<group>')
    .option('--json', 'print one JSON document')
    .addHelpText('after', resumeHelp)
    .action((groupId: string, flags: PauseFlags) => resume(io, groupId, flags))
}

async function pause(io: Io, groupId: string, flags: PauseFlags): Promise<void> {
  const waitMs = durationFlag('--wait', flags.wait)
  if (flags.until !== undefined && parseDuration(flags.until) === undefined) timeOf(flags.until)
  const api = await openWorkbench(io, flags, 'pause for a group')
  const { until, reason } = flags
  const state = await pauseAndWait(io, api, groupId, {
    waitMs,
    ...(until === undefined ? {} : { until }),
    ...(reason === undefined ? {} : { reason }),
  })
  if (flags.json === true)
    io.out(`${JSON.stringify({ schema: 'shoal.groups.pause/1', ...state })}\n`)
  else io.out(`${pauseText(state)}\n`)
  if (state.held) return
  io.err(`shoal: not held yet after ${flags.wait}: ${holdersText(state)}\n`)
  io.setExitCode(exitCodes.failed.code)
}

async function resume(io: Io, groupId: string, flags: PauseFlags): Promise<void> {
  const api = await openWorkbench(io, flags, 'pause for a group')
  const state = await resumeGroup(api, groupId)
  if (flags.json === true)
    io.out(`${JSON.stringify({ schema: 'shoal.groups.resume/1', ...state })}\n`)
  else io.out(`${groupId} is not paused; its members go on at the committed offsets\n`)
}

/** Where the group stands when nobody has a partition any more, or the time is over. */
export async function pauseAndWait(
  io: Io,
  api: Workbench,
  groupId: string,
  options: { readonly waitMs: number; readonly until?: string; readonly reason?: string },
): Promise<PauseState> {
  const { waitMs, until, reason } = options
  const body = {
    ...(until === undefined ? {} : { until }),
    ...(reason === undefined ? {} : { reason }),
  }
  const params = { groupId }
  const paused = await api.pauseGroup({ params, body })
  if (!paused.ok) throw refusedByApi(paused.problem)
  let state = paused.body
  const endMs = io.clock.monotonicMs() + waitMs
  while (!state.held && io.clock.monotonicMs() < endMs && !io.stop.aborted) {
    await new Promise<void>((done) => void io.timers.schedule(ASK_INTERVAL_MS, done))
    const asked = await api.getPause({ params })
    if (!asked.ok) throw refusedByApi(asked.problem)
    state = asked.body
  }
  return state
}

export async function resumeGroup(api: Workbench, groupId: string): Promise<PauseState> {
  const resumed = await api.resumeGroup({ params: { groupId } })
  if (!resumed.ok) throw refusedByApi(resumed.problem)
  return resumed.body
}

/** Who has not given up its partitions. */
export function holdersText({ holding }: PauseState): string {
  const named = holding
    .slice(0, 5)
    .map((each) => `${each.member_id} (client ${each.client_id}) has ${each.partitions}`)
  const more = holding.length > 5 ? [`${holding.length - 5} more`] : []
  return [...named, ...more].join(', ')
}

function pauseText({ group_id: groupId, held, until }: PauseState): string {
  const what = held ? 'is paused, no member has a partition' : 'is being paused'
  return `${groupId} ${what}${until === null ? '' : `; it goes on by itself at ${until}`}`
}

function timeOf(text: string): void {
  if (/^\d{4}-\d\d-\d\dT/.test(text) && !Number.isNaN(Date.parse(text))) return
  throw new ShoalError(
    'SHOAL_INVALID_ARGUMENT',
    `--until ${text}: expected a span such as 15m, or a time such as 2026-11-21T10:00:00Z`,
  )
}

const pauseHelp = `
Members of every client give up their partitions by a rebalance, and commit what they have done; they stay in the group
with none until it is resumed. While the group is held, commits of members are refused and its offsets can be reset.

Examples:
  shoal groups pause billing --until 15m --reason "database migration"
  shoal groups pause billing --wait 5m`

const resumeHelp = `
Example:
  shoal groups resume billing`
