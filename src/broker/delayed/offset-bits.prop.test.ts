import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { OffsetBits } from './offset-bits.ts'

const offset = fc.oneof(
  fc.nat({ max: 40 }),
  fc.integer({ min: 32_760, max: 32_780 }),
  fc.nat({ max: 200_000 }),
)

describe('the set of delivered offsets', () => {
  test('holds what was added and what is below the floor, also after a snapshot', () => {
    fc.assert(
      fc.property(fc.array(offset), offset, fc.array(offset), (added, floor, asked) => {
        let bits = new OffsetBits()
        for (const each of added) bits.add(each)
        bits.raiseFloor(floor)
        for (let round = 0; round < 2; round++) {
          for (const each of [...added, ...asked, floor, floor - 1].filter((value) => value >= 0))
            assert.equal(bits.has(each), each < floor || added.includes(each))
          const restored = new OffsetBits()
          restored.restore(bits.floor, bits.snapshot())
          bits = restored
        }
      }),
    )
  })

  test('keeps a full chunk as a flag, and goes on from one that was nearly full', () => {
    const bits = new OffsetBits()
    for (let each = 0; each < 2 * 32_768 - 1; each++) bits.add(each)
    const again = new OffsetBits()
    again.restore(bits.floor, bits.snapshot())
    assert.deepEqual(
      again.snapshot().map(([index, base64]) => [index, base64 === null]),
      [
        [0, true],
        [1, false],
      ],
    )
    again.add(2 * 32_768 - 1)
    assert.deepEqual(again.snapshot(), [
      [0, null],
      [1, null],
    ])
    again.raiseFloor(32_768)
    assert.deepEqual(again.snapshot(), [[1, null]])
  })
})
