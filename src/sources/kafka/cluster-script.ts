/**
 * A small cluster over `ScriptedTransport`: brokers, topics with leaders, offsets that are committed and listed, records
 * that are fetched. For tests of what is above the client; each of its answers can be replaced.
 */

import type { Timers } from '../../core/index.ts'
import {
  ZERO_UUID,
  fetch,
  findCoordinator,
  initProducerId,
  listOffsets,
  metadata,
  offsetCommit,
  offsetFetch,
} from '../../protocol/index.ts'
import type { KafkaErrorCode } from '../../protocol/index.ts'
import { partitionKey } from './member-state.ts'
import { NO_ERROR, ScriptedTransport } from './scripted-transport.ts'

export interface ScriptedPartition {
  /** Record batches by the offset at which a fetch finds them. */
  readonly batches: {
    readonly baseOffset: number
    readonly nextOffset: number
    readonly bytes: Uint8Array
  }[]
  logStartOffset: number
  logEndOffset: number
}

export interface ClusterScript {
  readonly transport: ScriptedTransport
  /** The broker that leads each partition, by topic; what is not in it does not exist. */
  readonly leaders: Map<string, number[]>
  readonly committed: Map<string, { readonly offset: number; readonly metadata: string }>
  /** What commits are answered with instead of being kept. */
  commitError: KafkaErrorCode
  coordinator: number
  partition(topic: string, partition: number): ScriptedPartition
  /** Wakes fetches that wait for records. */
  wake(): void
}

export function clusterScript({
  brokers,
  topics,
  timers,
}: {
  /** For fetches that wait in vain. */
  readonly timers: Timers
  readonly brokers: readonly string[]
  readonly topics: Readonly<Record<string, readonly number[]>>
}): ClusterScript {
  const transport = new ScriptedTransport()
  const partitions = new Map<string, ScriptedPartition>()
  let waiting: (() => void)[] = []
  const script: ClusterScript = {
    transport,
    leaders: new Map(Object.entries(topics).map(([name, leaders]) => [name, [...leaders]])),
    committed: new Map(),
    commitError: 'NONE',
    coordinator: 1,
    partition(topic, partition) {
      const key = partitionKey({ topic, partition })
      const known = partitions.get(key)
      if (known !== undefined) return known
      const made = { batches: [], logStartOffset: 0, logEndOffset: 0 }
      partitions.set(key, made)
      return made
    },
    wake() {
      for (const resume of waiting.splice(0)) resume()
    },
  }
  answerCluster(script, brokers)
  answerOffsets(script)
  answerFetch(script, (maxWaitMs, resume) => {
    waiting.push(resume)
    timers.schedule(maxWaitMs, resume)
  })
  return script
}

const UNKNOWN_TOPIC: KafkaErrorCode = 'UNKNOWN_TOPIC_OR_PARTITION'
const NO_COORDINATOR: KafkaErrorCode = 'COORDINATOR_NOT_AVAILABLE'

/** A topic's id is its name, padded: readable in a failing test. */
export function topicIdOf(name: string): string {
  return name.padEnd(21, '-') + 'A'
}

function answerCluster(script: ClusterScript, brokers: readonly string[]): void {
  const { transport } = script
  const nodes = brokers.map((host, index) => ({ nodeId: index + 1, host, port: 9092, rack: null }))
  transport.on(metadata, ({ topics }) => ({
    throttleTimeMs: 0,
    brokers: nodes,
    clusterId: 'cluster',
    controllerId: 1,
    topics: (topics ?? [...script.leaders.keys()].map((name) => ({ name }))).map(({ name }) => {
      const leaders = script.leaders.get(name ?? '')
      return {
        errorCode: leaders === undefined ? UNKNOWN_TOPIC : NO_ERROR,
        name,
        topicId: leaders === undefined ? ZERO_UUID : topicIdOf(name ?? ''),
        isInternal: false,
        partitions: (leaders ?? []).map((leaderId, partitionIndex) => ({
          errorCode: NO_ERROR,
          partitionIndex,
          leaderId,
          leaderEpoch: 0,
          replicaNodes: [leaderId],
          isrNodes: [leaderId],
          offlineReplicas: [],
        })),
        topicAuthorizedOperations: 0,
      }
    }),
    clusterAuthorizedOperations: 0,
    errorCode: NO_ERROR,
  }))
  transport.on(findCoordinator, ({ coordinatorKeys }) => {
    const node = nodes[script.coordinator - 1] ?? { nodeId: -1, host: '', port: -1 }
    const errorCode = node.nodeId < 0 ? NO_COORDINATOR : NO_ERROR
    return {
      throttleTimeMs: 0,
      errorCode,
      errorMessage: null,
      ...node,
      coordinators: coordinatorKeys.map((key) => ({ ...node, key, errorCode, errorMessage: null })),
    }
  })
  let nextProducerId = 7n
  transport.on(initProducerId, () => ({
    throttleTimeMs: 0,
    errorCode: NO_ERROR,
    producerId: nextProducerId++,
    producerEpoch: 0,
  }))
}

