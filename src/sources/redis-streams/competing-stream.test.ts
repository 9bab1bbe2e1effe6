import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CompetingStream } from './competing-stream.ts'
import type { HandedOut } from './competing-stream.ts'
import { laterFields } from './later-entry.ts'

const entry = (offset: number) => ({ offset, fields: [] })
const fresh = () => new CompetingStream({ topic: 'orders', partition: 0, epoch: 2 }, 'orders')
const idsOf = (entries: readonly HandedOut[]) => entries.map(({ id }) => id)

describe('a stream that members share entry by entry', () => {
  test('counts what it hands out, whatever its ids; a claimed older entry comes after newer ones', () => {
    const stream = fresh()
    const first = stream.handOut([entry(500), entry(700)])
    const second = stream.handOut([entry(20)])
    assert.deepEqual(
      [first, second].map((batch) => [...(batch?.records ?? [])].map(({ offset }) => offset)),
      [[0, 1], [2]],
    )
    assert.equal(second?.nextOffset, 3)
    assert.deepEqual(idsOf(stream.settle(3, null)), ['0-501', '0-701', '0-21'])
  })

  test('an entry that comes again while it is ours is not handed out twice', () => {
    const stream = fresh()
    stream.handOut([entry(1), entry(2)])
    assert.equal(stream.handOut([entry(2)]), null)
    assert.equal(stream.handOut([entry(2), entry(3)])?.records.length, 1)
    stream.gone(['0-3'])
    assert.deepEqual(stream.mine, ['0-2', '0-4'])
    assert.equal(stream.handOut([entry(2)])?.records.length, 1)
  })

  test('what is done beyond the position is settled with it', () => {
    const stream = fresh()
    stream.handOut([entry(0), entry(1), entry(2), entry(3)])
    assert.deepEqual(idsOf(stream.settle(1, { base: 1, end: 3, open: [1] })), ['0-1', '0-3'])
    assert.deepEqual(idsOf(stream.settle(4, null)), ['0-2', '0-4'])
  })

  test('retries are counted with their topic, and each ends in its own stream', () => {
    const stream = fresh()
    const retries = new CompetingStream(stream.owned, 'retries', stream)
    const retried = { attempts: 1, firstFailureMs: 5 }
    const record = { offset: 0, timestampMs: 3, key: null, value: null, headers: [] }
    stream.handOut([entry(1)])
    // Under the same id in the other stream.
    const batch = retries.handOut([{ offset: 1, fields: laterFields(record, '7-0', retried) }])
    stream.handOut([entry(2)])
    const [again] = batch?.records ?? []
    assert.deepEqual([again?.offset, again?.id, again?.retried], [1, '7-0', retried])
    assert.deepEqual([stream.mine, retries.mine], [['0-2', '0-3'], ['0-2']])
    assert.deepEqual(stream.entryAt(1), { of: retries, id: '0-2' })
    assert.deepEqual(
      stream.settle(3, null).map(({ of, id }) => [of.stream, id]),
      [
        ['orders', '0-2'],
        ['retries', '0-2'],
        ['orders', '0-3'],
      ],
    )
    assert.equal(stream.entryAt(1), null)
  })
})
