/**
 * Items that wait for a moment: a binary heap by due time, ties in the order they came.
 *
 * Pure: the engine holds the one timer, set to `nextDueMs`.
 */

export interface Delayed {
  /** When it is due; monotonic. */
  dueMs: number
  /** Breaks ties. */
  dueOrder: number
}

export class DelayQueue<T extends Delayed> {
  #heap: T[] = []
  #order = 0

  get length(): number {
    return this.#heap.length
  }

  get nextDueMs(): number | undefined {
    return this.#heap[0]?.dueMs
  }

  push(item: T, dueMs: number): void {
    item.dueMs = dueMs
    item.dueOrder = this.#order++
    this.#heap.push(item)
    this.#rise(this.#heap.length - 1)
  }

  /** The first item that is due, or `null`. */
  shift(nowMs: number): T | null {
    const first = this.#heap[0]
    if (first === undefined || first.dueMs > nowMs) return null
    const last = this.#heap.pop() as T
    if (this.#heap.length > 0) {
      this.#heap[0] = last
      this.#sink(0)
    }
    return first
  }

  /** Removes the items for which `gone` holds. */
  remove(gone: (item: T) => boolean): void {
    this.#heap = this.#heap.filter((item) => !gone(item))
    for (let index = (this.#heap.length >> 1) - 1; index >= 0; index--) this.#sink(index)
  }

  /** Items in no particular order. */
  values(): Iterable<T> {
    return this.#heap.values()
  }

  #rise(index: number): void {
    const item = this.#at(index)
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!before(item, this.#at(parent))) break
      this.#heap[index] = this.#at(parent)
      index = parent
    }
    this.#heap[index] = item
  }

  #sink(index: number): void {
    const item = this.#at(index)
    for (;;) {
      let child = 2 * index + 1
      if (child >= this.#heap.length) break
      if (child + 1 < this.#heap.length && before(this.#at(child + 1), this.#at(child))) child++
      if (!before(this.#at(child), item)) break
      this.#heap[index] = this.#at(child)
      index = child
    }
    this.#heap[index] = item
  }

  #at(index: number): T {
    return this.#heap[index] as T
  }
}

function before(left: Delayed, right: Delayed): boolean {
  return left.dueMs < right.dueMs || (left.dueMs === right.dueMs && left.dueOrder < right.dueOrder)
}
