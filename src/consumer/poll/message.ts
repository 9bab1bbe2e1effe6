/**
 * What a poll gives: a message, or word that a partition has no more for now.
 */

import type { Attempt } from '../dispatch/attempt.ts'
import type { FencingToken, Meta } from '../options.ts'

/** A record in the hands of the application, until it says how it went. */
export interface Message<T> extends Meta {
  readonly kind: 'message'
  readonly value: T
  /** `topic/partition/offset` of its first delivery. */
  readonly id: string
  /** Which delivery this is by the runtime, the first one included. */
  readonly attempt: number
  /** Aborts when the partition has moved or the consumer closes: what is done then counts no more. */
  readonly signal: AbortSignal
  readonly fencingToken: FencingToken
  /** It was handled: a commit may pass it. */
  done(): void
  /** It failed: it comes again as `retry` says, and ends as `retry.finally` says. */
  fail(error?: unknown): void
}

/** Everything that the partition holds was handed out; more may come. */
export interface PartitionEnd {
  readonly kind: 'partition-end'
  readonly topic: string
  readonly partition: number
  /** The offset that the next record will have. */
  readonly offset: number
}

export class PolledMessage implements Message<unknown> {
  readonly kind = 'message'
  readonly value: unknown
  readonly context: Attempt
  readonly #settle: (error: { readonly error: unknown } | null) => void
  #isOpen = true

  constructor(
    value: unknown,
    context: Attempt,
    settle: (error: { readonly error: unknown } | null) => void,
  ) {
    this.value = value
    this.context = context
    this.#settle = settle
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  get topic(): string {
    return this.context.topic
  }

  get partition(): number {
    return this.context.partition
  }

  get offset(): number {
    return this.context.offset
  }

  get key(): string | null {
    return this.context.key
  }

  get keyBytes(): Uint8Array | null {
    return this.context.keyBytes
  }

  get headers(): ReadonlyMap<string, Uint8Array> {
    return this.context.headers
  }

  get timestamp(): Date {
    return this.context.timestamp
  }

  get id(): string {
    return this.context.id
  }

  get attempt(): number {
    return this.context.attempt
  }

  get signal(): AbortSignal {
    return this.context.signal
  }

  get fencingToken(): FencingToken {
    return this.context.fencingToken
  }

  done(): void {
    this.#end(null)
  }

  fail(error: unknown = new Error('the application gave it back')): void {
    this.#end({ error })
  }

  #end(error: { readonly error: unknown } | null): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#settle(error)
  }
}
