/**
 * What the dispatcher needs of the engine, and tells it.
 */

import type { ShoalError } from '../../core/index.ts'
import type { LetterHost } from '../failure/letter-writer.ts'
import type { Chunk, PartitionWork, WorkItem } from '../work.ts'

/** How a record came to be done. */
export type Ending = 'handled' | 'skipped' | 'deadLettered' | 'parked'

export interface DispatcherHost extends LetterHost {
  /** The record is done: it may be committed past. */
  done(item: WorkItem, how: Ending): void
  /** The same for records that their handler ended at once: they never were items. */
  passed(work: PartitionWork, chunk: Chunk, count: number): void
  /** Whether somebody wants to see each record end. */
  readonly watchesEnds: boolean
  /** All records of a batch were looked at. */
  lookedAt(work: PartitionWork): void
  /** Given back although its partition is still ours: it is drained, or the consumer stops. */
  abandoned(item: WorkItem): void
  /** An execution ended after its partition was gone. */
  late(item: WorkItem): void
  /** The record failed for good, with nowhere to go. */
  gaveUp(item: WorkItem, error: ShoalError): void
  /** Something that must not happen did. */
  broken(error: unknown): void
  ownershipIsFresh(): boolean
  /** Commit at once: a start waits for it. */
  commitSoon(): void
}

/** For health and reports. */
export interface DispatcherFacts {
  readonly retried: number
  readonly retriesWaiting: number
  readonly lettersWaiting: number
  /** Executions that go on although nobody waits for them. */
  readonly detached: number
  readonly oldestStartedMs: number | undefined
  readonly ownershipInDoubt: boolean
  /** What holds everything up, for people. */
  readonly heldBy: readonly string[]
}
