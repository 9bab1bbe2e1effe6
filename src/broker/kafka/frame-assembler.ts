/**
 * Cuts a stream of chunks into frames: `size int32 · size bytes`.
 *
 *   chunk  ├─ frame ─┤├─ frame ─┤├─ fra     slices of the chunk, nothing copied
 *   chunk  me ─┤├─ frame ─┤                 copied once into a buffer of its own
 *
 * Whoever reads may ask where the bytes should go (`room`): the rest of a large frame is read straight into its buffer,
 * everything else into one scratch buffer for all, out of which frames are copied, so that reading leaves nothing to
 * collect. Pulled, not pushed: `next` answers one frame at a time; bytes of frames that cannot be taken yet stay here.
 * A claimed size buys nothing: it is checked when its four bytes are there, and the buffer of a frame that comes in
 * pieces grows with what has arrived: quickly up to GENEROUS_BYTES, so that a usual batch is copied once and leaves one
 * buffer to collect, and twofold from there. Frames belong to whoever gets them, who may release them to the pool that they came from.
 */

import { type BufferPool, EMPTY_BYTES } from '../../core/index.ts'
import { FRAME_LENGTH_BYTES } from '../../protocol/index.ts'

export interface FrameLimits {
  readonly minFrameBytes: number
  readonly maxFrameBytes: number
  /** Where buffers for frames that come in pieces are taken; default: made anew. */
  readonly buffers?: BufferPool
}

const SMALLEST_BUFFER_BYTES = 4_096
const GROWTH = 2
/** Up to here a buffer may be sixteen times what has arrived; memory that is never written to is not resident. */
const GENEROUS_BYTES = 2 * 1024 * 1024
const GENEROUS_GROWTH = 16

/** Less room than this in a frame's buffer is not worth a read of its own. */
const SMALLEST_ROOM_BYTES = 16 * 1024

/** Bytes are here from a read until the end of the `push` that brings them: one for all connections is enough. */
const SCRATCH = Buffer.allocUnsafeSlow(64 * 1024)

export type NextFrame =
  | { readonly kind: 'frame'; readonly bytes: Uint8Array }
  /** There is no whole frame yet. */
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'refused'; readonly size: number }

const INCOMPLETE: NextFrame = { kind: 'incomplete' }

export class FrameAssembler {
  readonly #limits: FrameLimits
  /** Chunks not looked at yet, the first from `#position` on. */
  #chunks: Uint8Array[] = []
  #position = 0
  /** The size before the frame, and how many of its bytes are there. */
  readonly #head = new Uint8Array(FRAME_LENGTH_BYTES)
  #headBytes = 0
  #size = 0
  /** The frame that comes in pieces, and how much of it is there. */
  #partial: Uint8Array | null = null
  #partialBytes = 0

  constructor(limits: FrameLimits) {
    this.#limits = limits
  }

  /** Where the next bytes are best read to. What was read there goes to `push`, and is used up by `settle`. */
  room(): Uint8Array {
    if (this.#partial === null || this.#chunks.length > 0) return SCRATCH
    const room = this.#partial.subarray(this.#partialBytes)
    return room.length < SMALLEST_ROOM_BYTES ? SCRATCH : room
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    if (chunk.buffer === this.#partial?.buffer) this.#partialBytes += chunk.length
    else this.#chunks.push(chunk)
  }

  /** Copies what is still in the scratch buffer: it will be overwritten. */
  settle(): void {
    const chunk = this.#chunks.at(-1)
    if (chunk?.buffer !== SCRATCH.buffer) return
    const isOnly = this.#chunks.length === 1
    this.#chunks[this.#chunks.length - 1] = Buffer.from(
      isOnly ? chunk.subarray(this.#position) : chunk,
    )
    if (isOnly) this.#position = 0
  }

  /** Bytes that have arrived for a frame that is not whole, its size included; 0 between frames. */
  get partialBytes(): number {
    return this.#headBytes + this.#partialBytes
  }

  /** Memory held for it. */
  get heldBytes(): number {
    return this.#partial?.length ?? 0
  }

  /** What has arrived of the frame that is not whole, without its size. */
  get partial(): Uint8Array {
    return this.#partial?.subarray(0, this.#partialBytes) ?? EMPTY_BYTES
  }

  /** Whether there are bytes that `next` has not looked at. */
  get waiting(): boolean {
    return this.#chunks.length > 0
  }

  next(): NextFrame {
    while (this.#headBytes < FRAME_LENGTH_BYTES) {
      const chunk = this.#chunks[0]
      if (chunk === undefined) return INCOMPLETE
      this.#head[this.#headBytes++] = chunk[this.#position] ?? 0
      this.#skip(chunk, 1)
      if (this.#headBytes === FRAME_LENGTH_BYTES) this.#size = readSize(this.#head)
    }
    if (this.#size < this.#limits.minFrameBytes || this.#size > this.#limits.maxFrameBytes)
      return { kind: 'refused', size: this.#size }
    return this.#takeFrame()
  }

  #takeFrame(): NextFrame {
    for (;;) {
      if (this.#partial !== null && this.#partialBytes === this.#size)
        return this.#frame(this.#partial)
      const chunk = this.#chunks[0]
      if (chunk === undefined) return INCOMPLETE
      const missing = this.#size - this.#partialBytes
      const available = Math.min(missing, chunk.length - this.#position)
      const piece = chunk.subarray(this.#position, this.#position + available)
      this.#skip(chunk, available)
      if (this.#partial === null && available === this.#size)
        return this.#frame(piece.buffer === SCRATCH.buffer ? Buffer.from(piece) : piece)
      this.#keep(piece)
    }
  }

  #keep(piece: Uint8Array): void {
    const needed = this.#partialBytes + piece.length
    if (this.#partial === null || this.#partial.length < needed) {
      const generous = Math.min(needed * GENEROUS_GROWTH, GENEROUS_BYTES)
      const capacity = Math.max(SMALLEST_BUFFER_BYTES, needed * GROWTH, generous)
      this.#grow(Math.min(this.#size, capacity))
    }
    this.#partial?.set(piece, this.#partialBytes)
    this.#partialBytes = needed
  }

  #grow(capacity: number): void {
    const { buffers } = this.#limits
    const larger = buffers?.take(capacity) ?? Buffer.allocUnsafeSlow(capacity)
    // The smaller one is not released: a read may be under way into it.
    if (this.#partial !== null) larger.set(this.#partial.subarray(0, this.#partialBytes))
    this.#partial = larger
  }

  #frame(bytes: Uint8Array): NextFrame {
    this.#partial = null
    this.#partialBytes = 0
    this.#headBytes = 0
    return { kind: 'frame', bytes }
  }

  #skip(chunk: Uint8Array, bytes: number): void {
    this.#position += bytes
    if (this.#position < chunk.length) return
    this.#chunks.shift()
    this.#position = 0
  }
}

function readSize(head: Uint8Array): number {
  return ((head[0] ?? 0) << 24) | ((head[1] ?? 0) << 16) | ((head[2] ?? 0) << 8) | (head[3] ?? 0)
}
