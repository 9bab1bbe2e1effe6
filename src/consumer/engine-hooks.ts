/**
 * What those who bring their own handler, such as the poll loop, are told of a member at work; what it counts.
 */

import type { PartitionWork, WorkItem } from './work.ts'

export interface EngineHooks {
  /** A partition takes nothing more; what has begun may end. */
  draining?: (work: PartitionWork) => void
  /** A record is done: it counts for the committed position. */
  done?: (item: WorkItem) => void
  /** Everything that there is was delivered. */
  partitionEnd?: (work: PartitionWork, offset: number) => void
}

/** What a report counts, at the start. */
export const NOTHING_YET = {
  delivered: 0,
  handled: 0,
  failed: 0,
  deadLettered: 0,
  skipped: 0,
  parked: 0,
  recovered: 0,
  abandoned: 0,
  late: 0,
}
