/** The hard state of all share-partitions: what records make of it, and the records that rebuild it. */

import type { SharePartitionId, ShareRecord } from './records.ts'
import { applyShareRecord, type SharePartition, shareSnapshotOf } from './share-partition.ts'

/** What may be asked of a `ShareTable` from outside. */
export type SharePartitions = Pick<ShareTable, 'get' | 'of' | 'all' | 'size'>

export class ShareTable {
  /** Group → topic id and partition. */
  readonly #groups = new Map<string, Map<string, SharePartition>>()
  #size = 0

  /** Share-partitions of all groups together. */
  get size(): number {
    return this.#size
  }

  get({ groupId, topicId, partition }: SharePartitionId): SharePartition | null {
    return this.#groups.get(groupId)?.get(keyOf(topicId, partition)) ?? null
  }

  /** Those of one group. */
  of(groupId: string): Iterable<SharePartition> {
    return this.#groups.get(groupId)?.values() ?? []
  }

  *all(): IterableIterator<SharePartition> {
    for (const partitions of this.#groups.values()) yield* partitions.values()
  }

  /** Those of a topic, in all groups. */
  ofTopic(topicId: string): SharePartition[] {
    return [...this.all()].filter((partition) => partition.topicId === topicId)
  }

  replay(record: ShareRecord): void {
    const { groupId, topicId, partition } = record
    const key = keyOf(topicId, partition)
    const partitions = this.#groups.get(groupId) ?? new Map<string, SharePartition>()
    this.#size -= partitions.size
    const after = applyShareRecord(partitions.get(key) ?? null, record)
    if (after === null) partitions.delete(key)
    else partitions.set(key, after)
    this.#size += partitions.size
    if (partitions.size === 0) this.#groups.delete(groupId)
    else this.#groups.set(groupId, partitions)
  }

  deleteGroup(groupId: string): void {
    this.#size -= this.#groups.get(groupId)?.size ?? 0
    this.#groups.delete(groupId)
  }

  *snapshot(): IterableIterator<ShareRecord> {
    for (const partition of this.all()) yield shareSnapshotOf(partition)
  }
}

function keyOf(topicId: string, partition: number): string {
  return `${topicId}/${partition}`
}
