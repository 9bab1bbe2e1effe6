/**
 * Gathers what `health.ts` judges by, from the parts of a member at work.
 */

import type { CommitLoop } from './completion/commit-loop.ts'
import type { Dispatcher } from './dispatch/dispatcher.ts'
import type { HealthFacts } from './health.ts'
import type { Settings } from './resolve-options.ts'
import type { PartitionWork } from './work.ts'

export interface HealthSources {
  readonly settings: Settings
  readonly partitions: Iterable<PartitionWork>
  readonly dispatcher: Dispatcher
  readonly commits: CommitLoop
  readonly nowMs: number
  readonly progressMs: number
  readonly buffered: number
  readonly pausedWhy: string | null
  readonly failed: string | null
}

export function healthFacts(sources: HealthSources): HealthFacts {
  const { settings, dispatcher, commits, nowMs, buffered, pausedWhy, failed } = sources
  const works = [...sources.partitions]
  const { retriesWaiting, lettersWaiting, detached, oldestStartedMs, ownershipInDoubt, heldBy } =
    dispatcher.facts()
  const idle = works.filter(
    ({ state, usage }) => state === 'open' && !usage.paused && usage.records === 0,
  )
  return {
    stuckAfterMs: settings.stuckAfterMs,
    pausedWhy,
    failed,
    ownershipInDoubt,
    heldBy,
    noProgressMs: nowMs - sources.progressMs,
    buffered,
    oldestInFlightMs: nowMs - (oldestStartedMs ?? nowMs),
    retrying: retriesWaiting,
    lettersWaiting,
    commitFailures: commits.failures,
    commitPendingMs: commits.pendingMs(nowMs),
    detached,
    parked: { keys: sumOf(works, 'laneCount'), records: sumOf(works, 'size') },
    fullMaps: works
      .filter(({ usage, mapFill }) => usage.paused && mapFill >= 1)
      .map(({ id }) => id),
    starved: idle.map(({ id, endOffset, tracker, progressMs }) => ({
      id,
      waiting: endOffset - tracker.nextOffset,
      forMs: endOffset > tracker.nextOffset ? nowMs - progressMs : 0,
    })),
  }
}

function sumOf(works: readonly PartitionWork[], what: 'laneCount' | 'size'): number {
  return works.reduce((sum, { parking }) => sum + (parking?.[what] ?? 0), 0)
}
