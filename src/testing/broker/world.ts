/**
 * Time, chance and network of a test broker and its clients: the real ones, or virtual ones in this process.
 */

import { TcpNetwork } from '../../broker/index.ts'
import type { Clock, Network, Random, Timers, VirtualClock } from '../../core/index.ts'
import {
  seededRandom,
  SimNetwork,
  systemClock,
  systemRandom,
  systemTimers,
} from '../../core/index.ts'
import type { KafkaPorts } from '../../sources/kafka/index.ts'
import { NetworkTransport } from '../../sources/kafka/index.ts'

export interface World {
  readonly network: Network
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  /** What clients need beside the address. */
  readonly kafkaPorts: KafkaPorts
}

/** Advances a clock from timer to timer until a promise has settled. */
export async function passTime<T>(clock: VirtualClock, work: Promise<T>): Promise<T> {
  const outcome = { isKnown: false }
  const settled = work.finally(() => {
    outcome.isKnown = true
  })
  // Its rejection is the caller's, by what is returned.
  settled.catch(() => {})
  while (!outcome.isKnown) await clock.advance(clock.nextDelayMs ?? 1)
  return settled
}

export function realWorld(): World {
  return {
    network: new TcpNetwork(),
    clock: systemClock,
    timers: systemTimers,
    random: systemRandom,
    kafkaPorts: {},
  }
}

export function virtualWorld(clock: VirtualClock, seed: number): World {
  const random = seededRandom(seed)
  const network = new SimNetwork({ timers: clock, random })
  const transport = new NetworkTransport(network)
  return {
    network,
    clock,
    timers: clock,
    random,
    kafkaPorts: { transport, clock, timers: clock, random },
  }
}
