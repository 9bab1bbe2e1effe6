/**
 * Every sync of a life fails once. Nothing may be acknowledged from then on; the next start, of a process on the same
 * machine or after a power loss, must lose nothing that was told and show nothing that can still vanish.
 */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { inThread, THREADS } from './thread.ts'
import { allWorkloads } from './workload.ts'

describe('a sync that fails is the last thing that a store does', { concurrency: THREADS }, () => {
  for (const { name } of allWorkloads)
    test(name, async (t) => {
      const { syncs, violations } = await inThread('failed-syncs', name)
      assert.deepEqual(violations, [])
      assert.ok(syncs > 20, `only ${syncs} syncs`)
      t.diagnostic(`${syncs} syncs, each failed once`)
    })
})
