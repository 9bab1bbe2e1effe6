/**
 * Crash at every change of the disk, by every model of what a crash leaves, and again inside the recovery.
 *
 * `SHOAL_CRASH_STRIDE=1` looks at every crash point of every recovery (minutes); without it each crash looks at a few.
 */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Judgement } from './crash-points.ts'
import { inThread, THREADS } from './thread.ts'
import { allWorkloads } from './workload.ts'

const name = 'a crash at any change of the disk loses nothing that was told'
const judgements: Promise<Judgement>[] = []

describe(name, { concurrency: THREADS }, () => {
  for (const workload of allWorkloads)
    test(workload.name, async (t) => {
      const judged = inThread('every-io', workload.name)
      judgements.push(judged)
      const { changes, points, violations } = await judged
      assert.deepEqual(violations, [])
      assert.ok(changes > 80 && points > 7 * changes, `only ${changes} changes, ${points} disks`)
      t.diagnostic(`${changes} crash points, ${points} disks after a crash, 0 violations`)
    })

  test('in all', async (t) => {
    const all = await Promise.all(judgements)
    assert.equal(all.length, allWorkloads.length)
    const sum = (count: (judged: Judgement) => number) =>
      all.reduce((total, judged) => total + count(judged), 0)
    const violations = sum((judged) => judged.violations.length)
    assert.equal(violations, 0)
    t.diagnostic(
      `${all.length} workloads, ${sum(({ changes }) => changes)} crash points, ` +
        `${sum(({ points }) => points)} disks after a crash, ${violations} violations`,
    )
  })
})
