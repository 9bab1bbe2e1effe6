/**
 * Crash at every change of the disk, by every model of what a crash leaves, and again inside the recovery.
 *
 * `SHOAL_CRASH_STRIDE=1` looks at every crash point of every recovery (minutes); without it each crash looks at a few.
 */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { crashModels } from '../../src/log/index.ts'
import { crashEverywhere } from './crash-points.ts'
import { workloads } from './workload.ts'

const recoveryStride = Number(process.env['SHOAL_CRASH_STRIDE'] ?? 13)

describe('a crash at any change of the disk loses nothing that was told', () => {
  for (const workload of workloads)
    test(workload.name, async (t) => {
      const { points, violations } = await crashEverywhere(workload, {
        models: crashModels,
        recoveryStride,
      })
      assert.deepEqual(violations, [])
      assert.ok(points > 100, `only ${points} crash points`)
      t.diagnostic(`${points} crash points`)
    })
})
