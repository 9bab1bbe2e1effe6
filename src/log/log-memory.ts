/**
 * How much memory the newest batches and the loaded indexes of all partitions may take together, and who gives back.
 *
 * A holder's bytes are droppable (they are in a file) or not yet written; of the latter its owner is asked to write.
 * Holders give in the order in which they were last used: partitions that rest keep nothing, consumers at the tail of
 * busy ones read no file.
 * Invariant: `bytes` is the sum over all holders. Reclaiming takes a holder out of the queue or is done, so it costs
 * O(1) an append over time.
 */

export interface MemoryHolder {
  /** Drops about `bytes` of what can be dropped, the oldest first; answers how many that were. */
  drop(bytes: number): number
  /** Bytes that cannot be dropped before they are written. */
  readonly unwrittenBytes: number
  /** Have them written soon, and `rejoin` then. Called in the middle of an append: only note it. */
  requestWrite(): void
}

/** Reclaiming goes this far below the limit, so that it does not start anew with every append. */
const SLACK = 1 / 8

export class LogMemory {
  readonly limitBytes: number
  #bytes = 0
  /** Those that may be asked, least recently used first. Who was asked to write rejoins after it has. */
  readonly #queue = new Set<MemoryHolder>()

  /** @param options.limitBytes for all partitions together; default 64 MiB. */
  constructor({ limitBytes = 64 * 1024 * 1024 }: { readonly limitBytes?: number } = {}) {
    this.limitBytes = limitBytes
  }

  get bytes(): number {
    return this.#bytes
  }

  /** More than twice the limit: writing does not keep up, and whoever adds more should wait for it. */
  get overloaded(): boolean {
    return this.#bytes > 2 * this.limitBytes
  }

  /** The holder holds `addedBytes` more, or fewer. */
  use(holder: MemoryHolder, addedBytes: number): void {
    this.#bytes += addedBytes
    this.#queue.delete(holder)
    this.#queue.add(holder)
    if (this.#bytes > this.limitBytes) this.#reclaim()
  }

  /** The holder wrote what it could: it gives that if memory is still short, and may be asked again, though not now. */
  rejoin(holder: MemoryHolder): void {
    this.#queue.add(holder)
    if (this.#bytes > this.limitBytes) this.#bytes -= holder.drop(this.#bytes - this.#targetBytes)
  }

  /** The holder dropped everything, `bytes` of it, by itself. */
  leave(holder: MemoryHolder, bytes: number): void {
    this.#bytes -= bytes
    this.#queue.delete(holder)
  }

  get #targetBytes(): number {
    return this.limitBytes * (1 - SLACK)
  }

  #reclaim(): void {
    const targetBytes = this.#targetBytes
    for (const holder of this.#queue) {
      this.#bytes -= holder.drop(this.#bytes - targetBytes)
      if (this.#bytes <= targetBytes) return
      this.#queue.delete(holder)
      if (holder.unwrittenBytes > 0) holder.requestWrite()
    }
  }
}
