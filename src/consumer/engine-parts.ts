/**
 * The parts of the engine that decide, made by functions: the simulation replaces one at a time by a broken one and
 * must notice.
 */

import { decide } from './failure/decide.ts'
import type { Decide } from './failure/decide.ts'
import { DelayQueue } from './dispatch/delay-queue.ts'
import { LaneTable, ReadyQueue } from './dispatch/lanes.ts'
import type { LaneLimits } from './dispatch/lanes.ts'
import { OffsetTracker } from './completion/offset-tracker.ts'
import type { Remembered } from './completion/remembered.ts'
import type { OutgoingRecord } from './source.ts'
import type { WorkItem } from './work.ts'

export interface EngineParts {
  readonly decide: Decide
  createTracker(startOffset: number, remembered: Remembered | null): OffsetTracker
  createLanes(limits: LaneLimits): LaneTable<WorkItem>
  createReady(): ReadyQueue<WorkItem>
  createDelays(): DelayQueue<WorkItem>
  /** Resolves only when the broker has the letter. */
  writeLetter(
    letter: OutgoingRecord,
    produce: (record: OutgoingRecord) => Promise<void>,
  ): Promise<void>
}

export const engineParts: EngineParts = {
  decide,
  createTracker: (startOffset, remembered) => new OffsetTracker(startOffset, remembered),
  createLanes: (limits) => new LaneTable(limits),
  createReady: () => new ReadyQueue(),
  createDelays: () => new DelayQueue(),
  writeLetter: (letter, produce) => produce(letter),
}
