import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { murmur2, partitionForKey } from './partitioner.ts'

describe('the partition of a key', () => {
  test('comes from the murmur2 of the Java clients', () => {
    const cases: readonly [key: string, hash: number][] = [
      ['21', -973_932_308],
      ['foobar', -790_332_482],
      ['a-little-bit-long-string', -985_981_536],
      ['a-little-bit-longer-string', -1_486_304_829],
      ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58_897_971],
      ['abc', 479_470_107],
    ]
    for (const [key, hash] of cases) {
      assert.equal(murmur2(Buffer.from(key)), hash)
      assert.equal(partitionForKey(Buffer.from(key), 100, 'murmur2'), (hash & 0x7fff_ffff) % 100)
    }
  })

  test('comes from the CRC-32 of librdkafka', () => {
    assert.equal(partitionForKey(Buffer.from('123456789'), 1_000, 'crc32'), 0xcbf4_3926 % 1_000)
  })

  test('is always one that exists', () => {
    const counts = fc.integer({ min: 1, max: 10_000 })
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), counts, (key, count) => {
        for (const partitioner of ['murmur2', 'crc32'] as const) {
          const partition = partitionForKey(key, count, partitioner)
          assert.ok(Number.isInteger(partition) && partition >= 0 && partition < count)
        }
      }),
    )
  })
})
