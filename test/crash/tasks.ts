/**
 * What a thread of the crash tests can be asked for, by name: input and answer are plain data.
 */

import { crashModels } from '../../src/log/index.ts'
import { brokenDisks, judgeBrokenDisk } from './broken-disks.ts'
import { crashEverywhere, type Judgement } from './crash-points.ts'
import { damageOften, type DamageRun } from './damages.ts'
import { type FailedSyncs, failEverySync } from './failed-syncs.ts'
import { workloadNamed } from './workload.ts'

export interface Tasks {
  /** By the name of a workload. */
  'every-io': (workload: string) => Promise<Judgement>
  'failed-syncs': (workload: string) => Promise<FailedSyncs>
  /** By the name of a broken disk. */
  'broken-disk': (name: string) => Promise<Judgement>
  damage: (run: DamageRun) => Promise<ReadonlyMap<string, number>>
}

/** Each crash looks at every so many-th crash point of its recovery. */
const RECOVERY_STRIDE = Number(process.env['SHOAL_CRASH_STRIDE'] ?? 23)

export const tasks: Tasks = {
  'every-io': (workload) =>
    crashEverywhere(workloadNamed(workload), {
      models: crashModels,
      recoveryStride: RECOVERY_STRIDE,
    }),
  'failed-syncs': (workload) => failEverySync(workloadNamed(workload)),
  'broken-disk': (name) => {
    const disk = brokenDisks.find((known) => known.name === name)
    if (disk === undefined) throw new Error(`there is no broken disk ${name}`)
    return judgeBrokenDisk(disk)
  },
  damage: damageOften,
}
