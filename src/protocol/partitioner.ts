/**
 * Which partition a key belongs to, as the two families of clients decide it.
 *
 * `murmur2` is what Java and its followers (kafkajs, platformatic, franz-go) do, `crc32` what librdkafka does with its
 * default `consistent_random`. Producers of one topic must agree, or a key's records spread over two partitions.
 */

import { crc32 } from 'node:zlib'

export type Partitioner = 'murmur2' | 'crc32'

/** @param partitionCount at least 1 */
export function partitionForKey(
  key: Uint8Array,
  partitionCount: number,
  partitioner: Partitioner,
): number {
  const hash = partitioner === 'murmur2' ? murmur2(key) & 0x7fff_ffff : crc32(key)
  return hash % partitionCount
}

const SEED = 0x9747_b28c
const FACTOR = 0x5bd1_e995

/** MurmurHash2 with Kafka's seed, as a signed 32-bit number. */
export function murmur2(bytes: Uint8Array): number {
  const { length } = bytes
  const tail = length & ~3
  let hash = SEED ^ length
  for (let position = 0; position < tail; position += 4) {
    const word = Math.imul(wordAt(bytes, position), FACTOR)
    hash = Math.imul(hash, FACTOR) ^ Math.imul(word ^ (word >>> 24), FACTOR)
  }
  if (tail < length) {
    for (let position = length - 1; position >= tail; position--)
      hash ^= (bytes[position] as number) << (8 * (position - tail))
    hash = Math.imul(hash, FACTOR)
  }
  hash = Math.imul(hash ^ (hash >>> 13), FACTOR)
  return hash ^ (hash >>> 15)
}

function wordAt(bytes: Uint8Array, position: number): number {
  return (
    (bytes[position] as number) |
    ((bytes[position + 1] as number) << 8) |
    ((bytes[position + 2] as number) << 16) |
    ((bytes[position + 3] as number) << 24)
  )
}
