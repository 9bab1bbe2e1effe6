/**
 * Looks at the group's lag again and again, keeps the last look for the metrics, and tells hooks when a rule fires.
 *
 * One look at a time; a look that fails is logged once until one succeeds again, and changes no alert. It has connections of
 * its own, so a service that is stuck is still seen.
 */

import type { GroupLag, LagFacts } from '../../admin/index.ts'
import { groupLag } from '../../admin/index.ts'
import type { Clock, Logger, Timer, Timers } from '../../core/index.ts'
import { messageOf, sleep } from '../../core/index.ts'
import type { LagAlert, LagRule } from './lag-rules.ts'
import { LagRules } from './lag-rules.ts'

/** Where the facts come from. */
export interface LagReader {
  read(): Promise<readonly LagFacts[]>
  close(): Promise<void>
}

export interface LagWatchOptions {
  readonly group: string
  readonly intervalMs: number
  readonly rules: readonly LagRule[]
  readonly clock: Clock
  readonly timers: Timers
  readonly logger: Logger
  open(): Promise<LagReader>
  /** Never rejects. */
  tell(alert: LagAlert): Promise<void>
}

/** How long hooks may go on when the service stops. */
const HOOK_GRACE_MS = 5_000

export class LagWatch implements AsyncDisposable {
  readonly #options: LagWatchOptions
  readonly #rules: LagRules
  readonly #telling = new Set<Promise<void>>()
  #reader: LagReader | null = null
  #timer: Timer | null = null
  #looking: Promise<void> = Promise.resolve()
  #lag: GroupLag | null = null
  #failed = false
  #closed = false

  constructor(options: LagWatchOptions) {
    this.#options = options
    this.#rules = new LagRules(options.rules)
    this.#looking = this.#look()
  }

  /** The last look that succeeded; null before. */
  get lag(): GroupLag | null {
    return this.#lag
  }

  /** Names of the alerts that fire. */
  get firing(): readonly string[] {
    return this.#rules.firing
  }

  /** Waits for the hooks that were begun, a few seconds at most: a service that stops has a grace period. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    this.#timer?.cancel()
    await this.#looking
    await this.#reader?.close()
    const limit = new AbortController()
    const told = Promise.all(this.#telling).then(() => limit.abort())
    await Promise.race([told, sleep(this.#options.timers, HOOK_GRACE_MS, limit.signal)])
    limit.abort()
  }

  async #look(): Promise<void> {
    const { clock, timers, intervalMs, logger, group, open } = this.#options
    try {
      this.#reader ??= await open()
      this.#lag = groupLag(await this.#reader.read(), clock.wallMs())
      if (this.#failed) logger.log('info', 'the lag of the group is seen again', { group })
      this.#failed = false
      this.#judge(this.#lag)
    } catch (error) {
      if (!this.#failed)
        logger.log('warn', 'the lag of the group cannot be looked at', {
          group,
          error: messageOf(error),
        })
      this.#failed = true
    }
    if (this.#closed) return
    this.#timer = timers.schedule(intervalMs, () => {
      this.#looking = this.#look()
    })
  }

  #judge({ records, maxSeconds }: GroupLag): void {
    const { clock, logger, group, tell } = this.#options
    for (const alert of this.#rules.take({ records, seconds: maxSeconds }, clock.monotonicMs())) {
      const { kind, rule, sample } = alert
      const level = kind === 'firing' ? 'warn' : 'info'
      logger.log(level, `alert ${kind}`, { group, name: rule.name, ...sample })
      const telling = tell(alert).finally(() => this.#telling.delete(telling))
      this.#telling.add(telling)
    }
  }
}
