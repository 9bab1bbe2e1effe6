import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RecordInput } from '../../protocol/index.ts'
import { PartitionQueue } from './producer-queue.ts'

test('records gather in a batch until it is full, and a full one need not wait', () => {
  const { queue, add } = fixture({ maxBytes: 30 })
  add('a', 0)
  assert.equal(queue.isReady(4, 5), false)
  assert.equal(queue.isReady(5, 5), true)
  add('b', 1)
  add('c', 1)
  assert.equal(queue.isReady(1, 5), false)
  add('d', 2)
  assert.equal(queue.isReady(2, 5), true)
})

test('batches are numbered one after the other, and one that is sent again keeps its bytes and number', () => {
  const { queue, add, seal } = fixture({ maxBytes: 20 })
  for (const name of 'abcd') add(name, 0)
  assert.equal(seal(7n), 'ab@0')
  assert.equal(seal(8n), 'ab@0')
  queue.drop()
  assert.equal(seal(7n), 'cd@2')
})

test('a new identity begins at zero', () => {
  const { queue, add, seal } = fixture({ maxBytes: 10 })
  for (const name of 'ab') add(name, 0)
  assert.equal(seal(7n), 'a@0')
  queue.drop()
  assert.equal(seal(8n), 'b@0')
})

test('what the broker refused whole can be numbered anew', () => {
  const { queue, add, seal } = fixture({ maxBytes: 10 })
  for (const name of 'ab') add(name, 0)
  seal(7n)
  queue.drop()
  assert.equal(seal(7n), 'b@1')
  queue.unseal()
  assert.equal(seal(8n), 'b@0')
})

test('a batch that was too large is split, its halves carry on its numbers, and one record cannot be split', () => {
  const { queue, add, seal } = fixture({ maxBytes: 30 })
  for (const name of 'abcde') add(name, 0)
  assert.equal(seal(7n), 'abc@0')
  assert.equal(queue.split(), true)
  assert.equal(seal(7n), 'ab@0')
  queue.drop()
  assert.equal(seal(7n), 'c@2')
  assert.equal(queue.split(), false)
  queue.drop()
  assert.equal(seal(7n), 'de@3')
})

test('giving up takes what is under way and what waits', () => {
  const { queue, add, seal } = fixture({ maxBytes: 10 })
  for (const name of 'abc') add(name, 0)
  seal(7n)
  assert.deepEqual(
    queue.takeAll().map(({ record }) => nameOf(record)),
    ['a', 'b', 'c'],
  )
  assert.equal(queue.isEmpty, true)
})

test('a batch that cannot be encoded stays the first, so that it is the one that fails', () => {
  const { queue, add } = fixture({ maxBytes: 10 })
  for (const name of 'ab') add(name, 0)
  const encode = () => {
    throw new Error('cannot be written')
  }
  assert.throws(() => queue.seal(7n, encode), /cannot be written/)
  assert.deepEqual(
    queue.drop()?.records.map(({ record }) => nameOf(record)),
    ['a'],
  )
})

function fixture({ maxBytes }: { maxBytes: number }) {
  const queue = new PartitionQueue('t', 0)
  return {
    queue,
    add: (name: string, nowMs: number) =>
      queue.add(
        {
          record: { timestampMs: 0, value: Buffer.from(name) },
          byteLength: 10,
          sent: () => {},
          failed: () => {},
        },
        { maxBytes, nowMs, timeoutMs: 1_000 },
      ),
    /** The first batch as `values@sequence`. */
    seal: (producerId: bigint) => {
      const encode = (records: readonly RecordInput[], baseSequence: number) =>
        Buffer.from(`${records.map(nameOf).join('')}@${baseSequence}`)
      return Buffer.from(queue.seal(producerId, encode)!.bytes).toString()
    },
  }
}

function nameOf({ value }: RecordInput): string {
  return Buffer.from(value ?? []).toString()
}
