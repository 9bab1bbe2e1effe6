/** Time, chance and words as the options of a source: what a test passes in, and what holds without. */

import { silentLogger, systemClock, systemRandom, systemTimers } from '../core/index.ts'
import type { Clock, Logger, Random, Timers } from '../core/index.ts'

export interface SourcePorts {
  readonly clock?: Clock
  readonly timers?: Timers
  readonly random?: Random
  /** Default: none. */
  readonly logger?: Logger
}

export function filledPorts(ports: SourcePorts): Required<SourcePorts> {
  return {
    clock: ports.clock ?? systemClock,
    timers: ports.timers ?? systemTimers,
    random: ports.random ?? systemRandom,
    logger: ports.logger ?? silentLogger,
  }
}
