/**
 * What one round of the journal carries: frames that wait to be written, and who waits for them.
 *
 * Callbacks run before the promise of the round resolves: the high watermark moves before anybody is answered. The promise
 * is made when somebody asks, and one that nobody looks at never counts as unhandled.
 */

import { byteLengthOf } from '../core/index.ts'

export interface PendingFrame {
  /** Entries, their heads and bodies as they came: nothing is copied. */
  readonly chunks: Uint8Array[]
  length: number
  entryCount: number
}

/** A cut in a living journal. */
export interface CoveringCut extends JournalCut {
  /** Bytes before it that no checkpoint covered so far. */
  readonly coveredBytes: number
}

/** Entries gather in a frame until it has this size; recovery reads a frame at a time. */
const FRAME_BYTES = 1024 * 1024

/** Adds an entry to the last frame, or to a new one when that is large enough. */
export function addEntry(
  frames: PendingFrame[],
  head: Uint8Array,
  body: readonly Uint8Array[],
): void {
  const last = frames.at(-1)
  const frame =
    last !== undefined && last.length < FRAME_BYTES
      ? last
      : { chunks: [], length: 0, entryCount: 0 }
  if (frame !== last) frames.push(frame)
  frame.chunks.push(head)
  for (const chunk of body) frame.chunks.push(chunk)
  frame.length += head.length + byteLengthOf(body)
  frame.entryCount++
}

/** Where a checkpoint may begin to replay. */
export interface JournalCut {
  readonly fileNumber: number
  readonly sequence: number
}

export class JournalRound {
  readonly frames: PendingFrame[] = []
  #callbacks: (() => void)[] = []
  #promise: PromiseWithResolvers<void> | null = null
  /** Set when this round ends the journal file it goes to. */
  cut: PromiseWithResolvers<CoveringCut> | null = null

  add(head: Uint8Array, body: readonly Uint8Array[]): void {
    addEntry(this.frames, head, body)
  }

  onFlushed(callback: () => void): void {
    this.#callbacks.push(callback)
  }

  flushed(): Promise<void> {
    if (this.#promise === null) {
      this.#promise = Promise.withResolvers<void>()
      this.#promise.promise.catch(() => {})
    }
    return this.#promise.promise
  }

  resolve(): void {
    for (const callback of this.#callbacks) callback()
    this.#promise?.resolve()
  }

  reject(error: Error): void {
    this.#callbacks = []
    this.#promise?.reject(error)
    this.cut?.reject(error)
  }
}
