/**
 * A shared stream in Redis as one of its members sees it: typed commands, nothing remembered, nothing repeated.
 */

import { offsetOfEntry } from './entry-id.ts'
import type { EntryFields } from './entry-record.ts'
import type { RedisLink, WaitingReads } from './redis-link.ts'
import { endRetried } from './later-scripts.ts'
import { claimArguments, claimed } from './pending-claim.ts'
import type { ClaimRequest, Entry, TakenOver } from './pending-claim.ts'
import { textOf } from './reply-text.ts'
import * as scripts from './scripts.ts'

/** A stream, and whether what is handled leaves it. */
export interface Place {
  readonly stream: string
  readonly isRetries: boolean
}

/** Ids in one command. */
const CHUNK = 1_000

export class StreamStore {
  readonly #link: RedisLink
  readonly #group: string
  readonly #consumer: string
  readonly #count: number

  constructor(link: RedisLink, group: string, consumer: string, count: number) {
    this.#link = link
    this.#group = group
    this.#consumer = consumer
    this.#count = count
  }

  /** Shows this member in the group: Redis lists who read something, and who waits for a first entry has not. */
  async show(stream: string): Promise<void> {
    await this.#link.command('XGROUP', 'CREATECONSUMER', stream, this.#group, this.#consumer)
  }

  /** Entries that nobody has, by stream, waiting for a first one. */
  async readNew(
    waits: WaitingReads,
    streams: readonly string[],
    blockMs: number,
  ): Promise<ReadonlyMap<string, readonly Entry[]>> {
    const answer = await waits.command('XREADGROUP', [
      'GROUP',
      this.#group,
      this.#consumer,
      'COUNT',
      this.#count,
      'BLOCK',
      blockMs,
      'STREAMS',
      ...streams,
      ...streams.map(() => '>'),
    ])
    return entriesOf(answer)
  }

  /** Entries that nobody has given a sign of for longer than `idleMs`. */
  claimIdle(stream: string, request: ClaimRequest, idleMs: number): Promise<TakenOver | null> {
    return this.#claimPending(stream, request, idleMs, false)
  }

  /** Entries that the server says this member has. */
  claimOwn(stream: string, request: ClaimRequest): Promise<TakenOver | null> {
    return this.#claimPending(stream, request, 0, true)
  }

  /** Says of all that stands under our name that it is nobody's: whoever claims next may have it. */
  async disown(stream: string): Promise<void> {
    for (;;) {
      const rows = (await this.#link.command(
        'XPENDING',
        stream,
        this.#group,
        '-',
        '+',
        CHUNK,
        this.#consumer,
      )) as [Uint8Array, ...unknown[]][]
      const ids = rows.map(([id]) => textOf(id))
      await this.#claim(stream, ids, ['IDLE', GIVEN_BACK_IDLE_MS], `${this.#consumer}:before`)
      if (ids.length < CHUNK) return
    }
  }

  /** Says that the entries are being worked on; answers which are still this member's. */
  async keepAlive(stream: string, ids: readonly string[]): Promise<readonly string[]> {
    const kept: string[] = []
    for (let at = 0; at < ids.length; at += CHUNK) {
      const chunk = ids.slice(at, at + CHUNK)
      const mine = await this.#pendingOfMine(stream, chunk)
      if (mine.length === 0) continue
      await this.#claim(stream, mine)
      kept.push(...mine)
    }
    return kept
  }

  async acknowledge({ stream, isRetries }: Place, ids: readonly string[]): Promise<void> {
    for (let at = 0; at < ids.length; at += CHUNK) {
      const chunk = ids.slice(at, at + CHUNK)
      if (isRetries) await this.#link.script(endRetried, stream, this.#group, ...chunk)
      else await this.#link.command('XACK', stream, this.#group, ...chunk)
    }
  }

  /** The dead letter and the end of its entry, in one step; false when another member has the entry. */
  async bury(
    { stream, isRetries }: Place,
    id: string,
    letters: string,
    fields: EntryFields,
  ): Promise<boolean> {
    const [outcome] = (await this.#link.script(
      scripts.buryShared,
      stream,
      letters,
      this.#consumer,
      this.#group,
      id,
      isRetries ? 1 : 0,
      ...fields,
    )) as Uint8Array[]
    return textOf(outcome) === 'ok'
  }

  /** Gives entries back, each with its count: whoever claims next may have them at once. */
  async giveBack(stream: string, back: readonly (readonly [string, number])[]): Promise<void> {
    for (const [count, list] of Map.groupBy(back, ([, each]) => each))
      for (let at = 0; at < list.length; at += CHUNK) {
        const ids = list.slice(at, at + CHUNK).map(([id]) => id)
        const more = ['IDLE', GIVEN_BACK_IDLE_MS, 'RETRYCOUNT', count]
        await this.#claim(stream, await this.#pendingOfMine(stream, ids), more)
      }
  }

  async #claimPending(
    stream: string,
    request: ClaimRequest,
    idleMs: number,
    isOwn: boolean,
  ): Promise<TakenOver | null> {
    const answer = await this.#link.script(
      scripts.claimShared,
      stream,
      this.#consumer,
      this.#group,
      idleMs,
      request.cursor,
      this.#count,
      isOwn ? 1 : 0,
      ...claimArguments(request),
    )
    return claimed(answer, request.cursor, stream)
  }

  async #claim(
    stream: string,
    ids: readonly string[],
    more: readonly (string | number)[] = [],
    consumer = this.#consumer,
  ): Promise<void> {
    if (ids.length === 0) return
    await this.#link.command('XCLAIM', stream, this.#group, consumer, 0, ...ids, ...more, 'JUSTID')
  }

  /** Of these ids (rising), those that the server says this member has. */
  async #pendingOfMine(stream: string, ids: readonly string[]): Promise<string[]> {
    const [first] = ids
    const last = ids.at(-1)
    if (first === undefined || last === undefined) return []
    const asked = new Set(ids)
    const mine: string[] = []
    for (let from = first; ;) {
      const rows = (await this.#link.command(
        'XPENDING',
        stream,
        this.#group,
        from,
        last,
        CHUNK,
        this.#consumer,
      )) as [Uint8Array, ...unknown[]][]
      for (const [id] of rows) if (asked.has(textOf(id))) mine.push(textOf(id))
      const end = rows.at(-1)?.[0]
      if (rows.length < CHUNK || end === undefined) return mine
      from = `(${textOf(end)}`
    }
  }
}

type StreamReply = [Uint8Array, [Uint8Array, EntryFields | null][]]

/** An entry of ours that was trimmed has no fields any more; claiming tells of it. */
function entriesOf(answer: unknown): ReadonlyMap<string, readonly Entry[]> {
  return new Map(
    ((answer ?? []) as StreamReply[]).map(([name, entries]) => {
      const stream = textOf(name)
      return [
        stream,
        entries.flatMap(([id, fields]) =>
          fields === null ? [] : [{ offset: offsetOfEntry(textOf(id), stream), fields }],
        ),
      ]
    }),
  )
}

/** Longer than any idle limit. */
const GIVEN_BACK_IDLE_MS = 10 * 365 * 86_400_000
