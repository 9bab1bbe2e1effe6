/**
 * What those who bring their own handler, such as the poll loop, are told of a member at work.
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
