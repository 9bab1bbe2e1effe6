/**
 * What waits for its time: a binary heap by due time, of equals by position in the log of delayed records, in typed arrays
 * of 25 bytes an entry, so that a million waiting records are no million objects.
 *
 *   entry: when it is due · where it is stored · for which target · its bytes · whether its time was given as a delay
 *
 * A delay that was given as one (`30s`) is meant from the publish on, whatever the wall clock does meanwhile: when that is set
 * back, such entries move with it (`shift`). A time of day stays what it is. Pure.
 */

export interface DueEntry {
  readonly dueMs: number
  /** Position in the log of delayed records; unique. */
  readonly offset: number
  /** Number of the target partition. */
  readonly target: number
  readonly bytes: number
  readonly isDelay: boolean
}

const FIRST_CAPACITY = 64

export class DueIndex {
  #due = new Float64Array(FIRST_CAPACITY)
  #offsets = new Float64Array(FIRST_CAPACITY)
  #targets = new Int32Array(FIRST_CAPACITY)
  #bytes = new Int32Array(FIRST_CAPACITY)
  #isDelay = new Uint8Array(FIRST_CAPACITY)
  #size = 0

  get size(): number {
    return this.#size
  }

  /** When the first one is due; infinite when nothing waits. */
  get nextDueMs(): number {
    return this.#size === 0 ? Infinity : (this.#due[0] ?? Infinity)
  }

  add(entry: DueEntry): void {
    if (this.#size === this.#due.length) this.#resize(2 * this.#size)
    this.#put(this.#size, entry)
    this.#rise(this.#size++)
  }

  /** The first entry if it is due. */
  take(nowMs: number): DueEntry | null {
    if (this.nextDueMs > nowMs) return null
    const first = this.#at(0)
    this.#size--
    this.#copy(this.#size, 0)
    this.#sink(0)
    if (this.#due.length > FIRST_CAPACITY && this.#size < this.#due.length / 4)
      this.#resize(this.#due.length / 2)
    return first
  }

  /** The smallest offset of all; infinite when nothing waits. Looks at every entry. */
  firstOffset(): number {
    let first = Infinity
    for (let index = 0; index < this.#size; index++)
      first = Math.min(first, this.#offsets[index] ?? Infinity)
    return first
  }

  /** Moves what was given as a delay by so many milliseconds. */
  shift(byMs: number): void {
    for (let index = 0; index < this.#size; index++)
      if (this.#isDelay[index] === 1) this.#due[index] = (this.#due[index] ?? 0) + byMs
    this.#rebuild()
  }

  /** Drops the entries of targets that are not kept. */
  retain(keeps: (target: number) => boolean): void {
    let kept = 0
    for (let index = 0; index < this.#size; index++)
      if (keeps(this.#targets[index] ?? 0)) this.#copy(index, kept++)
    this.#size = kept
    this.#rebuild()
    this.#resize(Math.max(FIRST_CAPACITY, 2 ** Math.ceil(Math.log2(kept + 1))))
  }

  #rebuild(): void {
    for (let index = (this.#size >> 1) - 1; index >= 0; index--) this.#sink(index)
  }

  #rise(start: number): void {
    let index = start
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!this.#isBefore(index, parent)) return
      this.#swap(index, parent)
      index = parent
    }
  }

  #sink(start: number): void {
    let index = start
    for (;;) {
      const left = 2 * index + 1
      if (left >= this.#size) return
      const right = left + 1
      const child = right < this.#size && this.#isBefore(right, left) ? right : left
      if (!this.#isBefore(child, index)) return
      this.#swap(index, child)
      index = child
    }
  }

  #isBefore(left: number, right: number): boolean {
    const [leftMs = 0, rightMs = 0] = [this.#due[left], this.#due[right]]
    return leftMs === rightMs
      ? (this.#offsets[left] ?? 0) < (this.#offsets[right] ?? 0)
      : leftMs < rightMs
  }

  #at(index: number): DueEntry {
    return {
      dueMs: this.#due[index] ?? 0,
      offset: this.#offsets[index] ?? 0,
      target: this.#targets[index] ?? 0,
      bytes: this.#bytes[index] ?? 0,
      isDelay: this.#isDelay[index] === 1,
    }
  }

  #put(index: number, { dueMs, offset, target, bytes, isDelay }: DueEntry): void {
    this.#due[index] = dueMs
    this.#offsets[index] = offset
    this.#targets[index] = target
    this.#bytes[index] = bytes
    this.#isDelay[index] = isDelay ? 1 : 0
  }

  #copy(from: number, to: number): void {
    if (from !== to) this.#put(to, this.#at(from))
  }

  #swap(left: number, right: number): void {
    const entry = this.#at(left)
    this.#copy(right, left)
    this.#put(right, entry)
  }

  #resize(capacity: number): void {
    const grown = <Values extends Float64Array | Int32Array | Uint8Array>(
      from: Values,
      to: Values,
    ): Values => {
      to.set(from.subarray(0, this.#size))
      return to
    }
    this.#due = grown(this.#due, new Float64Array(capacity))
    this.#offsets = grown(this.#offsets, new Float64Array(capacity))
    this.#targets = grown(this.#targets, new Int32Array(capacity))
    this.#bytes = grown(this.#bytes, new Int32Array(capacity))
    this.#isDelay = grown(this.#isDelay, new Uint8Array(capacity))
  }
}
