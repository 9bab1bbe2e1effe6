/**
 * The group in Redis as one member sees it: membership, leases, entries, what is committed. Typed calls over the scripts.
 *
 * Nothing is remembered here and nothing repeated: what a failed call means is its caller's to decide.
 */

import { ShoalError } from '../../core/index.ts'
import { partitionForKey } from '../../protocol/index.ts'
import type { OutgoingRecord, ReadRequest } from '../../consumer/index.ts'
import type { ShardMember } from '../shards/shard-plan.ts'
import { entryAtOffset, offsetOfEntry, offsetOfEntryBytes } from './entry-id.ts'
import { fieldsOf, type EntryFields } from './entry-record.ts'
import type { Keys } from './keys.ts'
import type { RedisSettings } from './options.ts'
import type { RedisLink } from './redis-link.ts'
import { troubleOf } from './redis-errors.ts'
import { textOf as text } from './reply-text.ts'
import { claimArguments, claimed } from './pending-claim.ts'
import type { ClaimRequest, Entry, TakenOver } from './pending-claim.ts'
import * as scripts from './scripts.ts'

/** Arguments of one call: an even number. */
const CHUNK = 1_000

/** A shard by all its names. */
export interface ShardKeys {
  readonly topic: string
  readonly shard: number
  readonly stream: string
  readonly lease: string
}

/** A lease that is held: what every fenced call proves. */
export interface Lease {
  readonly keys: ShardKeys
  readonly epoch: number
}

export interface Claimed extends Lease {
  readonly committed: { readonly offset: number; readonly metadata: string } | null
}

export interface Taken {
  readonly entries: readonly Entry[]
  /** After the last entry that the stream has. */
  readonly endOffset: number
}

export class ShardStore {
  readonly #link: RedisLink
  readonly #settings: RedisSettings
  readonly #group: string
  readonly #keys: Keys
  readonly #token: string
  readonly #shardCounts = new Map<string, number>()
  #turn = 0

  constructor(link: RedisLink, settings: RedisSettings, group: string, keys: Keys, token: string) {
    this.#link = link
    this.#settings = settings
    this.#group = group
    this.#keys = keys
    this.#token = token
  }

  shardOf(topic: string, shard: number): ShardKeys {
    const stream = this.#keys.stream(topic, shard, this.#shardCounts.get(topic) ?? 1)
    return { topic, shard, stream, lease: this.#keys.lease(stream) }
  }

  /** How many shards a topic has; the first who asks with a number decides it for all. */
  async shardCount(topic: string, wanted?: number): Promise<number> {
    const known = this.#shardCounts.get(topic)
    if (known !== undefined) return known
    const key = this.#keys.shardCount(topic)
    if (wanted !== undefined) await this.#link.command('SET', key, wanted, 'NX')
    const stored = await this.#link.command('GET', key)
    const count = stored === null ? 1 : Number(text(stored))
    if (stored !== null) this.#shardCounts.set(topic, count)
    return count
  }

  /** Makes the group on a shard, unless it is there. @throws when it was there once and is gone */
  async createGroup(shard: ShardKeys): Promise<void> {
    const { offsetReset } = this.#settings
    const used = (await this.#link.command('HEXISTS', shard.lease, 'epoch')) === 1
    if (used || offsetReset === 'none') {
      await this.groupEnd(shard)
      return
    }
    const start = offsetReset === 'latest' ? '$' : '0'
    try {
      await this.#link.command('XGROUP', 'CREATE', shard.stream, this.#group, start, 'MKSTREAM')
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('BUSYGROUP')) throw error
    }
  }

  /** The oldest unfinished entry, or the one after the last that was handed out. @throws NOGROUP when there is no group */
  async groupEnd({ stream }: ShardKeys): Promise<number> {
    const pending = await this.#link.command('XPENDING', stream, this.#group)
    const [count, smallest] = pending as [number, Uint8Array | null]
    if (count > 0 && smallest !== null) return offsetOfEntry(text(smallest), stream)
    const groups = (await this.#link.command('XINFO', 'GROUPS', stream)) as unknown[][]
    for (const group of groups) {
      const fields = new Map(
        Array.from({ length: group.length / 2 }, (_, at) => [
          text(group[2 * at]),
          group[2 * at + 1],
        ]),
      )
      if (text(fields.get('name')) === this.#group)
        return offsetOfEntry(text(fields.get('last-delivered-id')), stream) + 1
    }
    throw new Error(`NOGROUP No such consumer group '${this.#group}' for stream '${stream}'`)
  }

  /** Says that this member is there; answers who is. Null: another member of the same name took our place. */
  async beat(isFirst: boolean): Promise<readonly ShardMember[] | null> {
    const { consumerName, topics, sessionTimeoutMs } = this.#settings
    const [outcome, ...rest] = (await this.#link.script(
      scripts.beat,
      this.#keys.members,
      consumerName,
      this.#token,
      JSON.stringify(topics),
      sessionTimeoutMs,
      isFirst ? 1 : 0,
    )) as Uint8Array[]
    if (text(outcome) === 'replaced') return null
    const members: ShardMember[] = []
    for (let at = 0; at + 1 < rest.length; at += 2)
      members.push({ memberId: text(rest[at]), topics: topicsOf(text(rest[at + 1])) })
    return members
  }

  async leave(): Promise<void> {
    const { consumerName } = this.#settings
    await this.#link.script(scripts.leave, this.#keys.members, consumerName, this.#token)
  }

  /** Renews the lease if it is ours; says whose it is, '' when nobody's. */
  async look(keys: ShardKeys, epoch: number | null): Promise<{ held: boolean; owner: string }> {
    const { consumerName, sessionTimeoutMs } = this.#settings
    const [outcome, owner] = (await this.#link.script(
      scripts.look,
      keys.lease,
      consumerName,
      epoch ?? '',
      sessionTimeoutMs,
    )) as Uint8Array[]
    return { held: text(outcome) === 'held', owner: text(owner) }
  }

  /** The lease in a new epoch, or null when another member has it. */
  async claim(keys: ShardKeys): Promise<Claimed | null> {
    const { consumerName, sessionTimeoutMs } = this.#settings
    const [outcome, epoch, offset, metadata] = (await this.#link.script(
      scripts.claim,
      keys.lease,
      consumerName,
      sessionTimeoutMs,
      this.#group,
    )) as Uint8Array[]
    if (text(outcome) !== 'claimed') return null
    const stored = text(offset)
    return {
      keys,
      epoch: Number(text(epoch)),
      committed: stored === '' ? null : { offset: Number(stored), metadata: text(metadata) },
    }
  }

