/**
 * When a crash ledger kills and stops its workers: moments counted in finished records, chosen by a seed. Pure.
 *
 * The records between the first tenth and nine tenths are cut into as many equal parts as there are crashes; each part
 * gets one crash at a random record of its first four fifths, so that every crash finds work under way and leaves some.
 */

import type { Random } from '../../core/index.ts'
import { randomBelow } from '../../core/index.ts'

export interface Crash {
  /** SIGKILL, or SIGSTOP for a while and then SIGCONT. */
  readonly kind: 'kill' | 'stop'
  /** It comes once this many different records are done. */
  readonly afterRecords: number
}

export interface CrashCounts {
  readonly records: number
  readonly kills: number
  readonly stops: number
}

export function planCrashes({ records, kills, stops }: CrashCounts, random: Random): Crash[] {
  const count = kills + stops
  const from = Math.floor(records / 10)
  const part = (records * 0.8) / Math.max(1, count)
  return shuffled(count, kills, random).map((kind, index) => ({
    kind,
    afterRecords:
      from + Math.floor(index * part) + randomBelow(random, Math.max(1, Math.floor(part * 0.8))),
  }))
}

/** So many kills among so many crashes, in a random order. */
function shuffled(count: number, kills: number, random: Random): readonly Crash['kind'][] {
  const kinds = Array.from({ length: count }, (_, index) => (index < kills ? 'kill' : 'stop'))
  for (let last = kinds.length - 1; last > 0; last--) {
    const other = randomBelow(random, last + 1)
    const kind = kinds[last] ?? 'kill'
    kinds[last] = kinds[other] ?? 'kill'
    kinds[other] = kind
  }
  return kinds.map((kind) => (kind === 'kill' ? 'kill' : 'stop'))
}
