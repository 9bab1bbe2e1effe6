/** Appends to streams without being a member of any group. */

import type { OutgoingRecord } from '../../consumer/index.ts'
import { uuidText } from '../../core/index.ts'
import { keysOf } from './keys.ts'
import { redisSettings } from './options.ts'
import type { RedisPorts, RedisStreamsOptions } from './options.ts'
import { redisError } from './redis-errors.ts'
import { RedisLink } from './redis-link.ts'
import { ShardStore } from './shard-store.ts'

export interface RedisSender {
  /** Resolves when Redis has the entry. */
  send(record: OutgoingRecord): Promise<void>
  close(): Promise<void>
}

/** @throws ShoalError SHOAL_INVALID_ARGUMENT, SHOAL_BROKER_UNREACHABLE */
export async function redisSender(
  options: RedisStreamsOptions,
  ports: RedisPorts = {},
): Promise<RedisSender> {
  const settings = redisSettings(options, ports)
  const link = await RedisLink.open(settings)
  const token = uuidText(settings.ports.random)
  const store = new ShardStore(link, settings, '', keysOf(settings.keyPrefix, ''), token)
  let isClosed = false
  return {
    async send(record) {
      const wanted = settings.topics.includes(record.topic) ? settings.shards : undefined
      try {
        await store.shardCount(record.topic, wanted)
        await store.append(record)
      } catch (error) {
        throw redisError(error, `topic ${record.topic}`)
      }
    },
    async close() {
      if (isClosed) return
      isClosed = true
      link.close()
    },
  }
}
