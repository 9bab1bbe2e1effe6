/**
 * What the fetcher knows of one partition, and the request that asks for some of them.
 *
 *   position ─Fetch─▶ arrived (undecoded) ─piece by piece─▶ delivered
 *
 * `position` is ahead of what was delivered: the next fetch leaves before the last answer is decoded.
 */

import type { OwnedPartition } from '../../consumer/index.ts'
import { ZERO_UUID } from '../../protocol/index.ts'
import type { ClusterView } from './cluster-view.ts'
import type { EpochTrail } from './epoch-trail.ts'
import type { FetchedAnswer } from './fetched-records.ts'
import type { SourceSettings } from './options.ts'

/** What is read: a log of this topic id (null: the broker has none), written under these leaders. */
export interface ReadLog {
  readonly topicId: string | null
  readonly trail: EpochTrail
}

export interface Track extends ReadLog {
  readonly partition: OwnedPartition
  /** Answers that are not delivered yet, or not to their end. */
  readonly arrived: Arrived[]
  position: number
  /** Where the log ended when it was last asked; 0: not known. */
  endOffset: number
  isPaused: boolean
  isInFlight: boolean
  /** It goes on with `arrived` in a later turn of the event loop. */
  isContinuing: boolean
  /** Not to be fetched until the cluster was looked at again, a position was found, or (it failed) its owner ends. */
  waitsFor: 'nothing' | 'cluster' | 'position' | 'the end'
  isAtEnd: boolean
  /** Changes when the position is set anew; an answer of an earlier turn is dropped. */
  turn: number
  /** Damaged answers in a row. */
  damaged: number
  /** The replica that the leader told to read from, and until when that counts; null: the leader. */
  replica: { readonly node: number; readonly untilMs: number } | null
}

export interface Arrived {
  readonly answer: FetchedAnswer
  readonly endOffset: number
}

/** A partition as one fetch asks for it. */
export interface Planned {
  readonly track: Track
  readonly offset: number
  readonly turn: number
}

export function newTrack(partition: OwnedPartition, position: number, log: ReadLog): Track {
  return {
    ...log,
    partition,
    arrived: [],
    position,
    endOffset: 0,
    isPaused: false,
    isInFlight: false,
    isContinuing: false,
    waitsFor: 'nothing',
    isAtEnd: false,
    turn: 0,
    damaged: 0,
    replica: null,
  }
}

/** Whether to ask for more: one answer may wait packed, or be handed over piece by piece, while the next is on its way. */
export function isReady(track: Track): boolean {
  if (track.isPaused || track.isInFlight || track.waitsFor !== 'nothing') return false
  return track.arrived.length <= 1
}

/** What has arrived and is not delivered, bytes. */
export function bytesWaiting({ arrived }: Track): number {
  let bytes = 0
  for (const { answer } of arrived) bytes += answer.bytesLeft
  return bytes
}

/** Whether there are records to be fetched for certain: the broker answers at once. */
export function isBehind({ position, endOffset }: Track): boolean {
  return position < endOffset
}

/** Whether the topic was deleted and another one made under its name. */
export function isRemade({ topicId, partition }: Track, { topics }: ClusterView): boolean {
  const now = topics.get(partition.topic)?.topicId ?? null
  return topicId !== null && now !== null && now !== topicId
}

/** The broker to read from: the replica that was told, while it is there, else the leader; null while there is none. */
export function nodeToRead(track: Track, view: ClusterView, nowMs: number): number | null {
  const { topic, partition } = track.partition
  const known = view.topics.get(topic)?.partitions[partition]
  if (known === undefined) return null
  const { replica } = track
  if (replica !== null && replica.untilMs > nowMs)
    if (known.replicas.includes(replica.node) && view.brokers.has(replica.node)) return replica.node
  return known.leader !== null && view.brokers.has(known.leader) ? known.leader : null
}

/** @param rackId where this consumer is; empty: read from leaders */
export function fetchRequest(
  plan: readonly Planned[],
  { readCommitted, fetch }: SourceSettings,
  { topics }: ClusterView,
  rackId: string,
) {
  const { minBytes, maxWaitMs, maxBytes, maxPartitionBytes } = fetch
  const byTopic = Map.groupBy(plan, ({ track }) => track.partition.topic)
  return {
    clusterId: null,
    replicaId: -1,
    replicaState: { replicaId: -1, replicaEpoch: -1 },
    maxWaitMs,
    minBytes,
    maxBytes,
    isolationLevel: readCommitted ? 1 : 0,
    sessionId: 0,
    sessionEpoch: -1,
    topics: [...byTopic].map(([topic, planned]) => ({
      topic,
      topicId: topics.get(topic)?.topicId ?? ZERO_UUID,
      partitions: planned.map(({ track: { partition, trail }, offset }) => ({
        partition: partition.partition,
        currentLeaderEpoch: topics.get(topic)?.partitions[partition.partition]?.leaderEpoch ?? -1,
        fetchOffset: offset,
        lastFetchedEpoch: trail.before(offset),
        logStartOffset: -1,
        partitionMaxBytes: maxPartitionBytes,
        replicaDirectoryId: ZERO_UUID,
      })),
    })),
    forgottenTopicsData: [],
    rackId,
  }
}
