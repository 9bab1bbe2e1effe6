/**
 * `Idempotency-Key`: a write that is sent again with its key is answered again, not done again.
 *
 *   first request ─▶ worked on ─▶ answered 2xx ─▶ kept for ten minutes, the oldest dropped beyond the limits
 *   the same key and body ─▶ waits for that answer, or gets it
 *   the same key, another body ─▶ 422
 *
 * Only successes are kept: who was refused may try again. It lives in memory and a restart forgets it; what must never happen
 * twice needs an idempotent handler behind the log as well.
 */

import { createHash } from 'node:crypto'
import type { Clock } from '../core/index.ts'
import type { Answer } from './exchange.ts'
import { type Problem, problem } from './problems.ts'

export interface IdempotencyLimits {
  /** Answers that are kept. */
  readonly maxEntries: number
  /** Bytes of all answers that are kept. */
  readonly maxBytes: number
  /** How long an answer is kept, milliseconds. */
  readonly keepMs: number
}

export const idempotencyDefaults: IdempotencyLimits = {
  maxEntries: 10_000,
  maxBytes: 16 * 1_048_576,
  keepMs: 600_000,
}

/** Longest key that is taken. */
const LONGEST_KEY = 255

interface Entry {
  readonly hash: string
  readonly answer: Promise<Answer>
  byteLength: number
  expiresMs: number
}

export interface KeyedRequest {
  readonly key: string
  /** Method and path. */
  readonly target: string
  readonly body: Uint8Array
}

export class IdempotencyKeys {
  readonly #clock: Clock
  readonly #limits: IdempotencyLimits
  /** In the order in which they came. */
  readonly #entries = new Map<string, Entry>()
  #byteLength = 0

  constructor(clock: Clock, limits: IdempotencyLimits) {
    this.#clock = clock
    this.#limits = limits
  }

  /** The answer of the first request of this key; `work` is called if this is it. */
  async once(request: KeyedRequest, work: () => Promise<Answer>): Promise<Answer | Problem> {
    if (request.key === '' || request.key.length > LONGEST_KEY)
      return problem(
        'INVALID_REQUEST',
        `the Idempotency-Key has to have 1 to ${LONGEST_KEY} characters`,
      )
    const nowMs = this.#clock.monotonicMs()
    this.#drop(nowMs)
    const name = `${request.target}\n${request.key}`
    const hash = createHash('sha256').update(request.body).digest('base64')
    const known = this.#entries.get(name)
    if (known !== undefined && known.hash !== hash)
      return problem(
        'IDEMPOTENCY_KEY_REUSED',
        `the Idempotency-Key ${JSON.stringify(request.key)} was sent with another body; take a new key for a new request`,
      )
    if (known !== undefined) return known.answer
    const entry: Entry = { hash, answer: work(), byteLength: 0, expiresMs: Infinity }
    this.#entries.set(name, entry)
    return this.#settle(name, entry)
  }

  async #settle(name: string, entry: Entry): Promise<Answer> {
    let isKept = false
    try {
      const answer = await entry.answer
      isKept = answer.status < 300
      if (isKept) {
        entry.expiresMs = this.#clock.monotonicMs() + this.#limits.keepMs
        entry.byteLength = answer.text.length
        this.#byteLength += entry.byteLength
      }
      return answer
    } finally {
      if (!isKept) this.#entries.delete(name)
    }
  }

  /** What is too old, and the oldest beyond the limits; a request that is worked on stays. */
  #drop(nowMs: number): void {
    const { maxEntries, maxBytes } = this.#limits
    for (const [name, { expiresMs, byteLength }] of this.#entries) {
      if (expiresMs === Infinity) continue
      const isOver = this.#entries.size >= maxEntries || this.#byteLength > maxBytes
      if (expiresMs > nowMs && !isOver) return
      this.#entries.delete(name)
      this.#byteLength -= byteLength
    }
  }
}
