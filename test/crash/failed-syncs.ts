/**
 * Every sync of a life fails once, in the way that fools: the pages count as clean, their bytes are in memory alone, and
 * the next sync succeeds without them.
 */

import assert from 'node:assert/strict'
import { ShoalError } from '../../src/core/index.ts'
import { type CrashModel, SimDisk } from '../../src/log/index.ts'
import { nextLife, settle, wordsOf } from './crash-points.ts'
import { Ledger, type Note, Violation } from './ledger.ts'
import { Life, type Workload } from './workload.ts'

const models: readonly CrashModel[] = ['process', 'nothing', 'everything', 'prefix', 'subset']

export interface FailedSyncs {
  readonly syncs: number
  readonly violations: readonly string[]
}

/** Looks at every sync, up to the first violation. */
export async function failEverySync(workload: Workload): Promise<FailedSyncs> {
  for (let number = 1; ; number++)
    try {
      if (!(await failSync(workload, number))) return { syncs: number - 1, violations: [] }
    } catch (error) {
      return { syncs: number, violations: [`sync ${number} failed: ${wordsOf(error)}`] }
    }
}

/** Fails the n-th sync of files and folders; answers false when there were not so many. */
async function failSync(workload: Workload, number: number): Promise<boolean> {
  let syncs = 0
  const ledger = new Ledger()
  const acknowledged = () => ledger.notes.filter((note) => note.acknowledged)
  /** The notes that were there when the journal's newest sync began, and when the one before it did. */
  const known = { newest: 0, before: 0 }
  /** What may be acknowledged in the end, when a sync of the journal has failed. */
  let allowed = null as ReadonlySet<Note> | null
  const disk = new SimDisk({ capacityBytes: workload.capacityBytes ?? Infinity })
  disk.fault = ({ kind, path }) => {
    if (kind !== 'sync' && kind !== 'sync-folder') return undefined
    const isJournal = path.startsWith('journal')
    if (isJournal && kind === 'sync')
      Object.assign(known, { newest: ledger.notes.length, before: known.newest })
    if (++syncs !== number) return undefined
    // What the sync before covered may still be told, and all of it while one of another file fails.
    if (isJournal) allowed = new Set([...acknowledged(), ...ledger.notes.slice(0, known.before)])
    return { kind: 'error', code: 'EIO', losesUnsynced: true }
  }
  const life = new Life(workload, ledger)
  try {
    await life.run(disk, disk)
    if (syncs < number) return false
    assert.ok(life.failures.length > 0, 'the store went on after a failed sync')
  } catch (error) {
    const isFailure =
      (error instanceof ShoalError && error.code === 'SHOAL_STORAGE_FAILED') ||
      (error as { readonly code?: unknown }).code === 'EIO'
    if (!isFailure) throw error
  }
  await settle()
  for (const note of acknowledged())
    assert.ok(allowed?.has(note) ?? true, 'acknowledged after a failed sync')
  disk.fault = undefined
  disk.crash()
  for (const [index, model] of models.entries()) {
    const next = disk.afterCrash(model, number * 7 + index)
    await nextLife(workload, ledger.atCrash(), model, next).catch((error: unknown) => {
      throw new Violation(`then ${model}: ${wordsOf(error)}`, { cause: error })
    })
  }
  return true
}
