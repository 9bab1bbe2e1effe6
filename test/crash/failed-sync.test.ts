/**
 * Every sync of a life fails once, in the way that fools: the pages count as clean, their bytes are in memory alone, and
 * the next sync succeeds without them. Nothing may be acknowledged from then on; the next start, of a process on the same
 * machine or after a power loss, must lose nothing that was told and show nothing that can still vanish.
 */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ShoalError } from '../../src/core/index.ts'
import { type CrashModel, SimDisk } from '../../src/log/index.ts'
import { nextLife, settle, wordsOf } from './crash-points.ts'
import { Ledger } from './ledger.ts'
import { Life, type Workload, workloads } from './workload.ts'

const models: readonly CrashModel[] = ['process', 'nothing', 'everything', 'prefix', 'subset']

/** Fails the n-th sync of files and folders; answers false when there were not so many. */
async function failSync(workload: Workload, number: number): Promise<boolean> {
  let syncs = 0
  let acknowledgedBefore = 0
  const ledger = new Ledger()
  const acknowledged = () => ledger.notes.filter((note) => note.acknowledged).length
  const disk = new SimDisk({ capacityBytes: workload.capacityBytes ?? Infinity })
  disk.fault = ({ kind }) => {
    if ((kind !== 'sync' && kind !== 'sync-folder') || ++syncs !== number) return undefined
    acknowledgedBefore = acknowledged()
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
  assert.equal(acknowledged(), acknowledgedBefore, 'acknowledged after a failed sync')
  disk.fault = undefined
  disk.crash()
  for (const [index, model] of models.entries()) {
    const next = disk.afterCrash(model, number * 7 + index)
    await nextLife(workload, ledger.atCrash(), model, next).catch((error: unknown) => {
      throw new Error(`sync ${number} failed, then ${model}: ${wordsOf(error)}`, { cause: error })
    })
  }
  return true
}

describe('a sync that fails is the last thing that a store does', () => {
  const names = ['rolls and checkpoints', 'a partition is deleted among others']
  for (const workload of workloads.filter(({ name }) => names.includes(name)))
    test(workload.name, async (t) => {
      let number = 1
      while (await failSync(workload, number)) number++
      assert.ok(number > 40, `only ${number - 1} syncs`)
      t.diagnostic(`${number - 1} syncs`)
    })
})
