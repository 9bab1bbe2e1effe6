/**
 * The runtime over the real source and the real broker in virtual time, and the proof that the checker can fail.
 *
 * SHOAL_SEEDS=10000 runs more, SHOAL_SEED=4711 replays one.
 */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { engineParts } from '../../src/consumer/engine-parts.ts'
import { brokenBuilds } from './broken-parts.ts'
import { simulateTogether } from './together-world.ts'

const FIRST_SEED = Number(process.env['SHOAL_SEED'] ?? 1)
const SEED_COUNT = process.env['SHOAL_SEED'] ? 1 : Number(process.env['SHOAL_SEEDS'] ?? 2_000)
const SEEDS_TO_NOTICE = 60

/** Builds that need a fault which only the memory broker has: a dead letter that is lost, a partition that is churned. */
const ALONE: ReadonlySet<string> = new Set([
  'takes a dead letter for written that was not',
  'keeps records of a partition that went',
])

describe('the runtime and the coordinator together', () => {
  test(`keep their promises in ${SEED_COUNT} seeds`, async () => {
    const totals: Record<string, number> = {}
    for (let seed = FIRST_SEED; seed < FIRST_SEED + SEED_COUNT; seed++) {
      const { violations, executions, actions } = await simulateTogether(seed, engineParts)
      assert.deepEqual(violations, [], `SHOAL_SEED=${seed}`)
      for (const [name, count] of Object.entries({ ...actions, executions }))
        totals[name] = (totals[name] ?? 0) + count
    }
    // A fault that never happened proves nothing.
    if (SEED_COUNT >= 100)
      for (const name of ['join', 'stop', 'crash', 'cut', 'freeze', 'executions'])
        assert.ok((totals[name] ?? 0) > 0, `no seed had a ${name}`)
  })

  test('do the same for the same seed', async () => {
    assert.deepEqual(await simulateTogether(7, engineParts), await simulateTogether(7, engineParts))
  })

  for (const { name, parts } of brokenBuilds.filter(({ name: build }) => !ALONE.has(build)))
    test(`notice a build that ${name}`, async () => {
      let noticed: string | undefined
      for (let seed = 1; seed <= SEEDS_TO_NOTICE && noticed === undefined; seed++)
        noticed = (await simulateTogether(seed, parts())).violations[0]
      assert.ok(noticed !== undefined, `not within ${SEEDS_TO_NOTICE} seeds`)
    })
})
