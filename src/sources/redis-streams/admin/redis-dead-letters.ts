/**
 * Dead letters in a stream: read by XRANGE, which leaves no trace; moved by one script, so that a letter is never in both
 * streams and never in none.
 */

import type {
  DeadLetterPort,
  DeadLetterTopic,
  Destination,
  MoveDecision,
  MoveOptions,
  ReadLettersOptions,
  StoredLetter,
} from '../../../admin/index.ts'
import { ShoalError } from '../../../core/index.ts'
import { partitionForKey } from '../../../protocol/index.ts'
import { contentOf, fieldsOf, type EntryFields } from '../entry-record.ts'
import type { Keys } from '../keys.ts'
import type { RedisLink } from '../redis-link.ts'
import { textOf } from '../reply-text.ts'
import type { ScriptSource } from '../scripts.ts'
import { ageOfId, streamFacts, type StreamFacts } from './replies.ts'
import { serverTimeMs, streamError } from './stream-looks.ts'

/** Entries of one answer. */
const PAGE = 100

/** KEYS dead letters, destination; ARGV id, fields. `moved`, or what is not there: `letter`, `destination`. */
const moveLetter: ScriptSource = {
  name: 'shoalMoveLetter',
  keyCount: 2,
  lua: `if #redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1]) == 0 then return 'letter' end
if redis.call('EXISTS', KEYS[2]) == 0 then return 'destination' end
redis.call('XADD', KEYS[2], '*', unpack(ARGV, 2))
redis.call('XDEL', KEYS[1], ARGV[1])
return 'moved'`,
}

type Streams = (suffix: string) => Promise<{ readonly streams: readonly string[] }>

interface PlacedLetter extends StoredLetter {
  readonly id: string
}

export class RedisDeadLetters implements DeadLetterPort {
  readonly #link: RedisLink
  readonly #keys: Keys
  readonly #streamsEndingWith: Streams

  constructor(link: RedisLink, keys: Keys, streamsEndingWith: Streams) {
    this.#link = link
    this.#keys = keys
    this.#streamsEndingWith = streamsEndingWith
  }

  async list(suffix: string): Promise<readonly DeadLetterTopic[]> {
    try {
      const { streams } = await this.#streamsEndingWith(suffix)
      const listed: DeadLetterTopic[] = []
      for (const stream of streams) listed.push(await this.describe(stream))
      return listed
    } catch (error) {
      throw streamError(error, `*${suffix}`)
    }
  }

  async describe(topic: string): Promise<DeadLetterTopic> {
    const { length, firstId } = await this.#facts(topic)
    const nowMs = firstId === null ? 0 : await serverTimeMs(this.#link)
    const oldestMs = firstId === null || length === 0 ? null : ageOfId(firstId, nowMs)
    return { topic, letterCount: length, oldestMs }
  }

  async *read(topic: string, { limit = Infinity }: ReadLettersOptions = {}) {
    for await (const { id: _id, ...letter } of this.#letters(topic, limit)) yield letter
  }

  async move(topic: string, decide: MoveDecision, options: MoveOptions = {}): Promise<void> {
    for await (const letter of this.#letters(topic, Infinity)) {
      if (options.signal?.aborted === true) return
      const destination = decide(letter)
      if (destination === null) continue
      await options.pace?.()
      if (await this.#move(topic, letter, destination)) options.onMoved?.()
    }
  }

  async purge(topic: string): Promise<number> {
    const { lastId } = await this.#facts(topic)
    try {
      const [milliseconds = '0', sequence = '0'] = lastId.split('-')
      const after = `${milliseconds}-${BigInt(sequence) + 1n}`
      return Number(await this.#link.command('XTRIM', topic, 'MINID', '=', after))
    } catch (error) {
      throw streamError(error, topic)
    }
  }

  /** Up to the last one that is there at the start. */
  async *#letters(topic: string, limit: number): AsyncGenerator<PlacedLetter> {
    const { lastId } = await this.#facts(topic)
    for (let from = '-', left = limit; left > 0;) {
      const entries = await this.#page(topic, { from, lastId, count: Math.min(PAGE, left) })
      for (const [name, fields] of entries) {
        const id = textOf(name)
        yield {
          id,
          place: `${topic}@${id}`,
          timestampMs: ageOfId(id, 0) === null ? null : Number(id.split('-')[0]),
          ...contentOf(fields),
        }
      }
      const last = entries.at(-1)?.[0]
      if (last === undefined || entries.length < PAGE) return
      left -= entries.length
      from = `(${textOf(last)}`
    }
  }

  async #page(
    topic: string,
    { from, lastId, count }: { from: string; lastId: string; count: number },
  ): Promise<readonly [Uint8Array, EntryFields][]> {
    try {
      const reply = await this.#link.command('XRANGE', topic, from, lastId, 'COUNT', count)
      return reply as [Uint8Array, EntryFields][]
    } catch (error) {
      throw streamError(error, topic)
    }
  }

  /** False when somebody else took it meanwhile. */
  async #move(topic: string, letter: PlacedLetter, destination: Destination): Promise<boolean> {
    const stream = await this.#destination(letter, destination)
    const fields = fieldsOf({ ...letter, headers: destination.headers })
    try {
      const outcome = textOf(
        await this.#link.script(moveLetter, topic, stream, letter.id, ...fields),
      )
      if (outcome === 'destination')
        throw new ShoalError(
          'SHOAL_UNKNOWN_TOPIC',
          `${letter.place} cannot go back: stream ${stream} does not exist; name another with --to`,
          { details: { topic: stream } },
        )
      return outcome === 'moved'
    } catch (error) {
      throw streamError(error, stream)
    }
  }

  /** The shard of its origin where that is still there; otherwise the key's, as when it is sent. */
  async #destination({ key }: StoredLetter, { topic, partition }: Destination): Promise<string> {
    const stored = await this.#link.command('GET', this.#keys.shardCount(topic))
    const count = Math.max(1, Number(textOf(stored)) || 1)
    const byKey = key === null ? 0 : partitionForKey(key, count, 'murmur2')
    const shard = partition !== null && partition < count ? partition : byKey
    return this.#keys.stream(topic, shard, count)
  }

  async #facts(topic: string): Promise<StreamFacts> {
    try {
      return streamFacts(await this.#link.command('XINFO', 'STREAM', topic))
    } catch (error) {
      throw streamError(error, topic)
    }
  }
}
