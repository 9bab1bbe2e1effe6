/**
 * Who waits for a partition to have something to read: fetches that found nothing.
 */

interface Waiter {
  readonly offset: number
  readonly listener: () => void
}

export class ReadableWaiters {
  readonly #waiters = new Set<Waiter>()

  /** Calls `listener` once, when the high watermark is past `offset`: never before this call returned. */
  add(offset: number, listener: () => void, highWatermark: number): { cancel(): void } {
    const waiter = { offset, listener }
    this.#waiters.add(waiter)
    // It may have moved between the read that found nothing and this call.
    if (highWatermark > offset) queueMicrotask(() => this.#call(waiter))
    return { cancel: () => void this.#waiters.delete(waiter) }
  }

  wake(highWatermark: number): void {
    for (const waiter of this.#waiters) if (highWatermark > waiter.offset) this.#call(waiter)
  }

  #call(waiter: Waiter): void {
    if (this.#waiters.delete(waiter)) waiter.listener()
  }
}
