/**
 * One delivered record on its way through the runtime, and the batch it came in.
 *
 * The item is the node of two intrusive lists at once, its lane and the ready queue, so queueing allocates nothing.
 *
 *   queued ──ready, slot free──▶ running ──▶ done
 *                 ▲                │ failed          │ no attempts left
 *                 └── due ── waiting ◀──┘             └──▶ letter (to be written to the dead letters, tried until it is)
 */

import type { SourceRecord } from './source.ts'
import type { Lane } from './lanes.ts'
import type { PartitionWork } from './partition-work.ts'

/** The records that arrived together: their memory is free when the last of them is done. */
export interface Chunk {
  readonly byteLength: number
  remaining: number
}

/** A record that failed for good and what the dead letter will say about it. */
export interface Letter {
  readonly reason: string
  readonly error: string
  /** Wall time of the last failed execution. */
  readonly failedMs: number
  /** Writes that failed so far. */
  failures: number
}

export class WorkItem {
  readonly record: SourceRecord
  readonly partition: PartitionWork
  readonly chunk: Chunk
  /** Its place in the partition's offset tracker. */
  readonly ordinal: number
  /** What decides which records it may not overtake; null: the partition's own lane. */
  laneKey: Uint8Array | null = null
  lane: Lane | null = null
  /** Next in the lane. */
  next: WorkItem | null = null
  /** Next in the ready queue. */
  nextReady: WorkItem | null = null
  /** Executions begun. */
  attempts = 0
  /** When it may run again; moments of monotonic time. */
  dueMs = 0
  /** Ties in `dueMs` are broken by it. */
  dueOrder = 0
  /** It runs, or its dead letter is being written: its lane stays when its partition goes. */
  active = false
  letter: Letter | null = null
  /** Wall time of the first failed execution, 0 before. */
  firstFailureMs = 0
  /** What the payload said, where its lane had to be read from it. */
  decoded: { readonly value: unknown } | { readonly error: unknown } | null = null

  constructor(
    record: SourceRecord,
    partition: PartitionWork,
    chunk: Chunk,
    ordinal: number,
  ) {
    this.record = record
    this.partition = partition
    this.chunk = chunk
    this.ordinal = ordinal
  }
}
