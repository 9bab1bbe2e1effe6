/**
 * The segments of one partition, in order of base offset; the last one is active.
 *
 *   deleted, to be dropped │ kept │ active
 *                     deletedBefore
 *
 * A deletion counts at once for the next checkpoint and the next append; its segments are still read until the event of it
 * is flushed, then `drop` takes them. No two segments overlap, and none is made below the last one.
 * What is written where is `segment.ts`; files are `segment-writer.ts`'s.
 */

import type { PartitionLogConfig } from './log.ts'
import type { SegmentCheckpoint } from './partition-checkpoint.ts'
import { Segment, type SegmentBatch, type SegmentContext } from './segment.ts'

export class SegmentList {
  readonly #context: SegmentContext
  #segments: Segment[]
  #deletedBefore = 0

  /** Opens no file. */
  constructor(context: SegmentContext, saved: readonly SegmentCheckpoint[]) {
    this.#context = context
    this.#segments = saved.map((state) => new Segment(context, state, { isNew: false }))
    for (const segment of this.#segments.slice(0, -1)) segment.seal()
  }

  /** Also those that are deleted and not dropped. */
  get all(): readonly Segment[] {
    return this.#segments
  }

  /** What is left once every deletion is flushed. */
  get kept(): readonly Segment[] {
    return this.#segments.filter(({ baseOffset }) => baseOffset >= this.#deletedBefore)
  }

  get active(): Segment | undefined {
    return this.#segments.at(-1)
  }

  get sizeBytes(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.size, 0)
  }

  holding(offset: number): Segment | undefined {
    return this.#segments.findLast(({ baseOffset }) => baseOffset <= offset)
  }

  /** The segment that takes the batch: the active one or a new one. */
  forBatch(batch: SegmentBatch, config: PartitionLogConfig, nowMs: number): Segment {
    const { active } = this
    const isUsable =
      active !== undefined &&
      active.baseOffset >= this.#deletedBefore &&
      !active.mustRollBefore(batch, config, nowMs)
    return isUsable ? active : this.roll(batch.baseOffset, config, nowMs)
  }

  roll(
    baseOffset: number,
    { indexIntervalBytes }: Pick<PartitionLogConfig, 'indexIntervalBytes'>,
    nowMs: number,
  ): Segment {
    this.active?.seal()
    const segment = Segment.create(this.#context, baseOffset, { nowMs, indexIntervalBytes })
    this.#segments.push(segment)
    return segment
  }

  deleteBefore(offset: number): void {
    this.#deletedBefore = Math.max(this.#deletedBefore, offset)
  }

  /** Takes the segments below the offset out of the list and answers them. */
  drop(beforeOffset: number): readonly Segment[] {
    const dropped = this.#segments.filter(({ baseOffset }) => baseOffset < beforeOffset)
    this.#segments = this.#segments.filter(({ baseOffset }) => baseOffset >= beforeOffset)
    return dropped
  }

  checkpoint(): readonly SegmentCheckpoint[] {
    return this.kept.map((segment) => segment.checkpoint())
  }
}
