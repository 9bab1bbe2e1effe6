/**
 * What a reset of committed offsets means, partition by partition, before anything is changed.
 *
 *   committed, log range, target ──▶ new offset, what that skips or repeats, what had to be said about it
 *
 * Invariants: a new offset lies within the log (log start <= new <= log end); only records that are in the log count as
 * skipped or repeated; a partition whose target cannot be told has a problem instead of a guess, and a plan with a
 * problem is not to be executed. Where Kafka's tool leaves a committed offset outside of the log (`--to-current`), this
 * moves it to the log: from outside, the consumer's `auto.offset.reset` would decide, which may skip everything.
 * Asking and committing is in `reset-group.ts`. Pure.
 */

import { unreachable } from '../core/index.ts'
import type { TopicPartition } from './admin-port.ts'
import { partitionKey } from './lag-model.ts'

export type ResetTarget =
  | { readonly kind: 'earliest' | 'latest' | 'current' }
  | { readonly kind: 'offset'; readonly offset: number }
  /** Forth (positive) or back from the committed offset. */
  | { readonly kind: 'shift'; readonly by: number }
  /** The first record at or after a time; the log end when there is none. */
  | { readonly kind: 'time'; readonly timestampMs: number }
  /** An offset for each partition, by `partitionKey`, from a file or from another group; `source` names it. */
  | {
      readonly kind: 'listed'
      readonly source: string
      readonly offsets: ReadonlyMap<string, number>
    }

/** The first offset of a partition, and the next one to be written. */
export interface LogRange {
  readonly logStart: number
  readonly logEnd: number
}

/** What the broker said of one partition. */
export interface PartitionFacts extends TopicPartition {
  readonly committed: number | null
  /** Null when the partition could not be asked. */
  readonly range: LogRange | null
  /** The first offset at or after the target's time; null when there is none or no time is asked for. */
  readonly atTime: number | null
}

export type ResetNote =
  | 'clamped to log start'
  | 'clamped to log end'
  | 'no record at or after the time: log end'
  | 'nothing committed yet'

export interface PlannedReset extends TopicPartition {
  readonly committed: number | null
  readonly newOffset: number
  /** New minus committed; null when nothing was committed. */
  readonly delta: number | null
  /** Offsets of the log that will be passed over, and those that will come again. One of the two is 0. */
  readonly skipped: number
  readonly repeated: number
  readonly notes: readonly ResetNote[]
}

export interface ResetProblem extends TopicPartition {
  readonly problem: string
}

export interface ResetPlan {
  /** By topic and partition. */
  readonly resets: readonly PlannedReset[]
  readonly problems: readonly ResetProblem[]
  readonly skipped: number
  readonly repeated: number
}

export function planReset(target: ResetTarget, facts: readonly PartitionFacts[]): ResetPlan {
  const ordered = [...facts].sort(
    (left, right) => compare(left.topic, right.topic) || left.partition - right.partition,
  )
  const planned = ordered.map((partition) => planPartition(target, partition))
  const resets = planned.filter((row): row is PlannedReset => 'newOffset' in row)
  return {
    resets,
    problems: planned.filter((row): row is ResetProblem => 'problem' in row),
    skipped: resets.reduce((sum, { skipped }) => sum + skipped, 0),
    repeated: resets.reduce((sum, { repeated }) => sum + repeated, 0),
  }
}

const NO_RANGE = 'its log cannot be asked: the topic is gone, or its leader does not answer'

function planPartition(target: ResetTarget, facts: PartitionFacts): PlannedReset | ResetProblem {
  const { topic, partition, committed, range } = facts
  if (range === null) return { topic, partition, problem: NO_RANGE }
  const wanted = wantedOffset(target, facts, range)
  if (typeof wanted === 'string') return { topic, partition, problem: wanted }
  const newOffset = clamp(wanted, range)
  // Records before the log start are gone and those behind the end are not there: neither is skipped or repeated.
  const moved = committed === null ? 0 : newOffset - clamp(committed, range)
  return {
    topic,
    partition,
    committed,
    newOffset,
    delta: committed === null ? null : newOffset - committed,
    skipped: Math.max(0, moved),
    repeated: Math.max(0, -moved),
    notes: notesOf(target, facts, { wanted, newOffset }),
  }
}

/** The offset that the target asks for, in the log or not, or why it cannot be told. */
function wantedOffset(
  target: ResetTarget,
  { topic, partition, committed, atTime }: PartitionFacts,
  { logStart, logEnd }: LogRange,
): number | string {
  switch (target.kind) {
    case 'earliest':
      return logStart
    case 'latest':
      return logEnd
    case 'current':
      return committed ?? logEnd
    case 'offset':
      return target.offset
    case 'shift':
      return committed === null
        ? 'nothing is committed that could be shifted; name an offset, earliest or latest'
        : committed + target.by
    case 'time':
      return atTime ?? logEnd
    case 'listed':
      return (
        target.offsets.get(partitionKey({ topic, partition })) ??
        `${target.source} has no offset for it`
      )
    default:
      return unreachable(target)
  }
}

function notesOf(
  target: ResetTarget,
  { committed, atTime }: PartitionFacts,
  { wanted, newOffset }: { readonly wanted: number; readonly newOffset: number },
): readonly ResetNote[] {
  return [
    ...(newOffset > wanted ? (['clamped to log start'] as const) : []),
    ...(newOffset < wanted ? (['clamped to log end'] as const) : []),
    ...(target.kind === 'time' && atTime === null
      ? (['no record at or after the time: log end'] as const)
      : []),
    ...(committed === null ? (['nothing committed yet'] as const) : []),
  ]
}

function clamp(offset: number, { logStart, logEnd }: LogRange): number {
  return Math.min(logEnd, Math.max(logStart, offset))
}

function compare(left: string, right: string): number {
  if (left === right) return 0
  return left < right ? -1 : 1
}
