/**
 * `dlq redrive`: which letters would go back and where to, and with `--execute` sends them.
 *
 * RabbitMQ shows nothing without taking it out, so there the plan is only how many there are; the same rules hold for each
 * letter when it is taken. A letter that was sent back `--max-redrives` times stays, so that none goes round for ever.
 */

import type { Command } from 'commander'
import {
  executeRedrive,
  planRedrive,
  type BrokerPort,
  type RedrivePlan,
  type RedriveRules,
} from '../../admin/index.ts'
import { ShoalError, sleep } from '../../core/index.ts'
import { withBrokerPort } from '../backend.ts'
import { exitCodes } from '../exit-codes.ts'
import { collect, wholeNumber } from '../flags.ts'
import type { Io } from '../io.ts'
import { startProgress } from '../progress.ts'
import { counted, redriveSummary, redriveTable } from '../text/letter-text.ts'
import { dlqName, withDlq, type DlqFlags } from './dlq-flags.ts'

interface RedriveFlags extends DlqFlags {
  readonly to?: string
  readonly reason?: string
  readonly group?: string
  readonly id: readonly string[]
  readonly maxRedrives: string
  readonly rate?: string
  readonly execute?: boolean
  readonly dryRun?: boolean
}

/** Letters that a plan looks at; executing has no limit. */
const MAX_PLANNED = 100_000

export function addDlqRedrive(dlq: Command, io: Io): void {
  withDlq(dlq.command('redrive'))
    .description(
      'send letters back to where they came from: the plan, and with --execute the sending',
    )
    .argument('<topic>', 'orders-dlq, or orders')
    .option('--to <topic>', 'send them there instead')
    .option('--reason <text>', 'only letters whose reason or error has this in it')
    .option('--group <id>', 'only letters that this group gave up')
    .option('--id <id>', 'only this letter, by its id or its place; repeatable', collect, [])
    .option('--max-redrives <count>', 'letters that were sent back so often stay', '3')
    .option('--rate <count>', 'at most so many letters a second')
    .option('--execute', 'do it; without this nothing is changed')
    .option('--dry-run', 'only the plan: ends with 0')
    .addHelpText('after', redriveHelp)
    .action((topic: string, flags: RedriveFlags) => redrive(io, topic, flags))
}

async function redrive(io: Io, name: string, flags: RedriveFlags): Promise<void> {
  const topic = dlqName(name, flags)
  const rules = rulesOf(topic, flags)
  const pace = paceOf(io, flags.rate)
  await withBrokerPort(io, flags, async (port) => {
    // RabbitMQ's only look is to take out: the plan is a count there.
    const plan =
      port.backend === 'rabbitmq'
        ? null
        : await planRedrive(port, { topic, rules, limit: MAX_PLANNED })
    const { letterCount } = await port.deadLetters.describe(topic)
    const shown = { topic, letterCount, plan, flags }
    if (flags.execute !== true) {
      show(io, shown, null)
      if (flags.dryRun !== true)
        throw new ShoalError(
          'SHOAL_REQUEST_FAILED',
          'nothing changed; say --execute to do it, or --dry-run to only look',
        )
      return
    }
    const moved = await execute(io, port, { topic, rules, pace })
    show(io, shown, moved)
    if (io.stop.aborted) io.setExitCode(exitCodes.interrupted.code)
  })
}

async function execute(
  io: Io,
  port: BrokerPort,
  { topic, rules, pace }: { topic: string; rules: RedriveRules; pace: () => Promise<void> },
): Promise<number> {
  const progress = startProgress(io, { verb: 'sent back', unit: 'letter' })
  let moved = 0
  const onMoved = () => {
    moved++
    progress.add(1)
  }
  try {
    await executeRedrive(port, { topic, rules, pace, onMoved, signal: io.stop })
  } finally {
    // Also beside a failure: what went back went back.
    progress.finish()
  }
  return moved
}

interface Shown {
  readonly topic: string
  readonly letterCount: number
  readonly plan: RedrivePlan | null
  readonly flags: RedriveFlags
}

/** @param moved null when nothing was executed */
function show(io: Io, { topic, letterCount, plan, flags }: Shown, moved: number | null): void {
  if (flags.json === true) {
    const document = {
      schema: 'shoal.dlq.redrive/1',
      topic,
      letters: letterCount,
      executed: moved !== null,
      moved: moved ?? 0,
      plan,
    }
    io.out(`${JSON.stringify(document)}\n`)
  } else if (moved !== null) io.out(`${topic}: ${counted(moved)} sent back\n`)
  else if (plan === null)
    io.out(
      `${topic}: of ${counted(letterCount)} those that fit go to ${flags.to ?? 'where each came from'}; RabbitMQ shows none of them before it is taken\n`,
    )
  else {
    if (plan.moves.length > 0) io.out(redriveTable(plan))
    io.err(`\n${redriveSummary(plan)}\n`)
  }
}

/** @throws ShoalError SHOAL_INVALID_ARGUMENT */
function rulesOf(topic: string, flags: RedriveFlags): RedriveRules {
  const {
    to = null,
    reason = null,
    group = null,
    id,
    maxRedrives,
    execute: executes,
    dryRun,
  } = flags
  if (executes === true && dryRun === true)
    throw new ShoalError('SHOAL_INVALID_ARGUMENT', '--execute and --dry-run: say one of them')
  if (to === topic)
    throw new ShoalError('SHOAL_INVALID_ARGUMENT', `--to ${to}: letters are there already`)
  return {
    to,
    reason,
    group,
    only: new Set(id),
    maxRedrives: wholeNumber('--max-redrives', maxRedrives, 1),
  }
}

/** Letters leave at even distances. */
function paceOf(io: Io, rate: string | undefined): () => Promise<void> {
  if (rate === undefined) return async () => {}
  const perSecond = Number(rate.replace(/\/s$/, ''))
  if (!Number.isFinite(perSecond) || perSecond <= 0)
    throw new ShoalError(
      'SHOAL_INVALID_ARGUMENT',
      `--rate ${rate}: expected a number of letters a second, such as 50`,
    )
  let nextMs = 0
  return async () => {
    const nowMs = io.clock.monotonicMs()
    if (nextMs > nowMs) await sleep(io.timers, nextMs - nowMs, io.stop)
    nextMs = Math.max(nowMs, nextMs) + 1_000 / perSecond
  }
}

const redriveHelp = `
Each letter goes to its origin, to the partition it came from where that still exists, with its headers; one that
fails again comes back as a letter of the same origin, and is counted. It is written there before it is taken away: a
crash in between sends it twice and loses none. Kafka, Shoal and RabbitMQ take from the front only, so letters that
stay in between are written again behind the others. Without --execute the command shows the plan and ends with 4
(0 with --dry-run).

Examples:
  shoal dlq redrive orders
  shoal dlq redrive orders --reason Timeout --rate 50 --execute
  shoal dlq redrive orders --id billing/orders/2/854031 --execute
  shoal dlq redrive orders --to orders-repair --execute`
