/** The command `ledger`: report on stdout, words on stderr, exit code 1 when something was lost or out of order. */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { shoal } from '../real/shoal.ts'

const worker = join(import.meta.dirname, 'ledger-worker.ts')
const unordered = join(import.meta.dirname, 'ledger-worker-unordered.ts')

describe('shoal ledger', () => {
  test('kills a handler on a broker of its own and reports that nothing was lost', async () => {
    const few = ['--records', '400', '--keys', '20', '--kills', '1', '--seed', '7']
    const quick = ['--session-timeout', '1s', '--concurrency', '10']
    // One of two members has nothing to do: it is no victim.
    const idle = ['--members', '2', '--partitions', '1']
    const { exitCode, stdout, stderr } = await shoal(['ledger', worker, ...few, ...quick, ...idle])
    assert.equal(exitCode, 0, `${stdout}\n${stderr}`)
    assert.match(stdout, /^records {7}400 of 400 done, 20 keys, 1 partitions$/m)
    assert.match(stdout, /^lost {10}0\nout of order {2}0\n/m)
    assert.match(stdout, /seed 7\nPASSED/)
    assert.match(stderr, /^SIGKILL to worker-[12] after \d+ records$/m)
    assert.match(stderr, /^400 of 400 records done$/m)
  })

  test('ends with 1 and says what was out of order, as JSON when asked', async () => {
    const few = ['--records', '200', '--keys', '2', '--kills', '0', '--json', '--quiet']
    const { exitCode, stdout, stderr } = await shoal(['ledger', unordered, ...few])
    assert.deepEqual([exitCode, stderr], [1, ''])
    const report = JSON.parse(stdout) as Record<string, unknown>
    assert.deepEqual(
      [report['schema'], report['passed'], report['done'], report['lost']],
      ['shoal.ledger/1', false, 200, []],
    )
    assert.ok((report['outOfOrder'] as unknown[]).length > 0)
  })

  test('says at once what a module lacks', async () => {
    const { exitCode, stderr } = await shoal(['ledger', 'nope.ts'])
    assert.deepEqual(
      [exitCode, stderr],
      [78, 'shoal: nope.ts does not exist: name the module of the service\n'],
    )
  })
})
