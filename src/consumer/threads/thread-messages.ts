/**
 * What the pool and its threads say to each other, and the port behind which a thread is.
 */

import type { Ctx } from '../options.ts'

/** A handler's context, as far as it can be copied. */
export type RemoteContext = Omit<Ctx, 'signal' | 'extend'>

/** What a handler in a thread gets beside the value: no `extend`, the rest as ever. */
export type ThreadContext = Omit<Ctx, 'extend'>

export type ToThread =
  | {
      readonly kind: 'run'
      readonly id: number
      readonly value: unknown
      readonly context: RemoteContext
    }
  | { readonly kind: 'abort'; readonly id: number; readonly cause: string }

export type FromThread =
  | { readonly kind: 'done'; readonly id: number; readonly outcome: unknown }
  | { readonly kind: 'failed'; readonly id: number; readonly error: unknown }

export interface ThreadEvents {
  message(message: FromThread): void
  /** It is gone, with all that it did; told once. */
  died(reason: string): void
}

export interface Thread {
  /** Throws when the message cannot be copied. */
  post(message: ToThread): void
  terminate(): Promise<void>
}

/** Starts a thread that loads a module and calls its `handle`. */
export type ThreadFactory = (module: URL, events: ThreadEvents) => Thread
