/** What happens when, in virtual time: in order of time, and of what was asked for first. */

interface Entry {
  readonly dueMs: number
  readonly fire: () => void
}

export class Agenda {
  nowMs = 0
  /** The next one last. */
  readonly #entries: Entry[] = []

  /** Returns what cancels it. */
  after(delayMs: number, fire: () => void): () => void {
    const entry = { dueMs: this.nowMs + Math.max(0, delayMs), fire }
    let low = 0
    let high = this.#entries.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#entries[middle]?.dueMs ?? 0) > entry.dueMs) low = middle + 1
      else high = middle
    }
    this.#entries.splice(low, 0, entry)
    return () => {
      const index = this.#entries.indexOf(entry)
      if (index >= 0) this.#entries.splice(index, 1)
    }
  }

  advance(byMs: number): void {
    const untilMs = this.nowMs + byMs
    for (;;) {
      const next = this.#entries.at(-1)
      if (next === undefined || next.dueMs > untilMs) break
      this.#entries.pop()
      this.nowMs = next.dueMs
      next.fire()
    }
    this.nowMs = untilMs
  }
}
