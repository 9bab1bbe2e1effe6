/**
 * Where everything stands in Redis. What one script touches hashes to one slot, so that a Redis Cluster takes it.
 *
 * `orders` with one shard is the stream `orders` itself, as any other program made it; with more, shard 3 is `orders:3`.
 */

export interface Keys {
  readonly members: string
  shardCount(topic: string): string
  stream(topic: string, shard: number, shardCount: number): string
  /** Who works on the shard, in which epoch, and what the group has committed of it: a hash. */
  lease(stream: string): string
  /** There while the member holds the lease in this epoch: an empty stream (see `claim` in `scripts.ts`). */
  guard(lease: string, epoch: number, member: string): string
  /** What the group put off of a stream, by due time: a sorted set. */
  waiting(stream: string): string
  /** What of it is due: a stream that the group alone reads. */
  retries(stream: string): string
  /** Members listen here for others that come, go, or give up a shard. */
  readonly wakeChannel: string
}

const RETRIES = ':retries'

export function keysOf(prefix: string, group: string): Keys {
  return {
    members: `${prefix}:{${group}}:members`,
    wakeChannel: `${prefix}:{${group}}:wake`,
    shardCount: (topic) => `${prefix}:{${topic}}:shards`,
    stream: (topic, shard, shardCount) => (shardCount === 1 ? topic : `${topic}:${shard}`),
    lease: (stream) => `${prefix}:${placeOf(stream)}:${group}:lease`,
    waiting: (stream) => `${prefix}:${placeOf(stream)}:${group}:waiting`,
    retries: (stream) => `${prefix}:${placeOf(stream)}:${group}${RETRIES}`,
    guard: (lease, epoch, member) => `${lease}:${epoch}:${member}`,
  }
}

/** Whether a stream is no topic but a guard, or one of retries. */
export function isInternal(prefix: string, key: string): boolean {
  if (!key.startsWith(`${prefix}:{`)) return false
  return key.endsWith(RETRIES) || /\}:.*:lease:\d+:/s.test(key)
}

/** In the slot of the stream, and of no other stream of that slot. */
function placeOf(stream: string): string {
  const tag = hashTag(stream)
  return tag === `{${stream}}` ? tag : `${tag}:${stream}`
}

/** The part of a stream's name that decides its slot. */
function hashTag(stream: string): string {
  const tag = /\{([^}]+)\}/.exec(stream)?.[1]
  return `{${tag ?? stream}}`
}