  /** @param back ids of entries that end here unfinished, and the counts that they go back with, in turn */
  async release({ keys, epoch }: Lease, back: readonly (string | number)[] = []): Promise<void> {
    for (let at = 0; at < back.length; at += CHUNK)
      await this.#link.script(
        scripts.giveBack,
        keys.lease,
        keys.stream,
        this.#settings.consumerName,
        epoch,
        this.#group,
        ...back.slice(at, at + CHUNK),
      )
    await this.#link.script(scripts.release, keys.lease, this.#settings.consumerName, epoch)
    await this.#link.script(scripts.forget, keys.stream, this.#group, this.#settings.consumerName)
  }

  /**
   * New entries; null when the lease is no longer ours. By a plain read, for a script costs Redis three times as much: it names
   * the epoch's guard beside the stream, and Redis reads from both or, when one is gone, from none.
   */
  async take({ keys, epoch }: Lease): Promise<Taken | null> {
    const { consumerName, count } = this.#settings
    const { stream } = keys
    const guard = this.#keys.guard(keys.lease, epoch, consumerName)
    const from = ['GROUP', this.#group, consumerName, 'COUNT', count, 'STREAMS', stream, guard]
    try {
      // In this order: what comes between the two is read. The other way round it would be below the end and unread.
      const [info, answer] = await Promise.all([
        this.#link.command('XINFO', 'STREAM', stream),
        this.#link.command('XREADGROUP', ...from, '>', '>'),
      ])
      const [read] = (answer ?? []) as [Uint8Array, [Uint8Array, EntryFields][]][]
      const last = fieldOf(info as unknown[], 'last-generated-id')
      const entries = (read?.[1] ?? []).map(([id, fields]) => ({
        offset: offsetOfEntryBytes(id, stream),
        fields,
      }))
      const lastOffset = Math.max(offsetOfEntry(text(last), stream), entries.at(-1)?.offset ?? -1)
      return { entries, endOffset: lastOffset + 1 }
    } catch (error) {
      if (troubleOf(error) !== 'no-group' || (await this.look(keys, epoch)).held) throw error
      return null
    }
  }

  /** What was handed out and not finished; null when the lease is no longer ours. */
  async takeOver({ keys, epoch }: Lease, request: ClaimRequest): Promise<TakenOver | null> {
    const { consumerName, count } = this.#settings
    const answer = await this.#link.script(
      scripts.takeOver,
      keys.lease,
      keys.stream,
      consumerName,
      epoch,
      this.#group,
      request.cursor,
      count,
      ...claimArguments(request),
    )
    return claimed(answer, request.cursor, keys.stream)
  }

  /** Stores the position and acknowledges what is done; false when the lease is no longer ours. */
  async commit(
    { keys, epoch }: Lease,
    position: { readonly offset: number; readonly metadata: string },
    done: readonly number[],
  ): Promise<boolean> {
    const [outcome] = (await this.#link.script(
      scripts.commit,
      keys.lease,
      keys.stream,
      this.#settings.consumerName,
      epoch,
      this.#group,
      position.offset,
      position.metadata,
      done.map(entryAtOffset).join(' '),
    )) as Uint8Array[]
    return text(outcome) === 'ok'
  }

  async append(record: OutgoingRecord): Promise<void> {
    await this.#link.command('XADD', await this.streamFor(record), '*', ...fieldsOf(record))
  }

  /** The dead letter and the end of its entry, in one step; false when the lease is no longer ours. */
  async bury({ keys, epoch }: Lease, offset: number, letter: OutgoingRecord): Promise<boolean> {
    const [outcome] = (await this.#link.script(
      scripts.bury,
      keys.lease,
      keys.stream,
      await this.streamFor(letter),
      this.#settings.consumerName,
      epoch,
      this.#group,
      entryAtOffset(offset),
      ...fieldsOf(letter),
    )) as Uint8Array[]
    return text(outcome) === 'ok'
  }

  /** What is there from an offset on; nothing where there is no such stream yet. */
  async read({ topic, partition, offset, maxRecords }: ReadRequest): Promise<readonly Entry[]> {
    const stream = await this.#streamBeside(topic, partition)
    const from = entryAtOffset(offset)
    const answer = await this.#link.command('XRANGE', stream, from, '+', 'COUNT', maxRecords)
    return (answer as [Uint8Array, EntryFields][]).map(([id, fields]) => ({
      offset: offsetOfEntry(text(id), stream),
      fields,
    }))
  }

  async forget({ topic, partition, offset }: Omit<ReadRequest, 'maxRecords'>): Promise<void> {
    const stream = await this.#streamBeside(topic, partition)
    await this.#link.command('XTRIM', stream, 'MINID', entryAtOffset(offset))
  }

  /** A topic that is written shard by shard and that nobody made has the shards of the topic beside it. */
  async #streamBeside(topic: string, shard: number): Promise<string> {
    const counts = this.#settings.topics.map((source) => this.#shardCounts.get(source) ?? 1)
    const count = await this.shardCount(topic, Math.max(...counts))
    return this.#keys.stream(topic, shard, count)
  }

  /** Where a record goes. */
  async streamFor({ topic, partition, key }: OutgoingRecord): Promise<string> {
    if (partition !== null) await this.#streamBeside(topic, partition)
    const count = await this.shardCount(topic)
    if (partition !== null && partition >= count)
      throw new ShoalError(
        'SHOAL_INVALID_ARGUMENT',
        `topic ${topic} has ${count} shards, so there is no shard ${partition}`,
        { details: { topic, partition } },
      )
    const byKey = key === null ? this.#turn++ % count : partitionForKey(key, count, 'murmur2')
    return this.#keys.stream(topic, partition ?? byKey, count)
  }

  /** Makes other members look at once; who does not hear it looks with its next heartbeat. */
  async wakeOthers(): Promise<void> {
    await this.#link.command('PUBLISH', this.#keys.wakeChannel, this.#settings.consumerName)
  }

  /** Whether a failed call may be made again. */
  static mayRepeat(error: unknown): boolean {
    return troubleOf(error) === 'away'
  }
}

function topicsOf(json: string): readonly string[] {
  try {
    const topics: unknown = JSON.parse(json)
    return Array.isArray(topics) ? topics.filter((topic) => typeof topic === 'string') : []
  } catch {
    // Somebody else wrote into the registry: a member that reads nothing.
    return []
  }
}

/** A field of an answer that has names and values in turn. */
function fieldOf(answer: readonly unknown[], name: string): unknown {
  for (let at = 0; at + 1 < answer.length; at += 2)
    if (text(answer[at]) === name) return answer[at + 1]
  return undefined
}