function answerOffsets(script: ClusterScript): void {
  const { transport, committed } = script
  transport.on(offsetFetch, ({ groups }) => ({
    throttleTimeMs: 0,
    topics: [],
    errorCode: NO_ERROR,
    groups: groups.map(({ groupId, topics }) => ({
      groupId,
      errorCode: NO_ERROR,
      topics: (topics ?? []).map(({ name, partitionIndexes }) => ({
        name,
        partitions: partitionIndexes.map((partitionIndex) => {
          const found = committed.get(partitionKey({ topic: name, partition: partitionIndex }))
          return {
            partitionIndex,
            committedOffset: found?.offset ?? -1,
            committedLeaderEpoch: -1,
            metadata: found?.metadata ?? '',
            errorCode: NO_ERROR,
          }
        }),
      })),
    })),
  }))
  transport.on(offsetCommit, ({ topics }) => {
    const errorCode = script.commitError
    for (const { name, partitions } of topics)
      for (const { partitionIndex, committedOffset, committedMetadata } of partitions)
        if (errorCode === 'NONE')
          committed.set(partitionKey({ topic: name, partition: partitionIndex }), {
            offset: committedOffset,
            metadata: committedMetadata ?? '',
          })
    return {
      throttleTimeMs: 0,
      topics: topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
      })),
    }
  })
  transport.on(listOffsets, ({ topics }) => ({
    throttleTimeMs: 0,
    topics: topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex, timestamp }) => {
        const { logStartOffset, logEndOffset } = script.partition(name, partitionIndex)
        const offset = timestamp === -2 ? logStartOffset : logEndOffset
        return { partitionIndex, errorCode: NO_ERROR, timestamp: -1, offset, leaderEpoch: 0 }
      }),
    })),
  }))
}

/** Answers as a broker does: waits while there is nothing new in any asked partition, until `wake` or for `maxWaitMs`. */
function answerFetch(
  script: ClusterScript,
  wait: (maxWaitMs: number, resume: () => void) => void,
): void {
  script.transport.on(fetch, async ({ topics, maxWaitMs }) => {
    const answers = () =>
      topics.map(({ topicId, partitions }) => {
        const name = [...script.leaders.keys()].find((topic) => topicIdOf(topic) === topicId) ?? ''
        return {
          topic: '',
          topicId,
          partitions: partitions.map((one) => answerOne(script, name, one)),
        }
      })
    let responses = answers()
    const hasNews = () =>
      responses.some(({ partitions }) =>
        partitions.some(({ errorCode, records }) => errorCode !== 'NONE' || records.length > 0),
      )
    if (!hasNews()) {
      await new Promise<void>((resume) => wait(maxWaitMs, resume))
      responses = answers()
    }
    return { throttleTimeMs: 0, errorCode: NO_ERROR, sessionId: 0, responses, nodeEndpoints: [] }
  })
}

function answerOne(
  script: ClusterScript,
  topic: string,
  { partition, fetchOffset }: { readonly partition: number; readonly fetchOffset: number },
) {
  const { batches, logStartOffset, logEndOffset } = script.partition(topic, partition)
  const isInside = fetchOffset >= logStartOffset && fetchOffset <= logEndOffset
  const found = batches.find(({ nextOffset }) => nextOffset > fetchOffset)
  const errorCode: KafkaErrorCode = isInside ? 'NONE' : 'OFFSET_OUT_OF_RANGE'
  return {
    partitionIndex: partition,
    errorCode,
    highWatermark: logEndOffset,
    lastStableOffset: logEndOffset,
    logStartOffset,
    divergingEpoch: { epoch: -1, endOffset: -1 },
    currentLeader: { leaderId: -1, leaderEpoch: -1 },
    snapshotId: { endOffset: -1, epoch: -1 },
    abortedTransactions: [],
    preferredReadReplica: -1,
    records: isInside && found !== undefined ? found.bytes : new Uint8Array(0),
  }
}
