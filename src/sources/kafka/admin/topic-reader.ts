/**
 * Reading a topic without a group: some partitions, from a position, to their end or on and on. For browsing.
 *
 * Nothing is remembered at the broker. Records of one partition come in order; partitions take turns.
 */

import type { PrintedRecord } from './printed-record.ts'
import { ShoalError } from '../../../core/index.ts'
import { ZERO_UUID, fetch, listOffsets } from '../../../protocol/index.ts'
import type { KafkaErrorCode, KafkaRecord } from '../../../protocol/index.ts'
import { refusal } from '../broker-link.ts'
import { FetchedAnswer, positionAfter } from '../fetched-records.ts'
import { KafkaClient, type Channel, type KafkaClientOptions } from '../kafka-client.ts'
import type { KafkaPorts } from '../options.ts'

const EARLIEST = -2
const LATEST = -1
const FETCH_BYTES = 1024 * 1024
const MAX_DECOMPRESSED_BYTES = 16 * 1024 * 1024

/** Where reading begins: an end of the log, an offset, so many before the end, or the first record at or after a time. */
export type ReadFrom =
  | { readonly kind: 'earliest' | 'latest' }
  | { readonly kind: 'offset'; readonly offset: number }
  | { readonly kind: 'before-end'; readonly count: number }
  | { readonly kind: 'time'; readonly timestampMs: number }

export interface ReadOptions extends KafkaClientOptions {
  readonly topic: string
  /** Default: all. */
  readonly partitions?: readonly number[]
  readonly from: ReadFrom
  /** Go on when the end is reached, until `signal` aborts. Default: stop at the end as it is now. */
  readonly follow: boolean
  readonly signal: AbortSignal
}

/** @throws ShoalError SHOAL_UNKNOWN_TOPIC, SHOAL_BROKER_UNREACHABLE, SHOAL_OFFSET_OUT_OF_RANGE */
export async function* readTopic(
  options: ReadOptions,
  ports: KafkaPorts = {},
): AsyncGenerator<PrintedRecord> {
  await using client = await KafkaClient.open(options, ports)
  const { topic, follow, signal } = options
  const { topics } = await client.refresh([topic])
  const view = topics.get(topic)
  if (view === undefined)
    throw new ShoalError('SHOAL_UNKNOWN_TOPIC', `topic ${topic} does not exist`, {
      details: { topic },
    })
  const wanted = options.partitions ?? view.partitions.map(({ partition }) => partition)
  const positions = await startPositions(client, options, wanted)
  const ends = await offsetsOf(client, topic, wanted, LATEST)
  const topicId = view.topicId
  for (let open = [...wanted]; open.length > 0 && !signal.aborted;) {
    for (const partition of open) {
      if (signal.aborted) return
      const from = positions.get(partition) ?? 0
      if (!follow && from >= (ends.get(partition) ?? 0)) continue
      const waitMs = waitOf(follow, open.length)
      const reading = fetchOnce(client, { topic, topicId, partition, from, waitMs })
      const read = await unlessAborted(reading, signal)
      if (read === null) return
      for (const record of read.records) {
        if (!follow && record.offset >= (ends.get(partition) ?? 0)) break
        yield { topic, partition, ...record }
      }
      positions.set(partition, read.next)
    }
    if (!follow)
      open = open.filter(
        (partition) => (positions.get(partition) ?? 0) < (ends.get(partition) ?? 0),
      )
  }
}

async function startPositions(
  client: KafkaClient,
  { topic, from }: ReadOptions,
  partitions: readonly number[],
): Promise<Map<number, number>> {
  const earliest = await offsetsOf(client, topic, partitions, EARLIEST)
  if (from.kind === 'earliest') return earliest
  const latest = await offsetsOf(client, topic, partitions, LATEST)
  if (from.kind === 'latest') return latest
  const at =
    from.kind === 'time' ? await offsetsOf(client, topic, partitions, from.timestampMs) : null
  return new Map(
    partitions.map((partition) => {
      const [first, end] = [earliest.get(partition) ?? 0, latest.get(partition) ?? 0]
      const asked =
        from.kind === 'offset'
          ? from.offset
          : from.kind === 'before-end'
            ? end - from.count
            : (at?.get(partition) ?? -1)
      // No record at or after a time: begin at the end.
      return [
        partition,
        asked < 0 && from.kind === 'time' ? end : Math.min(end, Math.max(first, asked)),
      ]
    }),
  )
}

