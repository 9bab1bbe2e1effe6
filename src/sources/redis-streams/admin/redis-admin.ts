/**
 * The broker port over Redis Streams: consumer groups as XINFO tells them, whoever made them, and Shoal's leases beside.
 *
 * Redis has no list of groups: every stream is asked for its own, found by SCAN. It knows consumers by name and for ever, not
 * members that come and go; so a group counts as working while a member of ours renews its place, or some consumer
 * asked for entries within the last minute.
 */

import type { BrokerPort, GroupBacklog, GroupListing } from '../../../admin/index.ts'
import { ShoalError } from '../../../core/index.ts'
import { isInternal, keysOf, type Keys } from '../keys.ts'
import { redisSettings, type RedisPorts, type RedisSettings } from '../options.ts'
import { redisError } from '../redis-errors.ts'
import { RedisLink } from '../redis-link.ts'
import { textOf } from '../reply-text.ts'
import { groupBacklog, isAtWork, type StreamPlace } from './group-backlog.ts'
import { RedisDeadLetters } from './redis-dead-letters.ts'
import type { ConsumerFacts } from './replies.ts'
import { consumersOf, groupsOf, lookAt, serverTimeMs, type StreamLook } from './stream-looks.ts'

export interface RedisAdminOptions {
  /** `redis://[user:password@]host[:6379][/database]`, `rediss://` for TLS. */
  readonly url: string
  /** Begins the names of Shoal's own keys; default `shoal`. */
  readonly keyPrefix?: string
  /** How long opening goes on trying, milliseconds; default 10,000. */
  readonly bootstrapTimeoutMs?: number
  /** Most streams that are looked at; default 10,000. */
  readonly maxStreams?: number
  /** Most entries that are counted where Redis does not tell a lag; default 10,000. */
  readonly maxCounted?: number
}

const DEFAULTS = { maxStreams: 10_000, maxCounted: 10_000 } as const

/** Keys that one step of SCAN looks at. */
const SCAN_STEP = 1_000
/** Streams asked at a time. */
const AT_ONCE = 50

/** @throws ShoalError SHOAL_INVALID_ARGUMENT, SHOAL_BROKER_UNREACHABLE, SHOAL_REQUEST_FAILED for wrong credentials */
export async function openRedisAdmin(
  options: RedisAdminOptions,
  ports: RedisPorts = {},
): Promise<BrokerPort> {
  const { maxStreams = DEFAULTS.maxStreams, maxCounted = DEFAULTS.maxCounted, ...given } = options
  // Settings of a member; of its topics nothing is asked here.
  const settings = redisSettings({ ...given, topics: ['*'] }, ports)
  return new RedisAdmin(await RedisLink.open(settings), settings, { maxStreams, maxCounted })
}

class RedisAdmin implements BrokerPort {
  readonly backend = 'redis-streams'
  readonly deadLetters: RedisDeadLetters
  readonly #link: RedisLink
  readonly #settings: RedisSettings
  readonly #limits: { readonly maxStreams: number; readonly maxCounted: number }
  #isClosed = false

  constructor(
    link: RedisLink,
    settings: RedisSettings,
    limits: { readonly maxStreams: number; readonly maxCounted: number },
  ) {
    this.#link = link
    this.#settings = settings
    this.#limits = limits
    this.deadLetters = new RedisDeadLetters(link, keysOf(settings.keyPrefix, ''), (suffix) =>
      this.#streams(`*${globText(suffix)}`),
    )
  }

