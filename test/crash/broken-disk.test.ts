/**
 * The judge of the crash tests must be able to condemn: each way of treating the disk that loses data is caught.
 */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { brokenDisks } from './broken-disks.ts'
import { inThread, THREADS } from './thread.ts'

describe('the crash tests condemn a store for which', { concurrency: THREADS }, () => {
  for (const { name } of brokenDisks)
    test(name, async (t) => {
      const { violations } = await inThread('broken-disk', name)
      assert.notDeepEqual(violations, [])
      t.diagnostic(violations[0] ?? '')
    })
})
