/** Redis Streams as a source: `import { redisStreams } from 'shoal/redis-streams'`. */

export type { RedisPorts, RedisStreamsOptions } from './options.ts'
export { redisStreams, type RedisStreamsCapabilities } from './redis-streams-source.ts'
export { redisSender, type RedisSender } from './redis-sender.ts'
