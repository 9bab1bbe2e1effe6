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

export interface Track {
  readonly partition: OwnedPartition
  readonly trail: EpochTrail
  /** Answers that are not delivered yet, or not to their end. */
  readonly arrived: Arrived[]
  position: number
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

export function newTrack(partition: OwnedPartition, position: number, trail: EpochTrail): Track {
  return {
    partition,
    trail,
    arrived: [],
    position,
    isPaused: false,
    isInFlight: false,
    isContinuing: false,
    waitsFor: 'nothing',
    isAtEnd: false,
    turn: 0,
    damaged: 0,
  }
}

/** Whether to ask for more: one answer may wait for its turn, but not behind one that is taken in pieces. */
export function isReady(track: Track): boolean {
  if (track.isPaused || track.isInFlight || track.waitsFor !== 'nothing') return false
  const [first] = track.arrived
  return first === undefined || (track.arrived.length === 1 && !first.answer.isBegun)
}

export function fetchRequest(
  plan: readonly Planned[],
  { readCommitted, fetch }: SourceSettings,
  { topics }: ClusterView,
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
    rackId: '',
  }
}
