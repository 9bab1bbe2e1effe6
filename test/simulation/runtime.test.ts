/**
 * The consumer runtime under seeded faults in virtual time, and the proof that the checker can fail.
 *
 * SHOAL_SEEDS=10000 runs more, SHOAL_SEED=4711 replays one.
 */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { engineParts } from '../../src/consumer/engine-parts.ts'
import { brokenBuilds } from './broken-parts.ts'
import { simulate } from './runtime-world.ts'

const FIRST_SEED = Number(process.env['SHOAL_SEED'] ?? 1)
const SEED_COUNT = process.env['SHOAL_SEED'] ? 1 : Number(process.env['SHOAL_SEEDS'] ?? 2_000)
/** A broken build has to be noticed within so many seeds. */
const SEEDS_TO_NOTICE = 300

describe('the runtime in simulation', () => {
  test(`keeps its promises in ${SEED_COUNT} seeds`, async () => {
    const totals: Record<string, number> = {}
    for (let seed = FIRST_SEED; seed < FIRST_SEED + SEED_COUNT; seed++) {
      const { violations, executions, commits, actions } = await simulate(seed, engineParts)
      assert.deepEqual(violations, [], `SHOAL_SEED=${seed}`)
      for (const [name, count] of Object.entries({ ...actions, executions, commits }))
        totals[name] = (totals[name] ?? 0) + count
    }
    // A fault that never happened proves nothing.
    if (SEED_COUNT >= 100)
      for (const name of ['join', 'stop', 'crash', 'expire', 'churn', 'stall', 'fault', 'pause'])
        assert.ok((totals[name] ?? 0) > 0, `no seed had a ${name}`)
  })

  test('does the same for the same seed', async () => {
    for (const seed of [7, 42, 1_000])
      assert.deepEqual(await simulate(seed, engineParts), await simulate(seed, engineParts))
  })

  for (const { name, parts } of brokenBuilds)
    test(`notices a build that ${name}`, async () => {
      let noticed: string | undefined
      for (let seed = 1; seed <= SEEDS_TO_NOTICE && noticed === undefined; seed++)
        noticed = (await simulate(seed, parts())).violations[0]
      assert.ok(noticed !== undefined, `not within ${SEEDS_TO_NOTICE} seeds`)
    })
})
