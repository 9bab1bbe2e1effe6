/**
 * A small cluster over `ScriptedTransport`: brokers, topics with leaders, offsets that are committed and listed, records
 * that are fetched. For tests of what is above the client; each of its answers can be replaced.
 */

import type { Timers } from '../../core/index.ts'
import {
  ZERO_UUID,
  describeConfigs,
  fetch,
  findCoordinator,
  initProducerId,
  listOffsets,
  metadata,
  offsetCommit,
  offsetFetch,
  offsetForLeaderEpoch,
} from '../../protocol/index.ts'
import type { KafkaErrorCode } from '../../protocol/index.ts'
import { partitionKey } from './topic-partition.ts'
import { NO_ERROR, ScriptedTransport } from './scripted-transport.test.ts'

export interface ScriptedPartition {
  /** Record batches by the offset at which a fetch finds them. */
  readonly batches: {
    readonly baseOffset: number
    readonly nextOffset: number
    readonly bytes: Uint8Array
  }[]
  logStartOffset: number
  logEndOffset: number
  /** Under which leader epoch the log goes on from which offset, rising; empty: the log knows none. */
  epochs: readonly { readonly epoch: number; readonly from: number }[]
}

export interface ScriptedCommit {
  readonly offset: number
  readonly metadata: string
  /** Where the member said one. */
  readonly leaderEpoch?: number
}

export interface ClusterScript {
  readonly transport: ScriptedTransport
  /** The broker that leads each partition, by topic; what is not in it does not exist. */
  readonly leaders: Map<string, number[]>
  /** What is said of topics that do not exist. */
  missingTopicError: KafkaErrorCode
  /** What a group's setting is said to be; null: we may not see it. */
  sessionTimeoutMs: number | null
  /** How often a topic was deleted and made anew: its id differs each time. */
  readonly remakes: Map<string, number>
  /** Brokers that hold every partition, beside its leader. */
  followers: readonly number[]
  /** The replica that leaders name to fetches with a rack; null: none. */
  preferredReplica: number | null
  readonly committed: Map<string, ScriptedCommit>
  /** What commits are answered with instead of being kept. */
  commitError: KafkaErrorCode
  /** What is said when committed offsets are asked for. */
  fetchOffsetsError: KafkaErrorCode
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
    sessionTimeoutMs: null,
    remakes: new Map(),
    followers: [],
    preferredReplica: null,
    committed: new Map(),
    missingTopicError: UNKNOWN_TOPIC,
    commitError: 'NONE',
    fetchOffsetsError: 'NONE',
    coordinator: 1,
    partition(topic, partition) {
      const key = partitionKey({ topic, partition })
      const known = partitions.get(key)
      if (known !== undefined) return known
      const made = { batches: [], logStartOffset: 0, logEndOffset: 0, epochs: [] }
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
const UNAUTHORIZED: KafkaErrorCode = 'GROUP_AUTHORIZATION_FAILED'
const SESSION_SETTING = 'consumer.session.timeout.ms'
const CONFIG = {
  readOnly: false,
  configSource: 5,
  isSensitive: false,
  synonyms: [],
  configType: 0,
  documentation: null,
}
const NO_COORDINATOR: KafkaErrorCode = 'COORDINATOR_NOT_AVAILABLE'

/** A topic's id is its name, padded: readable in a failing test. */
export function topicIdOf(name: string, remakes = 0): string {
  return name.padEnd(21, remakes === 0 ? '-' : String.fromCharCode(97 + remakes)) + 'A'
}

function idIn({ remakes }: ClusterScript, name: string): string {
  return topicIdOf(name, remakes.get(name))
}

function nameIn(script: ClusterScript, topicId: string): string | undefined {
  return [...script.leaders.keys()].find((name) => idIn(script, name) === topicId)
}

function answerCluster(script: ClusterScript, brokers: readonly string[]): void {
  const { transport } = script
  const nodes = brokers.map((host, index) => ({ nodeId: index + 1, host, port: 9092, rack: null }))
  transport.on(metadata, ({ topics }) => ({
    throttleTimeMs: 0,
    brokers: nodes,
    clusterId: 'cluster',
    controllerId: 1,
    topics: (
      topics ?? [...script.leaders.keys()].map((name) => ({ name, topicId: ZERO_UUID }))
    ).map((asked) => {
      const name = asked.name ?? nameIn(script, asked.topicId) ?? null
      const leaders = script.leaders.get(name ?? '')
      return {
        errorCode: leaders === undefined ? script.missingTopicError : NO_ERROR,
        name,
        topicId: leaders === undefined ? ZERO_UUID : idIn(script, name ?? ''),
        isInternal: false,
        partitions: (leaders ?? []).map((leaderId, partitionIndex) => ({
          errorCode: NO_ERROR,
          partitionIndex,
          leaderId,
          leaderEpoch: 0,
          replicaNodes: [leaderId, ...script.followers],
          isrNodes: [leaderId, ...script.followers],
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
  transport.on(describeConfigs, ({ resources }) => ({
    throttleTimeMs: 0,
    results: resources.map(({ resourceType, resourceName }) => ({
      errorCode: script.sessionTimeoutMs === null ? UNAUTHORIZED : NO_ERROR,
      errorMessage: null,
      resourceType,
      resourceName,
      configs:
        script.sessionTimeoutMs === null
          ? []
          : [{ ...CONFIG, name: SESSION_SETTING, value: String(script.sessionTimeoutMs) }],
    })),
  }))
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
            committedLeaderEpoch: found?.leaderEpoch ?? -1,
            metadata: found?.metadata ?? '',
            errorCode: script.fetchOffsetsError,
          }
        }),
      })),
    })),
  }))
  transport.on(offsetCommit, ({ topics }) => {
    const errorCode = script.commitError
    for (const { name, partitions } of topics)
      for (const { partitionIndex, committedOffset, committedMetadata, ...one } of partitions)
        if (errorCode === 'NONE')
          committed.set(partitionKey({ topic: name, partition: partitionIndex }), {
            offset: committedOffset,
            metadata: committedMetadata ?? '',
            ...(one.committedLeaderEpoch < 0 ? {} : { leaderEpoch: one.committedLeaderEpoch }),
          })
    return {
      throttleTimeMs: 0,
      topics: topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
      })),
    }
  })
  transport.on(offsetForLeaderEpoch, ({ topics }) => ({
    throttleTimeMs: 0,
    topics: topics.map(({ topic, partitions }) => ({
      topic,
      partitions: partitions.map(({ partition, leaderEpoch }) => {
        const { epoch, endOffset } = endOfEpoch(script.partition(topic, partition), leaderEpoch)
        return { partition, errorCode: NO_ERROR, leaderEpoch: epoch, endOffset }
      }),
    })),
  }))
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

