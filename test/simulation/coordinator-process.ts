/**
 * The process of a client in a simulated world: it has lives, may stand still and go on, and speaks to the broker over a
 * network that is slow, loses requests and answers, and makes it ask again.
 *
 * One request after another reaches the broker, as over one connection; what was not answered in time never arrives later.
 */

import { type Random, randomBelow } from '../../src/core/index.ts'
import type { TestTopics } from '../../src/group/fixture.test.ts'
import type { Agenda } from './agenda.ts'
import type { Asked, CoordinatorChecker } from './coordinator-checker.ts'
import type { CoordinatorShell, Hear, HttpCall } from './coordinator-shell.ts'

export interface Network {
  readonly agenda: Agenda
  readonly random: Random
  readonly checker: CoordinatorChecker
  readonly topics: TestTopics
  readonly shell: CoordinatorShell
  /** How likely an answer, or a request, gets lost or is said twice, and how long one is under way. */
  readonly faults: { loss: number; repeat: number; maxDelayMs: number }
  nextOffset: number
}

export class Process {
  isUp = false
  readonly network: Network
  #life = 0
  #stalledUntilMs = 0
  /** When the last request arrives: later ones come after it. */
  #arrivesMs = 0

  constructor(network: Network) {
    this.network = network
  }

  start(): void {
    this.isUp = true
    this.#life++
    this.#stalledUntilMs = 0
  }

  kill(): void {
    this.isUp = false
    this.#life++
  }

  stall(durationMs: number): void {
    this.#stalledUntilMs = this.network.agenda.nowMs + durationMs
  }

  below(bound: number): number {
    return randomBelow(this.network.random, bound)
  }

  /** Runs it then, or when the process goes on; never in another life. */
  after(delayMs: number, run: () => void): void {
    const life = this.#life
    this.network.agenda.after(delayMs, () => {
      if (life !== this.#life) return
      const stalledMs = this.#stalledUntilMs - this.network.agenda.nowMs
      if (stalledMs > 0) this.after(stalledMs, run)
      else run()
    })
  }

  /** What hears is told once: the answer, or null when none came in time. */
  send(request: Asked, timeoutMs: number, hear: Hear): void {
    const { shell } = this.network
    this.#send((answered) => shell.ask(request, answered), mayRepeat(request), { timeoutMs, hear })
  }

  /** A join or a heartbeat over HTTP. */
  sendHttp(call: HttpCall, timeoutMs: number, hear: Hear): void {
    const { shell } = this.network
    this.#send((answered) => shell.askHttp(call, answered), true, { timeoutMs, hear })
  }

  #send(
    ask: (answered: Hear) => void,
    isRepeatable: boolean,
    { timeoutMs, hear }: { readonly timeoutMs: number; readonly hear: Hear },
  ): void {
    const { agenda, faults, checker } = this.network
    const life = this.#life
    let isOver = false
    const end: Hear = (response) => {
      if (isOver || life !== this.#life) return
      isOver = true
      this.after(0, () => hear(response))
    }
    const arrive = (isHeard: boolean) =>
      agenda.after(this.#travelMs(), () => {
        if (isOver) return
        ask((response) => {
          if (!isHeard) return
          if (response !== null && this.#happens(faults.loss)) return checker.count('answer lost')
          agenda.after(this.#delayMs(), () => end(response))
        })
      })
    this.after(timeoutMs, () => end(null))
    if (this.#happens(faults.loss)) return checker.count('request lost')
    if (isRepeatable && this.#happens(faults.repeat)) {
      checker.count('repeated')
      arrive(false)
    }
    arrive(true)
  }

  #travelMs(): number {
    const { agenda } = this.network
    this.#arrivesMs = Math.max(this.#arrivesMs, agenda.nowMs + this.#delayMs())
    return this.#arrivesMs - agenda.nowMs
  }

  /** At least one: a client that asks again and again must not stop time. */
  #delayMs(): number {
    return 1 + this.below(this.network.faults.maxDelayMs)
  }

  #happens(chance: number): boolean {
    return this.network.random.next() < chance
  }
}

/** A heartbeat that says only what changed is said once: without an answer its member says everything again. */
function mayRepeat(request: Asked): boolean {
  return request.kind !== 'consumer-heartbeat' || request.subscribedTopicNames !== null
}
