/**
 * One fetch from its first read to its answer: over all its partitions, at most `maxWaitMs`, until `minBytes` are there.
 *
 *   read all ─▶ enough, an error, or no time left? ─▶ answer
 *      ▲             └─ no ─▶ wait for a high watermark to move ─▶ read those partitions again
 *
 * A partition whose topic is deleted wakes the fetch as well, and is answered with its error. When the client is gone the
 * wait ends at once. Nothing is read twice while nothing moved.
 */

import type { Timers } from '../../core/index.ts'
import type { TopicService } from '../topics/topic-service.ts'
import type { FetchedPartition } from './fetch-read.ts'
import { readPartition } from './fetch-read.ts'
import type { FetchEntry } from './fetch-session.ts'

export interface FetchRequestLimits {
  readonly maxWaitMs: number
  readonly minBytes: number
  readonly maxBytes: number
}

export interface FetchWaitOptions {
  readonly topics: TopicService
  readonly timers: Timers
  readonly entries: readonly FetchEntry[]
  readonly byTopicId: boolean
  readonly limits: FetchRequestLimits
  /** Aborts when the client is gone. */
  readonly signal: AbortSignal
}

/** The answers in the order of the entries. */
export async function fetchPartitions(
  options: FetchWaitOptions,
): Promise<readonly FetchedPartition[]> {
  const { timers, limits, signal, entries } = options
  const results: FetchedPartition[] = []
  const stale = new Set(entries.keys())
  const alarm = new Alarm(signal)
  const timer =
    limits.maxWaitMs > 0 ? timers.schedule(limits.maxWaitMs, () => alarm.expire()) : null
  if (timer === null) alarm.expire()
  try {
    for (;;) {
      await readStale(options, results, stale)
      if (alarm.expired || isEnough(results, limits.minBytes)) return results
      await alarm.wait(results, stale)
      addMoved(results, stale)
      if (stale.size === 0) return results
    }
  } finally {
    timer?.cancel()
    alarm.close()
  }
}

/** Reads the partitions that moved, within what the others leave of the limit. */
async function readStale(
  { topics, entries, byTopicId, limits }: FetchWaitOptions,
  results: FetchedPartition[],
  stale: Set<number>,
): Promise<void> {
  let total = 0
  for (const [index, result] of results.entries()) if (!stale.has(index)) total += result.byteLength
  for (const index of [...stale].sort((left, right) => left - right)) {
    const entry = entries[index]
    if (entry === undefined) continue
    const maxBytes = limits.maxBytes - total
    const result = await readPartition(topics, entry, byTopicId, {
      maxBytes,
      atLeastOneBatch: total === 0,
    })
    results[index] = result
    total += result.byteLength
  }
  stale.clear()
}

function isEnough(results: readonly FetchedPartition[], minBytes: number): boolean {
  let total = 0
  for (const { errorCode, divergingEpoch, byteLength } of results) {
    if (errorCode !== 'NONE' || divergingEpoch !== null) return true
    total += byteLength
  }
  return results.length === 0 || total >= minBytes
}

/** Whoever moved beside the one that woke the fetch. */
function addMoved(results: readonly FetchedPartition[], stale: Set<number>): void {
  for (const [index, { log, highWatermark }] of results.entries())
    if (log !== null && log.highWatermark > highWatermark) stale.add(index)
}

/** Wakes a fetch: a partition moved, the time is over, or the client is gone. */
class Alarm {
  expired = false
  readonly #signal: AbortSignal
  #listeners: { cancel(): void }[] = []
  #wake: () => void = () => {}
  readonly #onAbort = () => this.expire()

  constructor(signal: AbortSignal) {
    this.#signal = signal
    if (signal.aborted) this.expired = true
    else signal.addEventListener('abort', this.#onAbort, { once: true })
  }

  expire(): void {
    this.expired = true
    this.#wake()
  }

  /** Resolves when a partition has more than its result says (its index is then in `stale`) or the time is over. */
  wait(results: readonly FetchedPartition[], stale: Set<number>): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.#dropListeners()
        resolve()
      }
      this.#wake = done
      if (this.expired) return done()
      for (const [index, { log, highWatermark }] of results.entries()) {
        if (log === null) continue
        const listener = log.onReadable(highWatermark, () => {
          stale.add(index)
          done()
        })
        this.#listeners.push(listener)
      }
    })
  }

  close(): void {
    this.#dropListeners()
    this.#signal.removeEventListener('abort', this.#onAbort)
  }

  #dropListeners(): void {
    for (const listener of this.#listeners) listener.cancel()
    this.#listeners = []
  }
}
