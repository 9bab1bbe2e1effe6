/**
 * The report of a crash ledger for people. Pure.
 */

import type { CrashReport } from '../../testing/index.ts'

/** So many of a list are named. */
const NAMED = 10

export function crashReportText(report: CrashReport): string {
  const { kills, stops, seed, members, keys, partitions, unexpectedExits } = report
  const rows: readonly (readonly [string, string])[] = [
    ['records', `${report.done} of ${report.records} done, ${keys} keys, ${partitions} partitions`],
    ...(report.settled > 0
      ? ([['not done', `${report.settled} in the dead letters or skipped`]] as const)
      : []),
    ['lost', listed(report.lost)],
    ['out of order', `${listed(report.outOfOrder)}${promised(report)}`],
    ['repeated', `${report.repeated}, the crashes explain at most ${report.explainedByPosition}`],
    ['in flight', `${report.inFlight} at the crashes`],
    ['crashes', `${times(kills, 'SIGKILL')}, ${times(stops, 'SIGSTOP')}, ${members} at work`],
    ...unexpectedExits.map((exit) => ['ended alone', exit] as const),
    ['took', `${(report.durationMs / 1_000).toFixed(1)} s, seed ${seed}`],
  ]
  const lines = rows.map(([name, text]) => `${name.padEnd(14)}${text}\n`).join('')
  return `${lines}${verdict(report)}\n`
}

function verdict({ passed, lost, outOfOrder, order, unexpectedExits }: CrashReport): string {
  if (passed) return 'PASSED: nothing lost, nothing out of order'
  const problems = [
    ...(lost.length > 0 ? [`${lost.length} lost`] : []),
    ...(outOfOrder.length > 0 && order !== 'none' ? [`${outOfOrder.length} out of order`] : []),
    ...(unexpectedExits.length > 0
      ? [`${times(unexpectedExits.length, 'process', 'processes')} ended alone`]
      : []),
  ]
  return `FAILED: ${problems.join(', ')}`
}

function promised({ order }: CrashReport): string {
  return order === 'none' ? ' (order: none promises none)' : ''
}

function listed(names: readonly string[]): string {
  if (names.length === 0) return '0'
  const more = names.length > NAMED ? ` and ${names.length - NAMED} more` : ''
  return `${names.length}: ${names.slice(0, NAMED).join(', ')}${more}`
}

function times(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}
