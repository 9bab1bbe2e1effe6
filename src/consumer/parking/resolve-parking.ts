/**
 * The options of parked keys and retry topics, checked, with their defaults.
 *
 * Both are the same machine: a topic beside the source, partition by partition. Parked keys hold what comes after them,
 * records in a retry topic are each for themselves.
 */

import { parseDuration } from '../duration.ts'
import type { RetryPolicy } from '../failure/decide.ts'
import type { OptionCheck } from '../option-check.ts'
import type { Backoff, Parked, Retry } from '../options.ts'
import type { Source } from '../source.ts'
import type { ParkingSettings } from './parking.ts'

export interface ResolvedParking {
  /** null: the broker itself hands records out again later. */
  readonly parking: ParkingSettings | null
  readonly policy: RetryPolicy
  readonly firstWait: Backoff
}

const BACKOFF: Backoff = { kind: 'exponential', base: 10_000, max: 600_000, jitter: 'equal' }

interface ParkingOptions {
  readonly group: string
  readonly source: Source
  readonly order?: unknown
  readonly retry?: Retry | undefined
  readonly parked?: Parked | undefined
}

export function resolveParking(
  check: OptionCheck,
  { group, source, order, retry = {}, parked = {} }: ParkingOptions,
  hasDeadLetters: boolean,
): ResolvedParking | null {
  const { later } = retry
  const parks = retry.finally === 'park-key'
  if (later === undefined && !parks) return null
  const can = source?.capabilities
  const readsBack = can?.readsBack === true
  check.that(
    readsBack || !parks,
    `retry.finally: 'park-key': ${can?.kind} cannot keep a key's order outside its queue; over Redis Streams it needs sharing: 'ordered'`,
  )
  check.that(
    readsBack || parks || can?.nativeDelay,
    `retry.later: ${can?.kind} has no place where records wait`,
  )
  check.that(!parks || later === undefined, "retry: either later or finally: 'park-key'")
  check.that(
    !parks || order !== 'none',
    "retry.finally: 'park-key' keeps an order, order: 'none' has none",
  )
  const parking = {
    topic: parked.topic ?? ((from: string) => `${group}.${from}.${parks ? 'parked' : 'retry'}`),
    keeps: parks ? 'key' : 'record',
    maxRecords: check.count('parked.maxRecords', parked.maxRecords, 250_000),
    concurrency: check.count('parked.concurrency', parked.concurrency, 16),
  } as const
  check.that(typeof parking.topic === 'function', 'parked.topic: a function of a topic name')
  const shared = { when: retry.when ?? (() => true), hasDeadLetters }
  if (later === undefined) {
    const backoff = parked.backoff ?? BACKOFF
    // Without a place for dead letters the lane waits for ever: the order is worth more than the room it takes.
    const attempts = hasDeadLetters ? 10 : Number.POSITIVE_INFINITY
    const then = parked.finally ?? 'dead-letter'
    return {
      parking,
      policy: { ...shared, attempts: parked.attempts ?? attempts, backoff, finally: then },
      firstWait: backoff,
    }
  }
  check.that(Array.isArray(later) && later.length > 0, 'retry.later: a list of durations')
  const waits = later.map((wait, index) => check.duration(`retry.later[${index}]`, wait, 0))
  const then = retry.finally === 'park-key' ? undefined : retry.finally
  return {
    parking: readsBack ? parking : null,
    policy: {
      ...shared,
      attempts: waits.length,
      backoff: (attempt) => waits[attempt] ?? 0,
      finally: then ?? (hasDeadLetters ? 'dead-letter' : 'stop'),
    },
    firstWait: { kind: 'fixed', base: parseDuration(later[0]) ?? 0, jitter: 'none' },
  }
}