/** Where an epoch ends, and the highest epoch up to the asked one: as Kafka says it. */
function endOfEpoch(
  { epochs, logEndOffset }: ScriptedPartition,
  asked: number,
): { readonly epoch: number; readonly endOffset: number } {
  const index = epochs.findLastIndex(({ epoch }) => epoch <= asked)
  const known = epochs[index]
  if (known === undefined || asked > (epochs.at(-1)?.epoch ?? -1)) return NOWHERE
  return { epoch: known.epoch, endOffset: epochs[index + 1]?.from ?? logEndOffset }
}

const NOWHERE = { epoch: -1, endOffset: -1 }

/** Answers as a broker does: waits while there is nothing new in any asked partition, until `wake` or for `maxWaitMs`. */
function answerFetch(
  script: ClusterScript,
  wait: (maxWaitMs: number, resume: () => void) => void,
): void {
  script.transport.on(fetch, async ({ topics, maxWaitMs, rackId }, { address }) => {
    const answers = () =>
      topics.map(({ topicId, partitions }) => {
        const name = nameIn(script, topicId)
        const answer = (one: (typeof partitions)[number]) => {
          if (name === undefined) return refusedOne(one.partition, 'UNKNOWN_TOPIC_ID')
          const leads = address.host === `b${script.leaders.get(name)?.[one.partition]}`
          if (leads && rackId !== '' && script.preferredReplica !== null)
            return {
              ...refusedOne(one.partition, 'NONE'),
              preferredReadReplica: script.preferredReplica,
            }
          return answerOne(script, name, one)
        }
        return { topic: '', topicId, partitions: partitions.map(answer) }
      })
    let responses = answers()
    const hasNews = () =>
      responses.some(({ partitions }) =>
        partitions.some(
          ({ errorCode, records, divergingEpoch, preferredReadReplica }) =>
            errorCode !== 'NONE' ||
            records.length > 0 ||
            divergingEpoch.endOffset >= 0 ||
            preferredReadReplica >= 0,
        ),
      )
    if (!hasNews()) {
      await new Promise<void>((resume) => wait(maxWaitMs, resume))
      responses = answers()
    }
    return { throttleTimeMs: 0, errorCode: NO_ERROR, sessionId: 0, responses, nodeEndpoints: [] }
  })
}

function refusedOne(partition: number, errorCode: KafkaErrorCode) {
  return {
    partitionIndex: partition,
    errorCode,
    highWatermark: -1,
    lastStableOffset: -1,
    logStartOffset: -1,
    divergingEpoch: NOWHERE,
    currentLeader: { leaderId: -1, leaderEpoch: -1 },
    snapshotId: { endOffset: -1, epoch: -1 },
    abortedTransactions: [],
    preferredReadReplica: -1,
    records: new Uint8Array(0),
  }
}

function answerOne(
  script: ClusterScript,
  topic: string,
  {
    partition,
    fetchOffset,
    lastFetchedEpoch,
  }: {
    readonly partition: number
    readonly fetchOffset: number
    readonly lastFetchedEpoch: number
  },
) {
  const log = script.partition(topic, partition)
  const { batches, logStartOffset, logEndOffset } = log
  const end = endOfEpoch(log, lastFetchedEpoch)
  const hasDiverged =
    end.endOffset >= 0 && (end.epoch < lastFetchedEpoch || end.endOffset < fetchOffset)
  const isInside = fetchOffset >= logStartOffset && fetchOffset <= logEndOffset
  const found = batches.find(({ nextOffset }) => nextOffset > fetchOffset)
  const errorCode: KafkaErrorCode = isInside || hasDiverged ? 'NONE' : 'OFFSET_OUT_OF_RANGE'
  return {
    partitionIndex: partition,
    errorCode,
    highWatermark: logEndOffset,
    lastStableOffset: logEndOffset,
    logStartOffset,
    divergingEpoch: hasDiverged ? end : NOWHERE,
    currentLeader: { leaderId: -1, leaderEpoch: -1 },
    snapshotId: { endOffset: -1, epoch: -1 },
    abortedTransactions: [],
    preferredReadReplica: -1,
    records: isInside && !hasDiverged && found !== undefined ? found.bytes : new Uint8Array(0),
  }
}
