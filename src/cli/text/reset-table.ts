/**
 * The plan of a reset in words: a row a partition, and what it amounts to. Pure.
 */

import type { PlannedReset, ProposedReset, ResetPlan } from '../../admin/index.ts'
import { tableLines, type Column } from './columns.ts'

export function resetTable(groupId: string, { resets }: ResetPlan): string {
  const columns: readonly Column<PlannedReset>[] = [
    fitting('GROUP', () => groupId),
    fitting('TOPIC', (row) => row.topic),
    fitting('PARTITION', (row) => String(row.partition)),
    fitting('CURRENT-OFFSET', (row) => String(row.committed ?? '-')),
    fitting('NEW-OFFSET', (row) => String(row.newOffset)),
    fitting('DELTA', deltaText),
    fitting('RECORDS', recordsText),
    { title: 'NOTE', width: 'rest', cell: (row) => row.notes.join(', ') },
  ]
  return tableLines(columns, resets, '  ')
    .map((line) => `${line.trimEnd()}\n`)
    .join('')
}

/** One line: how many records come again, how many are skipped. Compacted logs hold fewer records than offsets. */
export function resetSummary({ group, plan }: ProposedReset): string {
  const first = plan.resets.filter(({ committed }) => committed === null).length
  const parts = [
    ...(plan.repeated > 0 ? [`${counted(plan.repeated)} will be processed again`] : []),
    ...(plan.skipped > 0 ? [`${counted(plan.skipped)} will be skipped`] : []),
    ...(first > 0 ? [`${counted(first, 'partition')} will get a first offset`] : []),
  ]
  const words =
    parts.length === 0 ? 'no record will be skipped or processed again' : parts.join(', ')
  return `${words}${group === null ? '; the group does not exist yet and will be made' : ''}`
}

function fitting(title: string, cell: (row: PlannedReset) => string): Column<PlannedReset> {
  return { title, cell, width: title.length, grows: true }
}

function deltaText({ delta }: PlannedReset): string {
  if (delta === null) return '-'
  return delta > 0 ? `+${delta}` : String(delta)
}

/** How many records are skipped or come again: DELTA has the direction. */
function recordsText({ delta, skipped, repeated }: PlannedReset): string {
  return delta === null ? '-' : String(skipped + repeated)
}

function counted(count: number, what = 'record'): string {
  return `${count.toLocaleString('en-US')} ${what}${count === 1 ? '' : 's'}`
}
