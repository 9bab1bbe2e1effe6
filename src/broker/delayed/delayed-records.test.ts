import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { ShoalError } from '../../core/index.ts'
import { decodeDelayedRecord, type DelayedRecord, encodeDelayedRecord } from './delayed-records.ts'

const topicId = fc.string({ maxLength: 22 })
const whole = fc.maxSafeNat()
const producerId = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }).map(String)
const offsets = fc.array(whole, { maxLength: 3 })
const kind = <Kind extends string>(name: Kind) => fc.constant(name)

const record: fc.Arbitrary<DelayedRecord> = fc.oneof(
  fc.record({ kind: kind('producer'), producerId }),
  fc.record({ kind: kind('delivering'), topicId, partition: whole, offsets }),
  fc.record({ kind: kind('delivered'), topicId, partition: whole }),
  fc.record({ kind: kind('returned'), topicId, partition: whole }),
  fc.record({ kind: kind('topic-gone'), topicId }),
  fc.record({ kind: kind('trimmed'), offset: whole }),
  fc.record({
    kind: kind('state'),
    producerId: fc.option(producerId),
    floor: whole,
    delivered: fc.array(fc.tuple(whole, fc.option(fc.base64String())), { maxLength: 2 }),
    targets: fc.array(
      fc.record({ topicId, partition: whole, nextSequence: whole, delivering: fc.option(offsets) }),
      { maxLength: 2 },
    ),
  }),
)

describe('a record of delayed messages', () => {
  test('is the same after it was written and read', () => {
    fc.assert(
      fc.property(record, (each) =>
        assert.deepEqual(decodeDelayedRecord(encodeDelayedRecord(each)), structuredClone(each)),
      ),
    )
  })

  test('that is damaged is said to be, whatever the bytes', () => {
    const damaged = (bytes: Uint8Array) =>
      assert.throws(
        () => decodeDelayedRecord(bytes),
        (error) => error instanceof ShoalError && error.code === 'SHOAL_STORAGE_CORRUPT',
      )
    fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), damaged))
    const texts = [
      '{"v":1,"kind":"delivering","topicId":"t","partition":-1,"offsets":[]}',
      '{"v":1,"kind":"delivering","topicId":"t","partition":0,"offsets":["1"]}',
      '{"v":1,"kind":"producer","producerId":"x"}',
      '{"v":1,"kind":"state","producerId":null,"floor":0,"delivered":[[0]],"targets":[]}',
      '{"v":2,"kind":"trimmed","offset":1}',
      'null',
    ]
    for (const text of texts) damaged(new TextEncoder().encode(text))
  })
})
