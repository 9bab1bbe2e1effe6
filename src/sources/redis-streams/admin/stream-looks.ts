/**
 * One stream and one group of it, looked at: typed calls that read and change nothing.
 *
 * Lag is what XINFO GROUPS says. After XDEL, a trim below the group's position, or XGROUP SETID it cannot say; then the
 * entries behind the position are counted, in steps that do not hold the server up for long, and no further than a limit.
 */

import { ShoalError } from '../../../core/index.ts'
import type { Keys } from '../keys.ts'
import type { RedisLink } from '../redis-link.ts'
import { redisError, troubleOf } from '../redis-errors.ts'
import { textOf } from '../reply-text.ts'
import type { ScriptSource } from '../scripts.ts'
import {
  ageOfId,
  consumerFacts,
  groupFacts,
  isBefore,
  pendingFacts,
  streamFacts,
  type ConsumerFacts,
  type GroupFacts,
  type StreamFacts,
} from './replies.ts'

export interface StreamLook {
  readonly stream: string
  readonly facts: StreamFacts
  readonly group: GroupFacts
  readonly consumers: readonly ConsumerFacts[]
  readonly lag: number
  readonly lagIs: 'told' | 'counted' | 'at-least'
  readonly oldestUnreadMs: number | null
  readonly oldestPendingMs: number | null
  /** Handed out, not acknowledged, and no longer in the stream: a trim or XDEL took them. */
  readonly hasLostPending: boolean
  /** Records that the group put off and has not handled yet: they are in keys of its own. */
  readonly putOff: number
  /** Who holds the lease of the shard; null where nobody does, or no member ever needed one. */
  readonly owner: string | null
}

/** Entries that one step of counting looks at. */
const COUNT_STEP = 500

/** KEYS stream; ARGV exclusive first id, most entries. How many there are, and the last one's id. */
const countAfter: ScriptSource = {
  name: 'shoalCountAfter',
  keyCount: 1,
  lua: `local entries = redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], '+', 'COUNT', ARGV[2])
if #entries == 0 then return {0, ARGV[1]} end
return {#entries, entries[#entries][1]}`,
}

/** Null when the key does not exist. @throws ShoalError when it is no stream */
export async function groupsOf(
  link: RedisLink,
  stream: string,
): Promise<readonly GroupFacts[] | null> {
  try {
    return groupFacts(await link.command('XINFO', 'GROUPS', stream))
  } catch (error) {
    if (isMissing(error)) return null
    throw redisError(error, `stream ${stream}`)
  }
}

export async function consumersOf(
  link: RedisLink,
  stream: string,
  group: string,
): Promise<readonly ConsumerFacts[]> {
  return consumerFacts(await link.command('XINFO', 'CONSUMERS', stream, group))
}

/** Null where the stream has no such group. */
export async function lookAt(
  link: RedisLink,
  asked: {
    readonly stream: string
    readonly group: string
    readonly keys: Keys
    readonly nowMs: number
    readonly maxCounted: number
  },
): Promise<StreamLook | null> {
  const { stream, nowMs } = asked
  const group = (await groupsOf(link, stream))?.find(({ name }) => name === asked.group)
  if (group === undefined) return null
  const facts = streamFacts(await link.command('XINFO', 'STREAM', stream))
  const consumers = await consumersOf(link, stream, asked.group)
  const pending = pendingFacts(await link.command('XPENDING', stream, asked.group))
  const { lag, lagIs } = await lagOf(link, stream, facts, group, asked.maxCounted)
  const unread = lag === 0 ? null : await firstAfter(link, stream, group.lastDeliveredId)
  const { firstId } = facts
  return {
    stream,
    facts,
    group,
    consumers,
    lag,
    lagIs,
    oldestUnreadMs: unread === null ? 0 : ageOfId(unread, nowMs),
    oldestPendingMs: pending.firstId === null ? 0 : ageOfId(pending.firstId, nowMs),
    hasLostPending:
      pending.firstId !== null && (firstId === null || isBefore(pending.firstId, firstId)),
    putOff: await putOffOf(link, asked.keys, stream),
    owner: await ownerOf(link, asked.keys.lease(stream), nowMs),
  }
}

/** The time of the server, which made the ids. */
export async function serverTimeMs(link: RedisLink): Promise<number> {
  const [seconds, microseconds] = (await link.command('TIME')) as [Uint8Array, Uint8Array]
  return Number(textOf(seconds)) * 1_000 + Math.floor(Number(textOf(microseconds)) / 1_000)
}

export function isMissing(error: unknown): boolean {
  return error instanceof Error && /\bno such key\b/i.test(error.message)
}

/** The sentence of a failure; what is ours stays as it is. */
export function streamError(error: unknown, stream: string): ShoalError {
  if (troubleOf(error) === 'no-group' || isMissing(error))
    return new ShoalError('SHOAL_UNKNOWN_TOPIC', `stream ${stream} does not exist`, {
      details: { topic: stream },
      cause: error,
    })
  return redisError(error, `stream ${stream}`)
}

async function lagOf(
  link: RedisLink,
  stream: string,
  { length, firstId, lastId }: StreamFacts,
  { lag, lastDeliveredId }: GroupFacts,
  maxCounted: number,
): Promise<Pick<StreamLook, 'lag' | 'lagIs'>> {
  if (lag !== null) return { lag, lagIs: 'told' }
  if (firstId === null || !isBefore(lastDeliveredId, lastId)) return { lag: 0, lagIs: 'counted' }
  if (isBefore(lastDeliveredId, firstId)) return { lag: length, lagIs: 'counted' }
  let counted = 0
  for (let from = lastDeliveredId; counted < maxCounted;) {
    const step = Math.min(COUNT_STEP, maxCounted - counted)
    const [count, last] = (await link.script(countAfter, stream, from, step)) as [
      number,
      Uint8Array,
    ]
    counted += count
    if (count < step) return { lag: counted, lagIs: 'counted' }
    from = textOf(last)
  }
  return { lag: counted, lagIs: 'at-least' }
}

async function firstAfter(link: RedisLink, stream: string, id: string): Promise<string | null> {
  const [count, first] = (await link.script(countAfter, stream, id, 1)) as [number, Uint8Array]
  return count === 0 ? null : textOf(first)
}

async function putOffOf(link: RedisLink, keys: Keys, stream: string): Promise<number> {
  const waiting = await link.command('ZCARD', keys.waiting(stream))
  const due = await link.command('XLEN', keys.retries(stream))
  return Number(waiting) + Number(due)
}

async function ownerOf(link: RedisLink, leaseKey: string, nowMs: number): Promise<string | null> {
  const [owner, until] = (await link.command('HMGET', leaseKey, 'owner', 'until')) as unknown[]
  const name = textOf(owner)
  return name === '' || Number(textOf(until)) <= nowMs ? null : name
}
