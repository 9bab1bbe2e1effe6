import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { seededRandom } from '../../core/index.ts'
import { ensureReceiptKey, ReceiptKey } from './receipt-handle.ts'

const receipts = fc.record(
  {
    groupId: fc.string(),
    memberId: fc.string({ unit: 'binary' }).filter((text) => text.isWellFormed()),
    topicId: fc.string({ minLength: 22, maxLength: 22 }),
    partition: fc.nat(),
    offset: fc.maxSafeNat(),
    deliveryCount: fc.integer({ min: 1 }),
    stateEpoch: fc.integer({ min: 1 }),
  },
  { noNullPrototype: true },
)

function keyOf(seed: number): ReceiptKey {
  const key = new ReceiptKey()
  ensureReceiptKey(key, { appendMetadata() {} }, seededRandom(seed))
  return key
}

test('a handle says what it was made of, also to a broker that found the key in its journal', () => {
  const key = keyOf(1)
  const restarted = new ReceiptKey()
  for (const record of key.snapshot()) restarted.replay(record)
  fc.assert(
    fc.property(receipts, (receipt) => {
      assert.deepEqual(restarted.receiptOf(key.handleOf(receipt)), receipt)
    }),
  )
})

test('a handle of another key, or with any character changed, is none', () => {
  const [key, other] = [keyOf(1), keyOf(2)]
  fc.assert(
    fc.property(receipts, fc.nat(), (receipt, at) => {
      const handle = key.handleOf(receipt)
      assert.equal(other.receiptOf(handle), null)
      const position = at % handle.length
      const changed = handle[position] === 'A' ? 'B' : 'A'
      const forged = handle.slice(0, position) + changed + handle.slice(position + 1)
      // The last character may hold bits that mean nothing.
      if (Buffer.from(forged, 'base64url').equals(Buffer.from(handle, 'base64url'))) return
      assert.equal(key.receiptOf(forged), null)
    }),
  )
})

test('whatever text comes is a handle or none, never an error', () => {
  const key = keyOf(1)
  fc.assert(fc.property(fc.string(), (text) => assert.equal(key.receiptOf(text), null)))
  assert.equal(key.receiptOf('A'.repeat(1_000_000)), null)
})
