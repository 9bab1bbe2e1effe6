import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { ProducerStates, REMEMBERED_BATCHES, type ProducerBatch } from './producer-state.ts'

const limits = { maxProducers: 100, producerIdExpirationMs: 1_000 }
const MAX = 2 ** 31 - 1

describe('a producer', () => {
  test('that is not known may begin anywhere', () => {
    const { ask } = fixture()
    assert.deepEqual(ask(batch(41, 3)), { kind: 'next' })
  })

  test('is told what its batches are: the next, one of the last five, or out of order', () => {
    const { store, ask } = fixture()
    for (let sequence = 0; sequence < 14; sequence += 2) store(batch(sequence, 2))

    for (const [sequence, count, kind] of [
      [14, 1, 'next'],
      [14, 500, 'next'],
      [12, 2, 'duplicate of 12'],
      [4, 2, 'duplicate of 4'],
      [2, 2, 'OUT_OF_ORDER_SEQUENCE_NUMBER'],
      [12, 1, 'OUT_OF_ORDER_SEQUENCE_NUMBER'],
      [12, 3, 'OUT_OF_ORDER_SEQUENCE_NUMBER'],
      [13, 1, 'OUT_OF_ORDER_SEQUENCE_NUMBER'],
      [15, 1, 'OUT_OF_ORDER_SEQUENCE_NUMBER'],
    ] as const)
      assert.equal(
        outcome(ask(batch(sequence, count))),
        kind,
        `sequence ${sequence}, ${count} records`,
      )
  })

  test('with a new epoch begins at 0, and fences the old one', () => {
    const { store, ask } = fixture()
    store(batch(0, 2, { epoch: 4 }))

    assert.equal(outcome(ask(batch(2, 1, { epoch: 5 }))), 'OUT_OF_ORDER_SEQUENCE_NUMBER')
    assert.equal(outcome(ask(batch(0, 1, { epoch: 5 }))), 'next')
    store(batch(0, 1, { epoch: 5 }))
    assert.equal(outcome(ask(batch(0, 2, { epoch: 4 }))), 'INVALID_PRODUCER_EPOCH')
    assert.equal(outcome(ask(batch(2, 1, { epoch: 4 }))), 'INVALID_PRODUCER_EPOCH')
    assert.equal(outcome(ask(batch(0, 1, { epoch: 5 }))), 'duplicate of 2')
  })

  test('counts on from 0 after the largest sequence, also within a batch', () => {
    for (const [base, count, next] of [
      [MAX, 1, 0],
      [MAX - 1, 2, 0],
      [MAX - 1, 5, 3],
      [MAX - 4, 4, MAX],
    ] as const) {
      const { store, ask } = fixture()
      store(batch(base, count))
      assert.equal(outcome(ask(batch(next, 1))), 'next')
      assert.equal(outcome(ask(batch(base, count))), 'duplicate of 0')
      assert.equal(outcome(ask(batch(next + 1, 1))), 'OUT_OF_ORDER_SEQUENCE_NUMBER')
    }
  })

  test('is forgotten when idle for too long, or the longest among too many', () => {
    const states = new ProducerStates({ maxProducers: 2, producerIdExpirationMs: 1_000 })
    states.record(batch(0, 1, { id: 1n }), 0, 0)
    states.record(batch(0, 1, { id: 2n }), 1, 10)
    states.record(batch(1, 1, { id: 1n }), 2, 20)
    states.record(batch(0, 1, { id: 3n }), 3, 30)
    assert.deepEqual(
      [1n, 2n, 3n].map((id) => states.check(batch(9, 1, { id })).kind),
      ['refused', 'next', 'refused'],
    )

    states.expire(1_019)
    assert.equal(states.size, 2)
    states.expire(1_020)
    assert.equal(states.size, 1)
    // The clock went back: nobody is forgotten early.
    states.expire(0)
    assert.equal(states.size, 1)
  })
})

test('of all ways in which four batches can come in and again, each is stored once and in order', () => {
  const sent = [batch(0, 1), batch(1, 2), batch(3, 1), batch(4, 3)]
  const deliveries = sequences(sent.length, 6)
  for (const delivery of deliveries) {
    const { store, ask, stored } = fixture()
    // As with a broker that saw the first batch: an unknown producer may begin anywhere.
    store(sent[0]!)
    for (const index of delivery) {
      const check = ask(sent[index]!)
      const isKnown = index < stored.length
      const isNext = index === stored.length
      assert.equal(check.kind, isKnown ? 'duplicate' : isNext ? 'next' : 'refused')
      if (check.kind === 'next') store(sent[index]!)
      if (check.kind === 'duplicate') assert.equal(check.baseOffset, sent[index]!.baseSequence)
    }
    assert.deepEqual(stored, sent.slice(0, stored.length))
  }
})

test('whatever comes, a stored batch is the next one, and a restored state answers the same', () => {
  const anyBatch = fc.record({
    id: fc.constantFrom(1n, 2n),
    epoch: fc.integer({ min: 0, max: 2 }),
    sequence: fc.oneof(fc.integer({ min: 0, max: 12 }), fc.constantFrom(MAX - 2, MAX)),
    count: fc.integer({ min: 1, max: 4 }),
  })
  fc.assert(
    fc.property(fc.array(anyBatch, { maxLength: 60 }), (batches) => {
      const states = new ProducerStates(limits)
      const model = new Map<bigint, { epoch: number; next: number; last: [number, number][] }>()
      let offset = 0
      for (const { id, epoch, sequence, count } of batches) {
        const asked = batch(sequence, count, { id, epoch })
        const restored = new ProducerStates(limits)
        restored.restore(JSON.parse(JSON.stringify(states.checkpoint())))
        const check = states.check(asked)
        assert.deepEqual(restored.check(asked), check)

        const known = model.get(id)
        const isDuplicate =
          known?.epoch === epoch &&
          known.last.some(([base, size]) => base === sequence && size === count)
        const isNext =
          known === undefined ||
          (epoch === known.epoch && sequence === known.next) ||
          (epoch > known.epoch && sequence === 0)
        assert.equal(check.kind, isDuplicate ? 'duplicate' : isNext ? 'next' : 'refused')
        if (check.kind !== 'next') continue
        states.record(asked, offset++, 0)
        const last = known?.epoch === epoch ? known.last : []
        model.set(id, {
          epoch,
          next: (sequence + count) % 2 ** 31,
          last: [...last, [sequence, count] as [number, number]].slice(-REMEMBERED_BATCHES),
        })
      }
    }),
  )
})

function fixture() {
  const states = new ProducerStates(limits)
  const stored: ProducerBatch[] = []
  let offset = 0
  return {
    stored,
    ask: (asked: ProducerBatch) => states.check(asked),
    store: (next: ProducerBatch) => {
      states.record(next, offset, 0)
      stored.push(next)
      offset += next.recordCount
    },
  }
}

function batch(
  baseSequence: number,
  recordCount: number,
  { id = 1n, epoch = 0 }: { id?: bigint; epoch?: number } = {},
): ProducerBatch {
  return { producerId: id, producerEpoch: epoch, baseSequence, recordCount, maxTimestampMs: 0 }
}

function outcome(check: ReturnType<ProducerStates['check']>): string {
  if (check.kind === 'refused') return check.error
  return check.kind === 'duplicate' ? `duplicate of ${check.baseOffset}` : 'next'
}

/** All sequences of `length` numbers below `count`. */
function sequences(count: number, length: number): number[][] {
  if (length === 0) return [[]]
  return sequences(count, length - 1).flatMap((rest) =>
    Array.from({ length: count }, (_, index) => [...rest, index]),
  )
}