  async listGroups(): Promise<readonly GroupListing[]> {
    return this.#asked('the groups', async () => {
      const { streams } = await this.#streams('*')
      const consumers = new Map<string, ConsumerFacts[]>()
      await eachOf(streams, async (stream) => {
        for (const { name } of (await groupsOf(this.#link, stream)) ?? []) {
          const own = await consumersOf(this.#link, stream, name)
          consumers.set(name, [...(consumers.get(name) ?? []), ...own])
        }
      })
      const nowMs = await serverTimeMs(this.#link)
      const listed: GroupListing[] = []
      for (const [groupId, own] of consumers) {
        const live = await this.#liveMembers(keysOf(this.#settings.keyPrefix, groupId), nowMs)
        const state = isAtWork(own, live) ? 'Stable' : 'Empty'
        listed.push({ groupId, type: 'Stream', state, protocolType: 'stream' })
      }
      return listed.sort((left, right) => (left.groupId < right.groupId ? -1 : 1))
    })
  }

  async groupBacklog(groupId: string): Promise<GroupBacklog> {
    return this.#asked(`group ${groupId}`, async () => {
      const { streams, isCut } = await this.#streams('*')
      const { looks, live } = await this.#looks(groupId, streams)
      if (looks.length === 0) throw unknownGroup(groupId)
      const places: StreamPlace[] = []
      for (const look of looks) places.push({ look, ...(await this.#placeOf(look.stream)) })
      return groupBacklog({ groupId, places, live, maxCounted: this.#limits.maxCounted, isCut })
    })
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#link.close()
  }

  async #looks(groupId: string, streams: readonly string[]) {
    const keys = keysOf(this.#settings.keyPrefix, groupId)
    const nowMs = await serverTimeMs(this.#link)
    const { maxCounted } = this.#limits
    const looks: StreamLook[] = []
    await eachOf(streams, async (stream) => {
      const look = await lookAt(this.#link, { stream, group: groupId, keys, nowMs, maxCounted })
      if (look !== null) looks.push(look)
    })
    looks.sort((left, right) => (left.stream < right.stream ? -1 : 1))
    return { looks, live: await this.#liveMembers(keys, nowMs) }
  }

  /** Names of members that renewed their place. */
  async #liveMembers({ members }: Keys, nowMs: number): Promise<readonly string[]> {
    const reply = (await this.#link.command('HGETALL', members)) as unknown[]
    const live: string[] = []
    for (let at = 0; at + 1 < reply.length; at += 2)
      if (Number(textOf(reply[at + 1]).split('|')[0]) > nowMs) live.push(textOf(reply[at]))
    return live
  }

  /** Which topic a stream is a shard of: `orders:3`, where orders has more than three. */
  async #placeOf(stream: string): Promise<{ readonly topic: string; readonly partition: number }> {
    const [, topic, shard] = /^(.+):(\d{1,9})$/s.exec(stream) ?? []
    if (topic === undefined) return { topic: stream, partition: 0 }
    const key = keysOf(this.#settings.keyPrefix, '').shardCount(topic)
    const count = Number(textOf(await this.#link.command('GET', key)))
    const partition = Number(shard)
    return count > 1 && partition < count ? { topic, partition } : { topic: stream, partition: 0 }
  }

  async #streams(pattern: string): Promise<{ streams: readonly string[]; isCut: boolean }> {
    const found = new Set<string>()
    let cursor = '0'
    do {
      const [next, keys] = (await this.#link.command(
        'SCAN',
        cursor,
        'MATCH',
        pattern,
        'COUNT',
        SCAN_STEP,
        'TYPE',
        'stream',
      )) as [Uint8Array, Uint8Array[]]
      for (const key of keys.map(textOf))
        if (!isInternal(this.#settings.keyPrefix, key)) found.add(key)
      cursor = textOf(next)
    } while (cursor !== '0' && found.size <= this.#limits.maxStreams)
    const streams = [...found].sort()
    const isCut = streams.length > this.#limits.maxStreams
    return { streams: streams.slice(0, this.#limits.maxStreams), isCut }
  }

  async #asked<Answer>(what: string, ask: () => Promise<Answer>): Promise<Answer> {
    try {
      return await ask()
    } catch (error) {
      throw redisError(error, `redis at ${new URL(this.#settings.url).host}, ${what}`)
    }
  }
}

async function eachOf<Item>(
  items: readonly Item[],
  work: (item: Item) => Promise<void>,
): Promise<void> {
  for (let at = 0; at < items.length; at += AT_ONCE)
    await Promise.all(items.slice(at, at + AT_ONCE).map(work))
}

/** A text as the pattern that means only itself. */
function globText(text: string): string {
  return text.replace(/[\\*?[\]^-]/g, '\\$&')
}

function unknownGroup(groupId: string): ShoalError {
  return new ShoalError(
    'SHOAL_UNKNOWN_GROUP',
    `group ${groupId} does not exist: no stream has a consumer group of this name`,
    { details: { group: groupId } },
  )
}