async function offsetsOf(
  client: KafkaClient,
  topic: string,
  partitions: readonly number[],
  timestamp: number,
): Promise<Map<number, number>> {
  const answers = partitions.map(async (partition) => {
    const { response } = await client.request(
      listOffsets,
      {
        replicaId: -1,
        isolationLevel: 0,
        timeoutMs: client.settings.requestTimeoutMs,
        topics: [
          {
            name: topic,
            partitions: [{ partitionIndex: partition, currentLeaderEpoch: -1, timestamp }],
          },
        ],
      },
      { to: { topic, partition } },
    )
    const answer = response.topics[0]?.partitions[0]
    throwIfRefused(listOffsets.name, answer?.errorCode, topic, partition)
    return [partition, answer?.offset ?? 0] as const
  })
  return new Map(await Promise.all(answers))
}

interface FetchPosition {
  readonly topic: string
  readonly topicId: string | null
  readonly partition: number
  readonly from: number
  readonly waitMs: number
  /** Most bytes of the answer, unless the first batch alone is larger; default 1 MiB. */
  readonly maxBytes?: number
  /** Default `fetch`. */
  readonly channel?: Channel
}

/** One Fetch of one partition, its records decoded. */
export async function fetchOnce(client: KafkaClient, position: FetchPosition) {
  const { topic, partition, from, waitMs, channel = 'fetch' } = position
  const { response } = await client.request(fetch, fetchRequest(position), {
    to: { topic, partition },
    channel,
    timeoutMs: client.settings.requestTimeoutMs + waitMs,
  })
  const answer = response.responses[0]?.partitions[0]
  throwIfRefused(
    fetch.name,
    answer === undefined ? response.errorCode : answer.errorCode,
    topic,
    partition,
  )
  const bytes = answer?.records ?? new Uint8Array(0)
  const fetched = new FetchedAnswer(bytes, positionAfter(bytes, from), {
    from,
    aborted: null,
    maxDecompressedBytes: MAX_DECOMPRESSED_BYTES,
    pieceBytes: FETCH_BYTES,
  })
  // What lies behind the first piece is asked for again: reading on is the caller's to decide.
  const { records, nextOffset } = fetched.read()
  return { records: [...records].map(decoded), next: nextOffset }
}

/** All that it holds, to be kept and passed on. */
function decoded({ offset, timestampMs, key, value, headers }: KafkaRecord): KafkaRecord {
  return { offset, timestampMs, key, value, headers }
}

function fetchRequest(position: FetchPosition) {
  const { topic, topicId, partition, from, waitMs, maxBytes = FETCH_BYTES } = position
  const partitions = [
    {
      partition,
      fetchOffset: from,
      partitionMaxBytes: maxBytes,
      currentLeaderEpoch: -1,
      lastFetchedEpoch: -1,
      logStartOffset: -1,
      replicaDirectoryId: ZERO_UUID,
    },
  ]
  return {
    clusterId: null,
    replicaId: -1,
    replicaState: { replicaId: -1, replicaEpoch: -1 },
    maxWaitMs: waitMs,
    minBytes: 1,
    maxBytes,
    isolationLevel: 0,
    sessionId: 0,
    sessionEpoch: -1,
    topics: [{ topic, topicId: topicId ?? ZERO_UUID, partitions }],
    forgottenTopicsData: [],
    rackId: '',
  }
}

/** While following several partitions, none may hold up the others for long. */
/** Null at once when the signal aborts: who wants nothing more does not wait for a long poll. Closing the client ends it. */
function unlessAborted<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result | null> {
  return new Promise((resolve, reject) => {
    const stop = () => resolve(null)
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}

function waitOf(follow: boolean, partitionCount: number): number {
  if (!follow) return 100
  return partitionCount === 1 ? 5_000 : Math.max(20, Math.floor(500 / partitionCount))
}

function throwIfRefused(
  what: string,
  error: KafkaErrorCode | undefined,
  topic: string,
  partition: number,
): void {
  if (error === 'NONE' || error === undefined) return
  if (error === 'OFFSET_OUT_OF_RANGE')
    throw new ShoalError(
      'SHOAL_OFFSET_OUT_OF_RANGE',
      `${topic}/${partition}: the position is not in the log any more; begin at earliest`,
      {
        details: { topic, partition },
      },
    )
  throw refusal(what, error, { topic, partition })
}
