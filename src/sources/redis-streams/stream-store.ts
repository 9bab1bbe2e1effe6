/**
 * A shared stream in Redis as one of its members sees it: typed commands, nothing remembered, nothing repeated.
 */

import { offsetOfEntry } from './entry-id.ts'
import type { EntryFields } from './entry-record.ts'
import type { RedisLink, WaitingReads } from './redis-link.ts'
import type { Entry, TakenOver } from './shard-store.ts'
import { textOf } from './reply-text.ts'
import * as scripts from './scripts.ts'

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

  /** Entries that the server says this member has, after `id`. */
  async readOwn(stream: string, id: string): Promise<readonly Entry[]> {
    const answer = await this.#link.command(
      'XREADGROUP',
      'GROUP',
      this.#group,
      this.#consumer,
      'COUNT',
      this.#count,
      'STREAMS',
      stream,
      id,
    )
    return entriesOf(answer).get(stream) ?? []
  }

  /** Entries that some member has had for longer than `idleMs` without a sign of life. */
  async claimIdle(stream: string, cursor: string, idleMs: number): Promise<TakenOver> {
    const [next, entries, lost] = (await this.#link.command(
      'XAUTOCLAIM',
      stream,
      this.#group,
      this.#consumer,
      idleMs,
      cursor,
      'COUNT',
      this.#count,
    )) as [Uint8Array, ([Uint8Array, EntryFields] | null)[], Uint8Array[]?]
    return {
      cursor: textOf(next) === '0-0' ? null : textOf(next),
      // Redis before 7 answers nothing where an entry is gone.
      entries: entries
        .filter((entry) => entry !== null)
        .map(([id, fields]) => ({
          offset: offsetOfEntry(textOf(id), stream),
          fields,
          deliveryCount: 2,
        })),
      lost: (lost ?? []).map(textOf),
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

  async acknowledge(stream: string, ids: readonly string[]): Promise<void> {
    for (let at = 0; at < ids.length; at += CHUNK)
      await this.#link.command('XACK', stream, this.#group, ...ids.slice(at, at + CHUNK))
  }

  /** The dead letter and the end of its entry, in one step; false when another member has the entry. */
  async bury(stream: string, id: string, letters: string, fields: EntryFields): Promise<boolean> {
    const [outcome] = (await this.#link.script(
      scripts.buryShared,
      stream,
      letters,
      this.#consumer,
      this.#group,
      id,
      ...fields,
    )) as Uint8Array[]
    return textOf(outcome) === 'ok'
  }

  /** Gives entries back: whoever claims next may have them at once. */
  async giveBack(stream: string, ids: readonly string[]): Promise<void> {
    for (let at = 0; at < ids.length; at += CHUNK)
      await this.#claim(stream, await this.#pendingOfMine(stream, ids.slice(at, at + CHUNK)), [
        'IDLE',
        GIVEN_BACK_IDLE_MS,
      ])
  }

  async #claim(stream: string, ids: readonly string[], more: readonly (string | number)[] = []) {
    if (ids.length === 0) return
    await this.#link.command(
      'XCLAIM',
      stream,
      this.#group,
      this.#consumer,
      0,
      ...ids,
      ...more,
      'JUSTID',
    )
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
