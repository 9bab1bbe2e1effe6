/**
 * The brokers that take turns, and the loads that run against them.
 */

import { runPython } from '../test/real/python.ts'
import { shoal } from '../test/real/shoal.ts'

export interface MeasuredBroker {
  readonly name: string
  readonly bootstrap: string
  readonly pid: number
}

/** Runs one of `load/*.py` with the newest librdkafka and answers what it printed. */
export async function runLoad(
  program: string,
  args: readonly (string | number)[],
): Promise<Record<string, number>> {
  const path = `${import.meta.dirname}/load/${program}.py`
  const load = await runPython('2.16.1', [path, ...args.map(String)], { limitMs: 600_000 })
  if (load.exitCode !== 0) throw new Error(`${program}: ${load.stderr}`)
  return JSON.parse(load.stdout) as Record<string, number>
}

export async function createTopic(
  bootstrap: string,
  topic: string,
  partitions: number,
): Promise<void> {
  await command(['topics', 'create', topic, '--partitions', String(partitions), '-b', bootstrap])
}

export async function deleteTopic(bootstrap: string, topic: string): Promise<void> {
  await command(['topics', 'delete', topic, '--yes', '-b', bootstrap])
}

/** A row of ratios between two rows of figures. */
export function ratios(
  mine: Readonly<Record<string, number>> | undefined,
  theirs: Readonly<Record<string, number>> | undefined,
): Record<string, number> {
  const names = Object.keys(mine ?? {})
  return Object.fromEntries(
    names.map((name) => [name, (mine?.[name] ?? Number.NaN) / (theirs?.[name] ?? Number.NaN)]),
  )
}

async function command(args: readonly string[]): Promise<void> {
  const done = await shoal(args)
  if (done.exitCode !== 0) throw new Error(`shoal ${args.join(' ')}: ${done.stderr}`)
}
