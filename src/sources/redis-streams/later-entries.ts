/**
 * What members of a group put off in the streams they share, and its way back.
 *
 * It waits in a set beside its stream, and goes, when it is due, into a stream that this group alone reads, beside the topic's.
 * Any member moves it: one that puts something off knows when it is due, the others look every heartbeat interval, and learn
 * when the next is due. Moving is one step on the server, so it does not matter how many members do it at once.
 *
 * There where `retry.later` is used, and where something was put off once: what waits is served also after the option went.
 */

import { assertInvariant, messageOf } from '../../core/index.ts'
import type { Timer } from '../../core/index.ts'
import type { Retried, SourceContext, SourceRecord } from '../../consumer/index.ts'
import type { Keys } from './keys.ts'
import { laterFields } from './later-entry.ts'
import { delayShared, moveDue } from './later-scripts.ts'
import type { RedisSettings } from './options.ts'
import type { RedisLink } from './redis-link.ts'
import { textOf } from './reply-text.ts'

/** Entries that one step moves. */
const MOST = 100
/** Between two looks, milliseconds: entries that are due one after the other are moved together. */
const SOONEST_MS = 5

interface Place {
  readonly waiting: string
  readonly retries: string
}

/** An entry of ours, in its stream or in that of its retries. */
export interface PutOff {
  /** The stream of the topic. */
  readonly stream: string
  readonly entry: string
  readonly isRetry: boolean
  readonly record: SourceRecord
}

export class LaterEntries {
  readonly #link: RedisLink
  readonly #settings: RedisSettings
  readonly #context: SourceContext
  /** By the stream of the topic. */
  readonly #places: ReadonlyMap<string, Place>
  #timer: Timer | null = null
  /** When the timer fires, monotonic. */
  #lookAtMs = Number.POSITIVE_INFINITY
  #looking: Promise<void> | null = null
  #isClosed = false

  private constructor(
    link: RedisLink,
    settings: RedisSettings,
    context: SourceContext,
    places: ReadonlyMap<string, Place>,
  ) {
    this.#link = link
    this.#settings = settings
    this.#context = context
    this.#places = places
  }

  /** Null where nothing is put off, nor ever was. */
  static async open(
    link: RedisLink,
    settings: RedisSettings,
    context: SourceContext,
    keys: Keys,
    streams: readonly string[],
  ): Promise<LaterEntries | null> {
    const places = new Map(
      streams.map((stream) => [
        stream,
        { waiting: keys.waiting(stream), retries: keys.retries(stream) },
      ]),
    )
    let isUsed = context.delays === true
    for (const { retries } of places.values())
      isUsed ||= (await link.command('EXISTS', retries)) === 1
    if (!isUsed) return null
    for (const { retries } of places.values()) await createGroup(link, retries, context.group)
    return new LaterEntries(link, settings, context, places)
  }

  /** The stream that what is due is read from. */
  retriesOf(stream: string): string {
    return this.#placeOf(stream).retries
  }

  start(): void {
    this.#lookIn(0)
  }

  /** Puts an entry off and ends it, in one step; false when another member has it. */
  async delay(of: PutOff, afterMs: number, retried: Retried): Promise<boolean> {
    const { stream, entry, isRetry, record } = of
    const { waiting, retries } = this.#placeOf(stream)
    const waitMs = Math.ceil(afterMs)
    const [outcome] = (await this.#link.script(
      delayShared,
      isRetry ? retries : stream,
      waiting,
      this.#settings.consumerName,
      this.#context.group,
      entry,
      isRetry ? 1 : 0,
      waitMs,
      ...laterFields(record, record.id ?? entry, retried),
    )) as Uint8Array[]
    this.#lookIn(Math.min(waitMs, this.#settings.heartbeatIntervalMs))
    return textOf(outcome) === 'ok'
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    await this.#looking
  }

  /** At the latest; who looks just now decides afterwards. */
  #lookIn(delayMs: number): void {
    const { clock, timers } = this.#settings.ports
    const atMs = clock.monotonicMs() + delayMs
    if (this.#isClosed || atMs >= this.#lookAtMs) return
    this.#lookAtMs = atMs
    this.#timer?.cancel()
    this.#timer = timers.schedule(delayMs, () => {
      this.#lookAtMs = Number.POSITIVE_INFINITY
      const before = this.#looking ?? Promise.resolve()
      this.#looking = before.then(() => this.#look())
    })
  }

  async #look(): Promise<void> {
    let nextMs = this.#settings.heartbeatIntervalMs
    try {
      for (const place of this.#places.values())
        nextMs = Math.min(nextMs, await this.#moveDue(place))
    } catch (error) {
      if (!this.#isClosed)
        this.#context.events.notice({ kind: 'heartbeat-failed', reason: messageOf(error) })
    }
    this.#lookIn(Math.max(nextMs, SOONEST_MS))
  }

  /** Until nothing is due; answers in how many milliseconds something is. */
  async #moveDue({ waiting, retries }: Place): Promise<number> {
    while (!this.#isClosed) {
      const [moved, nextMs] = (await this.#link.script(moveDue, waiting, retries, MOST)) as [
        number,
        number,
      ]
      if (moved < MOST) return nextMs < 0 ? Number.POSITIVE_INFINITY : nextMs
    }
    return Number.POSITIVE_INFINITY
  }

  #placeOf(stream: string): Place {
    const place = this.#places.get(stream)
    assertInvariant(place !== undefined, `${stream} is not a stream of this member`)
    return place
  }
}

/** From its beginning: what is handled leaves the stream. */
async function createGroup(link: RedisLink, stream: string, group: string): Promise<void> {
  try {
    await link.command('XGROUP', 'CREATE', stream, group, '0', 'MKSTREAM')
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith('BUSYGROUP')) throw error
  }
}
