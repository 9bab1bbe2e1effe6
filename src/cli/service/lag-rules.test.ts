import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { LagRules } from './lag-rules.ts'

describe('an alert on lag', () => {
  const rule = { name: 'behind', records: 100, for: 30_000 }

  test('fires once the threshold was crossed for long enough, and resolves once when it is over', () => {
    const rules = new LagRules([rule])
    const told = [50, 100, 500, 500, 500, 99, 0].map((records, index) =>
      rules
        .take({ records, seconds: 0 }, index * 15_000)
        .map(({ kind, forMs }) => `${kind} ${forMs}`),
    )
    assert.deepEqual(told, [[], [], [], ['firing 30000'], [], ['resolved 60000'], []])
  })

  test('does not fire for a moment above the threshold, and starts to count anew', () => {
    const rules = new LagRules([rule])
    const told = [100, 0, 100, 100, 0].flatMap((records, index) =>
      rules.take({ records, seconds: 0 }, index * 20_000),
    )
    assert.deepEqual(told, [])
  })

  test('fires at once without a time to wait', () => {
    const rules = new LagRules([{ name: 'now', seconds: 60, for: 0 }])
    const [alert] = rules.take({ records: 1, seconds: 60 }, 0)
    assert.deepEqual([alert?.kind, rules.firing], ['firing', ['now']])
  })

  test('with two thresholds is over when either is', () => {
    const rules = new LagRules([{ name: 'either', records: 10, seconds: 5, for: 0 }])
    assert.equal(rules.take({ records: 0, seconds: 5 }, 0)[0]?.kind, 'firing')
    assert.deepEqual(rules.take({ records: 10, seconds: 0 }, 1), [])
    assert.equal(rules.take({ records: 9, seconds: 4 }, 2)[0]?.kind, 'resolved')
  })

  test('tells firing and resolved in turns, whatever the samples', () => {
    const samples = fc.array(fc.record({ records: fc.nat(20), stepMs: fc.nat(100) }))
    fc.assert(
      fc.property(samples, fc.nat(150), (steps, waitMs) => {
        const rules = new LagRules([{ name: 'any', records: 10, for: waitMs }])
        let nowMs = 0
        const kinds = steps.flatMap(({ records, stepMs }) => {
          nowMs += stepMs
          return rules.take({ records, seconds: 0 }, nowMs).map(({ kind }) => kind)
        })
        kinds.forEach((kind, index) => assert.equal(kind, index % 2 === 0 ? 'firing' : 'resolved'))
      }),
    )
  })
})
