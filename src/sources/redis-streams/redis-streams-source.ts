/**
 * Redis Streams as a source of the consumer runtime.
 */

import type { Source, SourceContext, SourceSession } from '../../consumer/index.ts'
import { uuidText } from '../../core/index.ts'
import { CompetingSession } from './competing-session.ts'
import { keysOf } from './keys.ts'
import { LaterEntries } from './later-entries.ts'
import { redisSettings } from './options.ts'
import type { RedisPorts, RedisSettings, RedisStreamsOptions } from './options.ts'
import { redisError } from './redis-errors.ts'
import { RedisLink } from './redis-link.ts'
import { RedisSession } from './redis-session.ts'
import { ShardStore, type ShardKeys } from './shard-store.ts'

type Sharing = NonNullable<RedisStreamsOptions['sharing']>

/** What depends on how members share a stream: one of them at a time has positions, several side by side have none. */
export interface RedisStreamsCapabilities<S extends Sharing = Sharing> {
  readonly kind: 'redis-streams'
  readonly transactions: false
  readonly offsets: S extends 'ordered' ? true : false
  readonly completionMemory: true
  readonly readsBack: S extends 'ordered' ? true : false
  readonly nativeDelay: S extends 'ordered' ? false : true
}

/**
 * Reads streams as a member of a consumer group (XREADGROUP): each shard by one member at a time, or with
 * `sharing: 'competing'` all streams by all members.
 *
 * Guarantees: at least once, and (`ordered`) in order of the key, also through crashes: entries stay pending until they are
 * handled, and who takes over a shard begins with what its former holder left. With `competing`, offsets are counted by
 * the member and begin at 0; entries of a member that died go to others after `claimIdleMs`. A member that was paused and lost its lease
 * neither takes nor acknowledges entries. What Redis itself loses (a failover to a replica that lags, `appendfsync
 * everysec` in a power loss) is lost.
 *
 * Needs Redis 6.2 or newer, and the package ioredis.
 *
 * @throws ShoalError SHOAL_INVALID_ARGUMENT for options that cannot work
 */
export function redisStreams(
  options: RedisStreamsOptions & { readonly sharing?: 'ordered' },
  ports?: RedisPorts,
): Source<RedisStreamsCapabilities<'ordered'>>
export function redisStreams(
  options: RedisStreamsOptions & { readonly sharing: 'competing' },
  ports?: RedisPorts,
): Source<RedisStreamsCapabilities<'competing'>>
export function redisStreams(
  options: RedisStreamsOptions,
  ports?: RedisPorts,
): Source<RedisStreamsCapabilities>
export function redisStreams(
  options: RedisStreamsOptions,
  ports: RedisPorts = {},
): Source<RedisStreamsCapabilities> {
  const settings = redisSettings(options, ports)
  let lastEpoch = 0
  return {
    name: `redis ${new URL(settings.url).host}`,
    capabilities: {
      kind: 'redis-streams',
      transactions: false,
      offsets: settings.sharing === 'ordered',
      completionMemory: true,
      readsBack: settings.sharing === 'ordered',
      nativeDelay: settings.sharing === 'competing',
    },
    open: (context) => openSession(nextName(settings, options), context, () => ++lastEpoch),
  }
}

/** Each member opened from a source without a name of its own gets a new one. */
function nextName(settings: RedisSettings, { consumerName }: RedisStreamsOptions): RedisSettings {
  if (consumerName !== undefined) return settings
  return { ...settings, consumerName: `shoal-${uuidText(settings.ports.random)}` }
}

async function openSession(
  settings: RedisSettings,
  context: SourceContext,
  nextEpoch: () => number,
): Promise<SourceSession> {
  const link = await RedisLink.open(settings)
  try {
    const keys = keysOf(settings.keyPrefix, context.group)
    const token = uuidText(settings.ports.random)
    const store = new ShardStore(link, settings, context.group, keys, token)
    const shards: ShardKeys[] = []
    for (const topic of settings.topics) {
      const count = await store.shardCount(topic, settings.shards)
      for (let shard = 0; shard < count; shard++) shards.push(store.shardOf(topic, shard))
    }
    for (const shard of shards) await createGroup(store, shard, context.group)
    const streams = shards.map(({ stream }) => stream)
    const session =
      settings.sharing === 'ordered'
        ? new RedisSession(link, settings, context, store, keys, shards)
        : new CompetingSession(
            link,
            settings,
            context,
            store,
            shards,
            nextEpoch(),
            await LaterEntries.open(link, settings, context, keys, streams),
          )
    settings.ports.timers.soon(() => void session.start())
    return session
  } catch (error) {
    link.close()
    throw redisError(error, `topics ${settings.topics.join(', ')}, group ${context.group}`)
  }
}

async function createGroup(store: ShardStore, shard: ShardKeys, group: string): Promise<void> {
  try {
    await store.createGroup(shard)
  } catch (error) {
    throw redisError(error, `stream ${shard.stream}, group ${group}`)
  }
}
