/**
 * A set of offsets above a floor, one bit each: which delayed records were delivered. What is below the floor counts as in.
 *
 * Kept in chunks of 32,768 offsets; one that is full is a flag, so a single record that waits for a week costs a bit for each
 * that was delivered since, and no more. Pure.
 */

const CHUNK_BITS = 32_768

type Chunk = { readonly bits: Uint8Array; count: number } | 'full'

/** A chunk as a snapshot has it; null is a full one. */
export type ChunkSnapshot = readonly [index: number, base64: string | null]

export class OffsetBits {
  readonly #chunks = new Map<number, Chunk>()
  #floor = 0

  get floor(): number {
    return this.#floor
  }

  has(offset: number): boolean {
    if (offset < this.#floor) return true
    const chunk = this.#chunks.get(Math.floor(offset / CHUNK_BITS))
    if (chunk === undefined || chunk === 'full') return chunk === 'full'
    const at = offset % CHUNK_BITS
    return ((chunk.bits[at >> 3] ?? 0) & (1 << (at & 7))) !== 0
  }

  add(offset: number): void {
    if (this.has(offset)) return
    const index = Math.floor(offset / CHUNK_BITS)
    const chunk = this.#chunks.get(index) ?? { bits: new Uint8Array(CHUNK_BITS / 8), count: 0 }
    if (chunk === 'full') return
    const at = offset % CHUNK_BITS
    chunk.bits[at >> 3] = (chunk.bits[at >> 3] ?? 0) | (1 << (at & 7))
    chunk.count++
    this.#chunks.set(index, chunk.count === CHUNK_BITS ? 'full' : chunk)
  }

  /** Forgets what is below: it is in. */
  raiseFloor(floor: number): void {
    this.#floor = Math.max(this.#floor, floor)
    for (const index of this.#chunks.keys())
      if ((index + 1) * CHUNK_BITS <= this.#floor) this.#chunks.delete(index)
  }

  snapshot(): readonly ChunkSnapshot[] {
    return Array.from(this.#chunks, ([index, chunk]) => [
      index,
      chunk === 'full' ? null : Buffer.from(chunk.bits).toString('base64'),
    ])
  }

  restore(floor: number, chunks: readonly ChunkSnapshot[]): void {
    this.#chunks.clear()
    this.#floor = floor
    for (const [index, base64] of chunks) {
      if (base64 === null) {
        this.#chunks.set(index, 'full')
        continue
      }
      const bits = new Uint8Array(CHUNK_BITS / 8)
      bits.set(Buffer.from(base64, 'base64').subarray(0, bits.length))
      this.#chunks.set(index, { bits, count: bits.reduce((sum, byte) => sum + ones(byte), 0) })
    }
  }
}

function ones(byte: number): number {
  let count = 0
  for (let rest = byte; rest !== 0; rest &= rest - 1) count++
  return count
}
