/**
 * What groups have committed: group → topic → partition → offset. Hard state, changed by replay alone.
 *
 * The committed offset is the last one that was accepted; nothing here compares it with the one before. Who may commit is
 * decided in `commit.ts`.
 */

import type { OffsetRecord, OffsetsCommittedRecord, OffsetsDeletedRecord } from '../records.ts'

export interface CommittedOffset {
  readonly offset: number
  readonly leaderEpoch: number
  readonly metadata: string
  readonly commitTimestampMs: number
  readonly expireTimestampMs: number | null
}

export type TopicOffsets = ReadonlyMap<string, ReadonlyMap<number, CommittedOffset>>

export class OffsetTable {
  readonly #groups = new Map<string, Map<string, Map<number, CommittedOffset>>>()

  of(groupId: string): TopicOffsets {
    return this.#groups.get(groupId) ?? NO_OFFSETS
  }

  groupIds(): Iterable<string> {
    return this.#groups.keys()
  }

  commit(record: OffsetsCommittedRecord): void {
    const { commitTimestampMs, expireTimestampMs } = record
    const topics = entry(this.#groups, record.groupId, () => new Map())
    for (const { topic, partitions } of record.topics) {
      const offsets = entry(topics, topic, () => new Map())
      for (const { partition, offset, leaderEpoch, metadata } of partitions)
        offsets.set(partition, {
          offset,
          leaderEpoch,
          metadata,
          commitTimestampMs,
          expireTimestampMs,
        })
    }
  }

  delete(record: OffsetsDeletedRecord): void {
    const topics = this.#groups.get(record.groupId)
    if (topics === undefined) return
    for (const { topic, partitions } of record.topics) {
      const offsets = topics.get(topic)
      if (offsets === undefined) continue
      for (const partition of partitions) offsets.delete(partition)
      if (offsets.size === 0) topics.delete(topic)
    }
    if (topics.size === 0) this.#groups.delete(record.groupId)
  }

  deleteGroup(groupId: string): void {
    this.#groups.delete(groupId)
  }

  /** The records that rebuild the offsets of a group: one for all that were committed in the same moment. */
  snapshot(groupId: string, observedMs: number): OffsetsCommittedRecord[] {
    const moments = new Map<string, Moment>()
    for (const [topic, offsets] of this.of(groupId)) {
      for (const [partition, committed] of offsets) {
        const { commitTimestampMs, expireTimestampMs, offset, leaderEpoch, metadata } = committed
        const moment = entry(moments, `${commitTimestampMs}/${expireTimestampMs}`, () => ({
          commitTimestampMs,
          expireTimestampMs,
          topics: new Map(),
        }))
        const partitions = entry(moment.topics, topic, () => [])
        partitions.push({ partition, offset, leaderEpoch, metadata })
      }
    }
    return Array.from(moments.values(), ({ topics, ...times }) => ({
      kind: 'offsets-committed',
      groupId,
      ...times,
      observedMs,
      topics: Array.from(topics, ([topic, partitions]) => ({ topic, partitions })),
    }))
  }
}

interface Moment {
  readonly commitTimestampMs: number
  readonly expireTimestampMs: number | null
  readonly topics: Map<string, OffsetRecord[]>
}

const NO_OFFSETS: TopicOffsets = new Map()

function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key)
  if (value === undefined) {
    value = make()
    map.set(key, value)
  }
  return value
}
