/**
 * What every consuming load counts: records, and records of a key that began before their predecessor had ended.
 *
 * Values carry their key's sequence number; the clock runs from the first record to the last.
 */

export interface Job {
  readonly bootstrap: string
  readonly topic: string
  readonly group: string
  readonly count: number
  readonly workMs: number
  readonly concurrency: number
}

export class OrderCheck {
  readonly #last = new Map<string, number>()
  readonly #count: number
  #handled = 0
  #disordered = 0
  #startedMs = 0
  #cpu = process.cpuUsage()
  readonly finished: Promise<void>
  #finish: () => void = () => {}

  constructor(count: number) {
    this.#count = count
    this.finished = new Promise((resolve) => (this.#finish = resolve))
  }

  begin(key: string, sequence: number): void {
    if (this.#startedMs === 0) {
      this.#startedMs = performance.now()
      this.#cpu = process.cpuUsage()
    }
    if (sequence !== (this.#last.get(key) ?? -1) + 1) this.#disordered++
  }

  end(key: string, sequence: number): void {
    this.#last.set(key, sequence)
    if (++this.#handled === this.#count) this.#finish()
  }

  result(): { seconds: number; cpu: number; handled: number; disordered: number } {
    const { user, system } = process.cpuUsage(this.#cpu)
    const seconds = (performance.now() - this.#startedMs) / 1000
    return {
      seconds,
      cpu: (user + system) / 1e6,
      handled: this.#handled,
      disordered: this.#disordered,
    }
  }
}

/** The work of a handler: nothing at 0 ms, else a timer. */
export function work(workMs: number): Promise<void> | undefined {
  return workMs === 0 ? undefined : new Promise((resolve) => setTimeout(resolve, workMs))
}
