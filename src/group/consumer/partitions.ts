/**
 * Sets of partitions by topic id, and the two forms they have: Maps in the state, lists in records and answers.
 */

import type { AssignedPartitions, TopicIdPartitions } from '../records.ts'

export type PartitionSet = ReadonlyMap<string, ReadonlySet<number>>

/** A set of partitions with an epoch each. */
export type PartitionEpochs = ReadonlyMap<string, ReadonlyMap<number, number>>

/** Either form of a set: all that a question needs. */
export type AnyPartitions = ReadonlyMap<string, ReadonlySet<number> | ReadonlyMap<number, number>>

export const NO_PARTITIONS: ReadonlyMap<string, ReadonlyMap<number, number> & ReadonlySet<number>> =
  new Map()

export function has(set: AnyPartitions, topicId: string, partition: number): boolean {
  return set.get(topicId)?.has(partition) ?? false
}

/** Whether all of `part` is in `whole`. */
export function contains(whole: AnyPartitions, part: AnyPartitions): boolean {
  for (const [topicId, partitions] of part)
    for (const partition of partitions.keys()) if (!has(whole, topicId, partition)) return false
  return true
}

export function overlap(left: AnyPartitions, right: AnyPartitions): boolean {
  for (const [topicId, partitions] of left) {
    const others = right.get(topicId)
    if (others === undefined) continue
    for (const partition of partitions.keys()) if (others.has(partition)) return true
  }
  return false
}

export function isEmpty(set: AnyPartitions): boolean {
  for (const partitions of set.values()) if (partitions.size > 0) return false
  return true
}

export function samePartitions(left: AnyPartitions, right: AnyPartitions): boolean {
  return left === right || (contains(left, right) && contains(right, left))
}

/** A set that is being collected. */
export class EpochsBuilder {
  readonly map = new Map<string, Map<number, number>>()

  add(topicId: string, partition: number, epoch: number): void {
    let partitions = this.map.get(topicId)
    if (partitions === undefined) {
      partitions = new Map()
      this.map.set(topicId, partitions)
    }
    partitions.set(partition, epoch)
  }
}

export function setOf(list: readonly TopicIdPartitions[]): PartitionSet {
  const set = new Map<string, Set<number>>()
  for (const { topicId, partitions } of list) {
    const known = set.get(topicId)
    if (known === undefined) set.set(topicId, new Set(partitions))
    else for (const partition of partitions) known.add(partition)
  }
  return set
}

/** Topics in the order of their ids, partitions ascending: the same set gives the same list. */
export function listOf(set: AnyPartitions): readonly TopicIdPartitions[] {
  const list: TopicIdPartitions[] = []
  for (const [topicId, partitions] of set)
    if (partitions.size > 0) list.push({ topicId, partitions: [...partitions.keys()].sort(rising) })
  return list.sort(byTopicId)
}

export function epochsOf(list: readonly AssignedPartitions[]): PartitionEpochs {
  return new Map(list.map(({ topicId, partitions }) => [topicId, new Map(partitions)]))
}

export function epochListOf(epochs: PartitionEpochs): readonly AssignedPartitions[] {
  const list: AssignedPartitions[] = []
  for (const [topicId, partitions] of epochs)
    if (partitions.size > 0)
      list.push({ topicId, partitions: [...partitions].sort(([a], [b]) => rising(a, b)) })
  return list.sort(byTopicId)
}

function rising(left: number, right: number): number {
  return left - right
}

function byTopicId(left: { topicId: string }, right: { topicId: string }): number {
  if (left.topicId === right.topicId) return 0
  return left.topicId < right.topicId ? -1 : 1
}
