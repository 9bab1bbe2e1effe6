/**
 * How far a group is behind: per partition, in records and in seconds. Pure.
 *
 * Records: from the committed offset (from the first one that still exists, where that is later) to the end. Seconds: the
 * age of the oldest record that is not committed, by its own timestamp; 0 where there is none. A group that has not
 * committed a partition is behind by all that it would read.
 */

export interface LagFacts {
  readonly topic: string
  readonly partition: number
  readonly startOffset: number
  readonly endOffset: number
  /** Null: the group has committed nothing here. */
  readonly committedOffset: number | null
  /** Timestamp of the first record at or after the committed offset, milliseconds; null where it is not known. */
  readonly oldestMs: number | null
}

export interface PartitionLag {
  readonly topic: string
  readonly partition: number
  readonly records: number
  readonly seconds: number
}

export interface GroupLag {
  readonly partitions: readonly PartitionLag[]
  readonly records: number
  /** Of the partition that is most behind. */
  readonly maxSeconds: number
}

export function groupLag(facts: readonly LagFacts[], nowMs: number): GroupLag {
  const partitions = facts.map((fact): PartitionLag => {
    const from = firstUnread(fact)
    const records = Math.max(0, fact.endOffset - from)
    const ageMs = records === 0 || fact.oldestMs === null ? 0 : Math.max(0, nowMs - fact.oldestMs)
    return { topic: fact.topic, partition: fact.partition, records, seconds: ageMs / 1_000 }
  })
  return {
    partitions,
    records: partitions.reduce((sum, { records }) => sum + records, 0),
    maxSeconds: partitions.reduce((most, { seconds }) => Math.max(most, seconds), 0),
  }
}

/** Where the group reads on. */
export function firstUnread({
  startOffset,
  committedOffset,
}: Pick<LagFacts, 'startOffset' | 'committedOffset'>): number {
  return Math.max(startOffset, committedOffset ?? startOffset)
}
