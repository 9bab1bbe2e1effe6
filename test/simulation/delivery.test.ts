/**
 * Per-record delivery under seeded faults in virtual time, and the proof that the checker can fail.
 *
 * SHOAL_SEEDS=10000 runs more, SHOAL_SEED=4711 replays one.
 */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { brokenDeliveries, wholeDelivery } from './broken-deliveries.ts'
import { simulateDelivery } from './delivery-world.ts'

const FIRST_SEED = Number(process.env['SHOAL_SEED'] ?? 1)
const SEED_COUNT = process.env['SHOAL_SEED'] ? 1 : Number(process.env['SHOAL_SEEDS'] ?? 2_000)
/** A broken build has to be noticed within so many seeds. */
const SEEDS_TO_NOTICE = 500

describe('per-record delivery in simulation', () => {
  test(`keeps its promises in ${SEED_COUNT} seeds`, (context) => {
    const totals: Record<string, number> = {}
    for (let seed = FIRST_SEED; seed < FIRST_SEED + SEED_COUNT; seed++) {
      const { violations, counts } = simulateDelivery(seed, wholeDelivery)
      assert.deepEqual(violations, [], `SHOAL_SEED=${seed}`)
      for (const [name, count] of Object.entries(counts)) totals[name] = (totals[name] ?? 0) + count
    }
    context.diagnostic(JSON.stringify(totals))
    // A fault that never happened proves nothing.
    if (SEED_COUNT >= 100)
      for (const name of WHAT_HAPPENS) assert.ok((totals[name] ?? 0) > 0, `no seed had a ${name}`)
  })

  test('does the same for the same seed', () => {
    for (const seed of [7, 42, 1_000])
      assert.deepEqual(simulateDelivery(seed, wholeDelivery), simulateDelivery(seed, wholeDelivery))
  })

  for (const build of brokenDeliveries)
    test(`notices a build that ${build.name}`, () => {
      let noticed: string | undefined
      for (let seed = 1; seed <= SEEDS_TO_NOTICE && noticed === undefined; seed++)
        noticed = simulateDelivery(seed, build).violations[0]
      assert.ok(noticed !== undefined, `not within ${SEEDS_TO_NOTICE} seeds`)
    })
})

const WHAT_HAPPENS = [
  'crash',
  'restart',
  'lost',
  'forgotten',
  'refused',
  'accepted',
  'delivered again',
  'letter',
  'letter failed',
  'member died',
] as const
