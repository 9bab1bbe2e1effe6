/**
 * The crash ledger: what handlers did, written down by themselves, and what must hold of it.
 *
 * A worker appends a line when it begins a record and one when it has done it, each in one write, so that a SIGKILL loses
 * at most the line under way. Lines of several processes share the file and stand in the order in which they were written.
 *
 *   begin WORKER PARTITION OFFSET KEY SEQUENCE      done WORKER PARTITION OFFSET KEY SEQUENCE
 *
 * Lost: never done. Out of order: begun although an earlier record of its key was never done before. Repeated: done again.
 */

import { readFile } from 'node:fs/promises'

export interface Entry {
  readonly what: 'begin' | 'done'
  readonly worker: string
  readonly partition: number
  readonly offset: number
  readonly key: string
  readonly sequence: number
}

export interface Verdict {
  readonly done: number
  readonly lost: readonly string[]
  readonly disordered: readonly string[]
  /** Records done more than once: how many times too often in all. */
  readonly repeated: number
  /** Records that were begun, not done, and done later: in flight when their worker died. */
  readonly restarted: number
}

export function entryLine(entry: Entry): string {
  return `${entry.what} ${entry.worker} ${entry.partition} ${entry.offset} ${entry.key} ${entry.sequence}\n`
}

export async function readLedger(path: string): Promise<readonly Entry[]> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return ''
    throw error
  })
  return text.split('\n').slice(0, -1).map(parse)
}

/** @param expected each key with how many records it has, sequences from 0. */
export function judge(entries: readonly Entry[], expected: ReadonlyMap<string, number>): Verdict {
  const doneTimes = new Map<string, number>()
  const doneUpTo = new Map<string, number>()
  const begun = new Map<string, number>()
  const disordered: string[] = []
  for (const entry of entries) {
    const id = `${entry.key}/${entry.sequence}`
    if (entry.what === 'begin') {
      begun.set(id, (begun.get(id) ?? 0) + 1)
      // A repeat of something done before is no violation; what may not happen is to run ahead of a predecessor.
      if (entry.sequence > (doneUpTo.get(entry.key) ?? -1) + 1)
        disordered.push(`${id} by ${entry.worker}`)
    } else {
      doneTimes.set(id, (doneTimes.get(id) ?? 0) + 1)
      doneUpTo.set(entry.key, Math.max(doneUpTo.get(entry.key) ?? -1, entry.sequence))
    }
  }
  const lost = [...expected].flatMap(([key, count]) =>
    Array.from({ length: count }, (_, sequence) => `${key}/${sequence}`).filter(
      (id) => !doneTimes.has(id),
    ),
  )
  const repeated = [...doneTimes.values()].reduce((sum, times) => sum + times - 1, 0)
  const restarted = [...begun].reduce(
    (sum, [id, times]) => sum + Math.max(0, times - (doneTimes.get(id) ?? 0)),
    0,
  )
  return { done: doneTimes.size, lost, disordered, repeated, restarted }
}

function parse(line: string): Entry {
  const [what, worker = '', partition, offset, key = '', sequence] = line.split(' ')
  if (what !== 'begin' && what !== 'done') throw new Error(`not a ledger line: ${line}`)
  return {
    what,
    worker,
    partition: Number(partition),
    offset: Number(offset),
    key,
    sequence: Number(sequence),
  }
}
