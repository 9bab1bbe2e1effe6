import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { admitted, gradesFor, handOf, suspectFrom } from './suspicion.ts'

const NOTHING = { count: 0, most: Infinity }
const times = (count: number, deliveries: number) => Array<number>(count).fill(deliveries)

describe('records that may have killed a process', () => {
  test('come back freely once, then up to 64 at a time, then 8, then each alone', () => {
    const grades = gradesFor(10)
    assert.deepEqual(
      [0, 1, 2, 3, 4, 9].map((deliveries) => admitted(times(100, deliveries), NOTHING, grades)),
      [100, 100, 64, 8, 1, 1],
    )
    assert.deepEqual(gradesFor(), grades)
    assert.equal(suspectFrom(grades), 2)
  })

  test('are alone in the last delivery that there is, however few there are', () => {
    assert.deepEqual(
      [1, 2, 3, 4, 5].map((maxDeliveries) => gradesFor(maxDeliveries)),
      [
        [Infinity, 1, 1, 1, 1],
        [Infinity, 1, 1, 1, 1],
        [Infinity, 8, 1, 1, 1],
        [Infinity, 64, 8, 1, 1],
        [Infinity, Infinity, 64, 8, 1],
      ],
    )
  })

  test('wait for what is in hand as the most suspicious of all wants it', () => {
    const grades = gradesFor()
    const hand = handOf([0, 1, 2, 2, 3, 2], grades)
    assert.deepEqual(hand, { count: 4, most: 8 })
    assert.equal(admitted(times(9, 2), hand, grades), 4)
    assert.equal(admitted([4], hand, grades), 0)
    assert.equal(admitted([2], handOf([4], grades), grades), 0)
    assert.equal(admitted([2, 2, 4, 2], NOTHING, grades), 2)
  })

  test('hold up what is behind them, and nothing that is before them', () => {
    assert.equal(admitted([0, 1, 4, 0, 4, 0], NOTHING, gradesFor()), 4)
  })

  test('are never more in hand than the most suspicious of them allows, and never all held', () => {
    const deliveries = fc.array(fc.nat({ max: 12 }), { maxLength: 200 })
    fc.assert(
      fc.property(deliveries, fc.integer({ min: 1, max: 12 }), (waiting, maxDeliveries) => {
        const grades = gradesFor(maxDeliveries)
        for (let rest = waiting; rest.length > 0;) {
          const count = admitted(rest, NOTHING, grades)
          const hand = handOf(rest.slice(0, count), grades)
          assert.ok(count > 0 && hand.count <= hand.most)
          rest = rest.slice(count)
        }
      }),
    )
  })

  test('a culprit among hundreds is convicted, and those that died with it are not', () => {
    const position = fc.nat({ max: 399 })
    fc.assert(
      fc.property(position, fc.integer({ min: 5, max: 12 }), (culprit, maxDeliveries) => {
        const grades = gradesFor(maxDeliveries)
        let pending = Array.from({ length: 400 }, (_, id) => ({ id, deliveries: 0 }))
        const convicted: number[] = []
        let deaths = 0
        while (pending.length > 0) {
          const waiting = pending.map(({ deliveries }) => deliveries)
          const window = pending.slice(0, admitted(waiting, NOTHING, grades))
          const condemned = window.filter(({ deliveries }) => deliveries >= maxDeliveries)
          convicted.push(...condemned.map(({ id }) => id))
          const started = window.filter((record) => !condemned.includes(record))
          const dies = started.some(({ id }) => id === culprit)
          if (dies) for (const record of started) record.deliveries++
          deaths += Number(dies)
          pending = pending.filter((record) => !(dies ? condemned : window).includes(record))
        }
        assert.deepEqual([convicted, deaths], [[culprit], maxDeliveries])
      }),
    )
  })
})
