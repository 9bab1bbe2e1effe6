/**
 * How far a group is behind, as lines for people: records, seconds, rate, and when it will have caught up. Pure.
 *
 *   TOPIC   P     LAG  BEHIND   RATE  DRAINS-IN  MEMBER
 *   orders  0   2,401      4s  812/s         9s  worker-1
 *   orders  2  10,015     41s   53/s      never  worker-3
 *   total      12,416     41s  865/s      never
 */

import { lagSum, type LagMeasure, type LagSum } from '../../admin/index.ts'

export type LagBy = 'partition' | 'topic' | 'member'

export interface LagRowInput extends LagMeasure {
  /** The client id of its owner; null where nobody has it. */
  readonly member: string | null
}

/** Rows in the order of names, or with the one that is most behind first. */
export function lagTable(
  rows: readonly LagRowInput[],
  { by, oldestFirst }: { readonly by: LagBy; readonly oldestFirst: boolean },
): string {
  const entries = grouped(rows, by)
  if (oldestFirst) entries.sort((left, right) => (right.sum.seconds ?? 0) - (left.sum.seconds ?? 0))
  const names = by === 'partition' ? ['TOPIC', 'P'] : [by === 'topic' ? 'TOPIC' : 'MEMBER']
  const header = [...names, 'LAG', 'BEHIND', 'RATE', 'DRAINS-IN']
  const lines = [
    [...header, ...(by === 'partition' ? ['MEMBER'] : [])],
    ...entries.map(({ names: own, sum, member }) => [
      ...own,
      ...cells(sum),
      ...(by === 'partition' ? [member ?? '-'] : []),
    ]),
    ['total', ...(by === 'partition' ? [''] : []), ...cells(lagSum(rows))],
  ]
  const widths = header.map((_, index) =>
    Math.max(...lines.map((line) => line[index]?.length ?? 0)),
  )
  return lines
    .map((line) =>
      line
        .map((cell, index) => {
          const isName = index === 0 || index >= header.length
          return isName ? cell.padEnd(widths[index] ?? 0) : cell.padStart(widths[index] ?? 0)
        })
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('')
}

/** `4s`, `5m12s`, `2h3m`. */
export function spanText(seconds: number): string {
  if (seconds < 10 && seconds % 1 !== 0) return `${seconds.toFixed(1)}s`
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole}s`
  if (whole < 3_600) return `${Math.floor(whole / 60)}m${whole % 60}s`
  if (whole < 86_400) return `${Math.floor(whole / 3_600)}h${Math.floor((whole % 3_600) / 60)}m`
  return `${Math.floor(whole / 86_400)}d${Math.floor((whole % 86_400) / 3_600)}h`
}

interface Entry {
  readonly names: readonly string[]
  readonly sum: LagSum
  readonly member: string | null
}

function grouped(rows: readonly LagRowInput[], by: LagBy): Entry[] {
  if (by === 'partition')
    return rows.map((row) => ({
      names: [row.topic, String(row.partition)],
      sum: lagSum([row]),
      member: row.member,
    }))
  const groups = Map.groupBy(rows, (row) => (by === 'topic' ? row.topic : (row.member ?? '-')))
  return Array.from(groups, ([name, own]) => ({ names: [name], sum: lagSum(own), member: null }))
}

function cells({ records, seconds, readPerSecond, drainSeconds }: LagSum): readonly string[] {
  return [
    records.toLocaleString('en-US'),
    seconds === null ? '-' : spanText(seconds),
    `${Math.round(readPerSecond).toLocaleString('en-US')}/s`,
    drainSeconds === null ? 'never' : spanText(drainSeconds),
  ]
}
