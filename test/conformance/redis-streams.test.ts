/** Redis Streams keep the promises of the source port, with a reader each and shared entry by entry: a real Redis. */

import { Redis } from 'ioredis'
import { redisStreams, type RedisStreamsOptions } from '../../src/sources/redis-streams/index.ts'
import { fieldsOf } from '../../src/sources/redis-streams/entry-record.ts'
import { keysOf } from '../../src/sources/redis-streams/keys.ts'
import { entryAtOffset } from '../../src/sources/redis-streams/entry-id.ts'
import { RedisServer, redisMissing } from '../real/redis-server.ts'
import { needs } from '../real/services.ts'
import { sourceConformance } from './source-suite.ts'
import type { ConformanceFixture } from './source-suite.ts'

const SHARING = {
  ordered: { name: 'Redis Streams', backend: 'redis-streams' },
  competing: { name: 'Redis Streams, competing', backend: 'redis-streams-competing' },
} as const

if (needs(redisMissing()).skip === undefined)
  for (const sharing of ['ordered', 'competing'] as const)
    sourceConformance({ ...SHARING[sharing], open: () => openFixture(sharing) })

async function openFixture(sharing: keyof typeof SHARING): Promise<ConformanceFixture> {
  const server = await RedisServer.start()
  const redis = new Redis(server.url)
  const keys = keysOf('shoal', '')
  const counts = new Map<string, number>()
  const lengths = new Map<string, number>()
  const streamOf = (topic: string, shard: number) =>
    keys.stream(topic, shard, counts.get(topic) ?? 1)
  return {
    keepsTime: false,
    makesTopics: true,
    createTopic: async (partitionCount) => {
      const topic = `topic-${counts.size}`
      counts.set(topic, partitionCount)
      await redis.set(keys.shardCount(topic), partitionCount)
      return topic
    },
    // With ids of the test's own, so that offsets count from 0.
    produce: async (records) => {
      for (const record of records) {
        const stream = streamOf(record.topic, record.partition ?? 0)
        const offset = lengths.get(stream) ?? 0
        lengths.set(stream, offset + 1)
        const fields = fieldsOf(record).map((field) => Buffer.from(field))
        await redis.callBuffer('XADD', [stream, entryAtOffset(offset), ...fields])
      }
    },
    committed: async (group, topic) => {
      const found = new Map<number, { offset: number; metadata: string }>()
      for (let shard = 0; shard < (counts.get(topic) ?? 1); shard++) {
        const lease = keysOf('shoal', group).lease(streamOf(topic, shard))
        const [offset, metadata] = await redis.hmget(lease, 'offset', 'metadata')
        if (offset !== null && offset !== undefined)
          found.set(shard, { offset: Number(offset), metadata: metadata ?? '' })
      }
      return found
    },
    source: (topics) => redisStreams({ url: server.url, topics, sharing } as RedisStreamsOptions),
    // What is left of a member whose session ended: its leases are another's.
    expel: async (group, memberId) => {
      const { members, wakeChannel } = keysOf('shoal', group)
      // In one step: a heartbeat in the middle would take them back, and they would be lost twice.
      const step = redis.multi().hdel(members, memberId)
      for (const lease of await redis.keys(`shoal:*:${group}:lease`)) {
        step.hincrby(lease, 'epoch', 1).hset(lease, 'owner', '', 'until', '0')
        for (const guard of await redis.keys(`${lease}:*`)) step.del(guard)
      }
      await step.publish(wakeChannel, 'test').exec()
    },
    close: async () => {
      redis.disconnect()
      await server[Symbol.asyncDispose]()
    },
  }
}
