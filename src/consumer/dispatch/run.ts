/**
 * What is kept of an execution while it runs: its time, why its result no longer counts, what its handler asked for, and
 * its place in the list of what runs. Most handlers that return at once are called without one.
 */

import type { AbortCause } from '../options.ts'

const NO_TICKETS: readonly number[] = []

/** `Attempt`: the context that its handler sees. */
export class Run<Attempt> {
  readonly attempt: Attempt
  /** Which execution of its record it is, from 1. */
  readonly number: number
  /** When it began and when its time is up; monotonic. */
  readonly startedMs: number
  deadlineMs: number
  /** Set once its result no longer counts. */
  cause: AbortCause | null = null
  /** Its part in the circuit breakers, where there are any. */
  tickets: readonly number[] = NO_TICKETS
  /** Its slot and its lane were taken back, though it still runs. */
  detached = false
  /** Neighbours in the list of what runs. */
  before: Run<Attempt> | null = null
  after: Run<Attempt> | null = null
  controller: AbortController | null = null
  headers: ReadonlyMap<string, Uint8Array> | null = null

  constructor(attempt: Attempt, number: number, startedMs: number, deadlineMs: number) {
    this.attempt = attempt
    this.number = number
    this.startedMs = startedMs
    this.deadlineMs = deadlineMs
  }

  /** Tells the handler that its result no longer counts. The first cause stays. */
  abort(cause: AbortCause): void {
    if (this.cause !== null) return
    this.cause = cause
    this.controller?.abort(cause)
  }
}

/** What runs, oldest first: an intrusive list, so that adding and removing cost nothing. */
export class RunningList<Attempt> {
  #first: Run<Attempt> | null = null
  #last: Run<Attempt> | null = null

  get oldest(): Run<Attempt> | null {
    return this.#first
  }

  add(run: Run<Attempt>): void {
    run.before = this.#last
    if (this.#last === null) this.#first = run
    else this.#last.after = run
    this.#last = run
  }

  remove(run: Run<Attempt>): void {
    if (run.before === null) this.#first = run.after
    else run.before.after = run.after
    if (run.after === null) this.#last = run.before
    else run.after.before = run.before
    run.before = null
    run.after = null
  }

  *[Symbol.iterator](): Generator<Run<Attempt>> {
    for (let run = this.#first; run !== null;) {
      const next: Run<Attempt> | null = run.after
      yield run
      run = next
    }
  }
}
