/**
 * Requests that the tests of strange input send again and again, in short: what they leave out is what clients usually say.
 */

import {
  BatchPosition,
  createTopics,
  crc32c,
  encodeRecordBatch,
  fetch,
  listOffsets,
  metadata,
  offsetFetch,
  produce,
  ZERO_UUID,
  type BatchInput,
  type FetchResponse,
  type ProduceResponse,
  type RecordInput,
} from '../../src/protocol/index.ts'
import type { RawClient } from './raw-client.ts'

const text = new TextEncoder()

export interface NewTopic {
  readonly partitions?: number
  readonly replicationFactor?: number
  readonly configs?: Readonly<Record<string, string | null>>
  readonly version?: number
}

/** Asks for a topic; the answer of that topic. */
export async function createTopic(client: RawClient, name: string, topic: NewTopic = {}) {
  const { partitions = 1, replicationFactor = 1, configs = {}, version } = topic
  const { topics } = await client.request(
    createTopics,
    {
      topics: [
        {
          name,
          numPartitions: partitions,
          replicationFactor,
          assignments: [],
          configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
        },
      ],
      timeoutMs: 30_000,
      validateOnly: false,
    },
    version,
  )
  const [answer] = topics
  if (answer === undefined) throw new Error('CreateTopics: no answer')
  return answer
}

export function record(value: string | null, more: Partial<RecordInput> = {}): RecordInput {
  return {
    timestampMs: 1_700_000_000_000,
    key: text.encode('k'),
    value: value === null ? null : text.encode(value),
    ...more,
  }
}

export function batchOf(records: readonly RecordInput[], options: BatchInput = {}): Uint8Array {
  return encodeRecordBatch(records, options)
}

/** The batch with one field of its header overwritten and, unless told, the checksum of what it says now. */
export function lying(
  batch: Uint8Array,
  field: keyof typeof BatchPosition,
  value: number,
  { fixCrc = true }: { readonly fixCrc?: boolean } = {},
): Uint8Array {
  const copy = Buffer.from(batch)
  const at = BatchPosition[field]
  switch (field) {
    case 'baseOffset':
    case 'baseTimestamp':
    case 'maxTimestamp':
    case 'producerId':
      copy.writeBigInt64BE(BigInt(value), at)
      break
    case 'magic':
      copy.writeInt8(value, at)
      break
    case 'attributes':
    case 'producerEpoch':
      copy.writeInt16BE(value, at)
      break
    case 'crc':
      copy.writeUInt32BE(value, at)
      return copy
    default:
      copy.writeInt32BE(value, at)
  }
  if (fixCrc) copy.writeUInt32BE(crc32c(copy, BatchPosition.attributes), BatchPosition.crc)
  return copy
}

export type ProduceAnswer = ProduceResponse['responses'][number]['partitionResponses'][number]

export interface ProduceOptions {
  readonly partition?: number
  readonly acks?: number
  readonly transactionalId?: string | null
  readonly version?: number
}

export function produceRequest(
  topic: string,
  records: Uint8Array | null,
  { partition = 0, acks = -1, transactionalId = null }: ProduceOptions = {},
) {
  return {
    transactionalId,
    acks,
    timeoutMs: 30_000,
    topicData: [{ name: topic, partitionData: [{ index: partition, records }] }],
  }
}

/** Sends a record set to one partition; the answer of that partition. */
export async function produceTo(
  client: RawClient,
  topic: string,
  records: Uint8Array | null,
  options: ProduceOptions = {},
): Promise<ProduceAnswer> {
  const request = produceRequest(topic, records, options)
  const { responses } = await client.request(produce, request, options.version)
  const answer = responses[0]?.partitionResponses[0]
  if (answer === undefined) throw new Error('Produce: no answer')
  return answer
}

export interface FetchOptions {
  readonly topicId?: string
  readonly partition?: number
  readonly offset?: number
  readonly leaderEpoch?: number
  readonly sessionId?: number
  readonly sessionEpoch?: number
  readonly maxBytes?: number
  readonly maxWaitMs?: number
  readonly version?: number
}

/** Reads one partition, by name up to version 12 and by id from 13 on. */
export function fetchFrom(
  client: RawClient,
  topic: string,
  options: FetchOptions = {},
): Promise<FetchResponse> {
  const { topicId = ZERO_UUID, partition = 0, offset = 0, leaderEpoch = -1, version = 12 } = options
  const { sessionId = 0, sessionEpoch = -1, maxBytes = 64 * 1024 * 1024, maxWaitMs = 0 } = options
  return client.request(
    fetch,
    {
      clusterId: null,
      replicaId: -1,
      replicaState: { replicaId: -1, replicaEpoch: -1 },
      maxWaitMs,
      minBytes: 1,
      maxBytes,
      isolationLevel: 0,
      sessionId,
      sessionEpoch,
      topics: [
        {
          topic,
          topicId,
          partitions: [
            {
              partition,
              currentLeaderEpoch: leaderEpoch,
              fetchOffset: offset,
              lastFetchedEpoch: -1,
              logStartOffset: -1,
              partitionMaxBytes: maxBytes,
              replicaDirectoryId: ZERO_UUID,
            },
          ],
        },
      ],
      forgottenTopicsData: [],
      rackId: '',
    },
    version,
  )
}

/** The answer of the one partition that was asked for. */
export function fetched(
  response: FetchResponse,
): FetchResponse['responses'][number]['partitions'][number] {
  const answer = response.responses[0]?.partitions[0]
  if (answer === undefined) throw new Error(`Fetch: no answer (${response.errorCode})`)
  return answer
}

export async function offsetAt(client: RawClient, topic: string, timestamp: number, partition = 0) {
  const { topics } = await client.request(listOffsets, {
    replicaId: -1,
    isolationLevel: 0,
    timeoutMs: 30_000,
    topics: [
      {
        name: topic,
        partitions: [{ partitionIndex: partition, currentLeaderEpoch: -1, timestamp }],
      },
    ],
  })
  const answer = topics[0]?.partitions[0]
  if (answer === undefined) throw new Error('ListOffsets: no answer')
  return answer
}

/** What Metadata says of a topic. */
export async function topicMetadata(client: RawClient, name: string, autoCreate = true) {
  const { topics } = await client.request(metadata, {
    topics: [{ name, topicId: ZERO_UUID }],
    allowAutoTopicCreation: autoCreate,
    includeClusterAuthorizedOperations: false,
    includeTopicAuthorizedOperations: false,
  })
  const [answer] = topics
  if (answer === undefined) throw new Error('Metadata: no answer')
  return answer
}

/** What a group has committed in one partition, as an admin asks. */
export async function committed(client: RawClient, groupId: string, topic: string, partition = 0) {
  const { groups } = await client.request(offsetFetch, {
    groupId: '',
    topics: [],
    groups: [
      {
        groupId,
        memberId: null,
        memberEpoch: -1,
        topics: [{ name: topic, partitionIndexes: [partition] }],
      },
    ],
    requireStable: false,
  })
  const answer = groups[0]?.topics[0]?.partitions[0]
  if (answer === undefined) throw new Error('OffsetFetch: no answer')
  return answer
}
