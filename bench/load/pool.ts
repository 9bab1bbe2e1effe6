/**
 * A pool of so many tasks at a time, as the peers' users write it: `add` waits for a free place, nothing keeps the order.
 */

export class Pool {
  readonly #size: number
  readonly #waiting: (() => void)[] = []
  #used = 0

  constructor(size: number) {
    this.#size = size
  }

  get free(): number {
    return this.#size - this.#used
  }

  /** Resolves once a place is free. */
  async room(): Promise<void> {
    while (this.free <= 0) await new Promise<void>((resolve) => void this.#waiting.push(resolve))
  }

  /** Starts a task; the caller has seen that there is room. */
  start(task: () => Promise<void> | void): Promise<void> | void {
    const running = task()
    if (running === undefined) return
    this.#used++
    return running.finally(() => {
      this.#used--
      this.#waiting.shift()?.()
    })
  }
}
