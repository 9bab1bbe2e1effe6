import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { seededRandom } from '../../core/index.ts'
import { planCrashes } from './crash-plan.ts'

describe('the plan of a crash ledger', () => {
  const counts = fc.record({
    records: fc.integer({ min: 100, max: 10_000 }),
    kills: fc.nat(5),
    stops: fc.nat(5),
    seed: fc.nat(),
  })

  test('has every crash that was asked for, in order, with work left before, between and after', () => {
    fc.assert(
      fc.property(counts, ({ seed, ...asked }) => {
        const plan = planCrashes(asked, seededRandom(seed))
        assert.equal(plan.filter(({ kind }) => kind === 'kill').length, asked.kills)
        assert.equal(plan.length, asked.kills + asked.stops)
        let before = Math.floor(asked.records / 10) - 1
        for (const { afterRecords } of plan) {
          assert.ok(afterRecords > before, `${afterRecords} after ${before}`)
          before = afterRecords
        }
        assert.ok(before < asked.records * 0.9 + 1)
      }),
    )
  })

  test('is the same for the same seed', () => {
    const asked = { records: 4_000, kills: 3, stops: 2 }
    assert.deepEqual(planCrashes(asked, seededRandom(7)), planCrashes(asked, seededRandom(7)))
    assert.notDeepEqual(planCrashes(asked, seededRandom(7)), planCrashes(asked, seededRandom(8)))
  })
})
