import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import type { Delivery } from './member.ts'
import { PartitionBook } from './partition-book.ts'

type Step = readonly ['hand out' | 'finish' | 'wait' | 'commit' | 'again' | 'take' | 'fail', number]

const step = fc.tuple(
  fc.constantFrom('hand out', 'finish', 'wait', 'commit', 'again', 'take', 'fail'),
  fc.nat(30),
) as fc.Arbitrary<Step>

describe('the book of a partition', () => {
  test('never lets the position pass a record that is not done, and settles each record once', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), fc.boolean(), (steps, inOrder) => {
        const book = new PartitionBook({ topic: 't', partition: 0, epoch: 1, startOffset: 0 })
        const model = new Map<number, 'in hand' | 'waiting' | 'done'>()
        const settled: number[] = []
        for (const [what, number] of steps) {
          const offset = what === 'hand out' && inOrder ? model.size : number
          const state = model.get(offset)
          if (what === 'hand out' && state === undefined) {
            book.handOut(delivery(offset, 1))
            model.set(offset, 'in hand')
          } else if (what === 'finish' && state === 'in hand') {
            book.finish(delivery(offset, 1))
            model.set(offset, 'done')
          } else if (what === 'wait' && state === 'in hand') {
            book.wait(delivery(offset, 1))
            model.set(offset, 'waiting')
          } else if (what === 'again' && state === 'waiting') {
            book.handOut(delivery(offset, 1))
            model.set(offset, 'in hand')
          } else if (what === 'commit') {
            book.finishThrough(offset)
            for (const [at, one] of model)
              if (at <= offset && one === 'in hand') model.set(at, 'done')
          } else if (what === 'take') {
            settled.push(...book.takeDone().done.map(({ record }) => record.offset))
          } else if (what === 'fail') book.putBack(book.takeDone())
          check(book, model)
        }
        settled.push(...book.takeDone().done.map(({ record }) => record.offset))
        const done = [...model].filter(([, one]) => one === 'done').map(([at]) => at)
        assert.deepEqual(
          settled.toSorted((a, b) => a - b),
          done.toSorted((a, b) => a - b),
        )
      }),
    )
  })

  test('answers for the last delivery of a record alone', () => {
    const book = new PartitionBook({ topic: 't', partition: 0, epoch: 1, startOffset: 0 })
    book.handOut(delivery(0, 1))
    book.handOut(delivery(0, 2))
    assert.equal(book.stateOf(delivery(0, 1)), 'waiting')
    assert.equal(book.stateOf(delivery(0, 2)), 'in hand')
    assert.equal(book.inHand, 1)
  })
})

function check(book: PartitionBook, model: ReadonlyMap<number, string>): void {
  const open = [...model].filter(([, state]) => state !== 'done').map(([offset]) => offset)
  const position = book.position()
  assert.equal(position, open.length > 0 ? Math.min(...open) : Math.max(-1, ...model.keys()) + 1)
  assert.equal(book.inHand, [...model.values()].filter((state) => state === 'in hand').length)
  assert.equal(book.openCount, open.length)
}

function delivery(offset: number, deliveryCount: number): Delivery {
  const record = { offset, timestampMs: 0, key: null, value: null, headers: [] }
  return { topic: 't', partition: 0, epoch: 1, record, deliveryCount }
}
