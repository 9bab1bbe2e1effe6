/**
 * From two looks at a group to how fast it reads and when it will have caught up. Pure.
 *
 *   read rate    = committed now - committed then, per second
 *   write rate   = end now - end then, per second
 *   drains in    = lag / (read rate - write rate); never, where that is not positive and there is lag
 *
 * The whole group has caught up when its slowest part has: that is the maximum, not the sum.
 */

import { firstUnread, type LagFacts } from './group-lag.ts'

/** All partitions of a group at one moment. */
export interface LagLook {
  readonly atMs: number
  readonly facts: readonly LagFacts[]
}

export interface LagMeasure {
  readonly topic: string
  readonly partition: number
  readonly records: number
  /** Age of the oldest unread record; null where it could not be read. */
  readonly seconds: number | null
  readonly readPerSecond: number
  readonly writtenPerSecond: number
  /** 0 without lag; null: never, at this rate. */
  readonly drainSeconds: number | null
}

export type LagSum = Omit<LagMeasure, 'topic' | 'partition'>

export function lagMeasures(before: LagLook, now: LagLook): readonly LagMeasure[] {
  const earlier = new Map(before.facts.map((fact) => [keyOf(fact), fact]))
  const spanSeconds = Math.max(1, now.atMs - before.atMs) / 1_000
  return now.facts.map((fact) => {
    const was = earlier.get(keyOf(fact)) ?? fact
    const from = firstUnread(fact)
    const records = Math.max(0, fact.endOffset - from)
    const readPerSecond = Math.max(0, from - firstUnread(was)) / spanSeconds
    const writtenPerSecond = Math.max(0, fact.endOffset - was.endOffset) / spanSeconds
    const ageMs = fact.oldestMs === null ? null : Math.max(0, now.atMs - fact.oldestMs)
    return {
      topic: fact.topic,
      partition: fact.partition,
      records,
      seconds: records === 0 ? 0 : ageMs === null ? null : ageMs / 1_000,
      readPerSecond,
      writtenPerSecond,
      drainSeconds: drainSeconds(records, readPerSecond - writtenPerSecond),
    }
  })
}

export function lagSum(measures: readonly LagMeasure[]): LagSum {
  const sum = (of: (measure: LagMeasure) => number) =>
    measures.reduce((total, measure) => total + of(measure), 0)
  const seconds = measures.flatMap((measure) => measure.seconds ?? [])
  const isNever = measures.some((measure) => measure.drainSeconds === null)
  return {
    records: sum(({ records }) => records),
    seconds: seconds.length === 0 ? null : Math.max(...seconds),
    readPerSecond: sum(({ readPerSecond }) => readPerSecond),
    writtenPerSecond: sum(({ writtenPerSecond }) => writtenPerSecond),
    drainSeconds: isNever ? null : Math.max(0, ...measures.map((each) => each.drainSeconds ?? 0)),
  }
}

function drainSeconds(records: number, gainPerSecond: number): number | null {
  if (records === 0) return 0
  return gainPerSecond > 0 ? records / gainPerSecond : null
}

function keyOf({ topic, partition }: LagFacts): string {
  return `${topic}:${partition}`
}
