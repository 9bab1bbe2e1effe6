/**
 * Appends records, each acknowledged by the broker when it has them (acks=all), in order for each partition.
 *
 * Idempotent: a batch that is sent again because its answer was lost is recognised by the broker and not appended twice.
 * Records of a partition gather in a batch while the one before is under way, or for `lingerMs`; one request at a time
 * goes to a broker, with the first batch of every partition that it leads. A send is rejected only when it is certain that
 * repeating does not help, or after `deliveryTimeoutMs`; then, and only then, it is not known whether the record is there.
 *
 * No transactions.
 */

import { ShoalError, messageOf, randomBelow } from '../../core/index.ts'
import type { Timer } from '../../core/index.ts'
import type { OutgoingRecord } from '../../consumer/index.ts'
import {
  encodeRecordBatch,
  initProducerId,
  isRetriable,
  kafkaErrorSentence,
  partitionForKey,
  produce,
} from '../../protocol/index.ts'
import type {
  CompressionType,
  KafkaErrorCode,
  Partitioner,
  RecordInput,
} from '../../protocol/index.ts'
import { backoffMs } from '../backoff.ts'
import { refusal } from './broker-link.ts'
import { leaderOf } from './cluster-view.ts'
import { KafkaClient, isPassing } from './kafka-client.ts'
import { partitionKey } from './topic-partition.ts'
import type { KafkaClusterOptions, KafkaPorts } from './options.ts'
import { PartitionQueue } from './producer-queue.ts'
import type { QueuedRecord, SealedBatch, SentRecord } from './producer-queue.ts'

export interface KafkaProducerSettings {
  /** Default `none`. */
  readonly compression?: CompressionType
  /** How a key chooses its partition: `murmur2` as Java does (default), or `crc32` as librdkafka does. */
  readonly partitioner?: Partitioner
  /** How long a record waits for others to go with it, milliseconds; default 5. */
  readonly lingerMs?: number
  /** Most bytes of records in a batch, before compression; default 256 KiB. */
  readonly batchBytes?: number
  /** Most bytes of batches in a request; default 1 MiB. A single batch may be larger. */
  readonly maxRequestBytes?: number
  /** Bytes of records that wait for their acknowledgement; beyond it sends wait for room. Default 32 MiB. */
  readonly maxBufferedBytes?: number
  /** How long a record is tried, milliseconds; default 120,000. */
  readonly deliveryTimeoutMs?: number
  /** How long a topic may be missing before its records are refused, milliseconds; default 10,000. */
  readonly topicTimeoutMs?: number
}

export interface KafkaProducerOptions extends KafkaClusterOptions, KafkaProducerSettings {}

export interface ProducerRecord extends OutgoingRecord {
  /** When the event happened, milliseconds since the epoch; default: now. */
  readonly timestampMs?: number
}

/** What a record takes beside its key, value and headers, at most. */
const RECORD_OVERHEAD_BYTES = 32
const MS_UNTIL_TIMEOUT_OF_BROKER = 30_000
/** The broker has the batch already, from an attempt whose answer was lost. */
const ALREADY_THERE: KafkaErrorCode = 'DUPLICATE_SEQUENCE_NUMBER'
/** The broker's memory of the producer does not fit what was sent. */
const LOST_TRACK: ReadonlySet<KafkaErrorCode> = new Set([
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'UNKNOWN_PRODUCER_ID',
  'INVALID_PRODUCER_EPOCH',
])

type ProduceAnswer = Awaited<
  ReturnType<typeof askProduce>
>['response']['responses'][number]['partitionResponses'][number]

export class KafkaProducer implements AsyncDisposable {
  readonly #client: KafkaClient
  readonly #ownsClient: boolean
  readonly #settings: Required<KafkaProducerSettings>
  readonly #queues = new Map<string, PartitionQueue>()
  readonly #busy = new Set<number>()
  /** Records that wait for their topic to be known, in the order in which they came. */
  readonly #unplaced = new Map<string, ((failure: Error | null) => void)[]>()
  readonly #sticky = new Map<string, number>()
  #identity: Promise<{ readonly id: bigint; readonly epoch: number }> | null = null
  #bufferedBytes = 0
  #pendingCount = 0
  #flushing = 0
  #waitingForRoom: (() => void)[] = []
  #waitingForAll: (() => void)[] = []
  #timer: Timer | null = null
  #timerAtMs = Number.POSITIVE_INFINITY
  #isClosed = false

  /** A producer on a client that somebody else closes. */
  constructor(client: KafkaClient, settings: KafkaProducerSettings = {}, ownsClient = false) {
    this.#client = client
    this.#ownsClient = ownsClient
    this.#settings = {
      compression: settings.compression ?? 'none',
      partitioner: settings.partitioner ?? 'murmur2',
      lingerMs: settings.lingerMs ?? 5,
      batchBytes: settings.batchBytes ?? 256 * 1024,
      maxRequestBytes: settings.maxRequestBytes ?? 1024 * 1024,
      maxBufferedBytes: settings.maxBufferedBytes ?? 32 * 1024 * 1024,
      deliveryTimeoutMs: settings.deliveryTimeoutMs ?? 120_000,
      topicTimeoutMs: settings.topicTimeoutMs ?? 10_000,
    }
  }

  /** @throws ShoalError SHOAL_BROKER_UNREACHABLE, SHOAL_INVALID_ARGUMENT */
  static async open(options: KafkaProducerOptions, ports: KafkaPorts = {}): Promise<KafkaProducer> {
    return new KafkaProducer(await KafkaClient.open(options, ports), options, true)
  }

  /**
   * Resolves when the broker has the record. Calls keep their order within a partition.
   * @throws ShoalError SHOAL_UNKNOWN_TOPIC, SHOAL_REQUEST_FAILED (refused), SHOAL_REQUEST_TIMEOUT (not known), SHOAL_CLOSED
   */
  async send(record: ProducerRecord): Promise<SentRecord> {
    while (this.#bufferedBytes >= this.#settings.maxBufferedBytes && !this.#isClosed)
      await new Promise<void>((resolve) => this.#waitingForRoom.push(resolve))
    if (this.#isClosed) throw closed()
    return new Promise((sent, failed) => this.#accept(record, sent, failed))
  }

  /** Resolves when every record that was sent so far is settled. */
  async flush(): Promise<void> {
    if (this.#pendingCount === 0) return
    this.#flushing++
    this.#pump()
    await new Promise<void>((resolve) => this.#waitingForAll.push(resolve))
    this.#flushing--
  }

  /** Sends what waits, then ends. Idempotent. */
  async close(): Promise<void> {
    if (!this.#isClosed) await this.flush()
    await this.abort()
  }

  /** Ends at once; what waits is rejected. Idempotent. */
  async abort(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    for (const queue of this.#queues.values())
      for (const { failed } of queue.takeAll()) failed(closed())
    for (const waiting of this.#unplaced.values()) for (const place of waiting) place(closed())
    this.#unplaced.clear()
    for (const resolve of this.#waitingForRoom.splice(0)) resolve()
    for (const resolve of this.#waitingForAll.splice(0)) resolve()
    if (this.#ownsClient) await this.#client.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #accept(
    record: ProducerRecord,
    sent: (record: SentRecord) => void,
    failed: (error: Error) => void,
  ): void {
    const byteLength = sizeOf(record)
    this.#bufferedBytes += byteLength
    this.#pendingCount++
    const settle = () => {
      this.#bufferedBytes -= byteLength
      this.#pendingCount--
      for (const resolve of this.#waitingForRoom.splice(0)) resolve()
      if (this.#pendingCount === 0) for (const resolve of this.#waitingForAll.splice(0)) resolve()
    }
    const queued: QueuedRecord = {
      record: { ...record, timestampMs: record.timestampMs ?? this.#client.ports.clock.wallMs() },
      byteLength,
      sent: (where) => {
        settle()
        sent(where)
      },
      failed: (error) => {
        settle()
        failed(error)
      },
    }
    const place = (failure: Error | null) =>
      failure === null ? this.#place(record, queued) : queued.failed(failure)
    const waiting = this.#unplaced.get(record.topic)
    if (waiting !== undefined) waiting.push(place)
    else if (this.#client.cluster.topics.has(record.topic)) place(null)
    else {
      this.#unplaced.set(record.topic, [place])
      void this.#learnTopic(record.topic)
    }
  }

  #place(record: ProducerRecord, queued: QueuedRecord): void {
    if (this.#isClosed) return queued.failed(closed())
    const partitionCount = this.#client.cluster.topics.get(record.topic)?.partitions.length ?? 0
    const partition = record.partition ?? this.#choose(record, partitionCount)
    if (partition >= partitionCount)
      return queued.failed(
        new ShoalError(
          'SHOAL_UNKNOWN_TOPIC',
          `topic ${record.topic} has ${partitionCount} partitions, none of them is ${partition}`,
          { details: { topic: record.topic, partition } },
        ),
      )
    const key = partitionKey({ topic: record.topic, partition })
    let queue = this.#queues.get(key)
    if (queue === undefined)
      this.#queues.set(key, (queue = new PartitionQueue(record.topic, partition)))
    const nowMs = this.#nowMs
    const { batchBytes: maxBytes, deliveryTimeoutMs: timeoutMs, lingerMs } = this.#settings
    const wasEmpty = queue.isEmpty
    queue.add(queued, { maxBytes, nowMs, timeoutMs })
    if (queue.isReady(nowMs, lingerMs)) this.#wakeAt(nowMs)
    else if (wasEmpty) this.#wakeAt(nowMs + lingerMs)
  }

  /** The key decides; records without one fill a partition's batch before they turn to another. */
  #choose({ topic, key }: ProducerRecord, partitionCount: number): number {
    if (key !== null) return partitionForKey(key, partitionCount, this.#settings.partitioner)
    const sticky = this.#sticky.get(topic)
    if (sticky !== undefined && sticky < partitionCount) return sticky
    const chosen = randomBelow(this.#client.ports.random, partitionCount)
    this.#sticky.set(topic, chosen)
    return chosen
  }

  async #learnTopic(topic: string): Promise<void> {
    let failure: Error | null = null
    try {
      await this.#client.retrying(async () => {
        const { topics, absent } = await this.#client.refreshOrCreate(topic)
        if (!topics.has(topic)) throw missingTopic(topic, absent.get(topic))
      }, this.#settings.topicTimeoutMs)
    } catch (error) {
      failure = error instanceof Error ? error : new Error(messageOf(error))
    }
    const waiting = this.#unplaced.get(topic) ?? []
    this.#unplaced.delete(topic)
    for (const place of waiting) place(failure)
  }

  #wakeAt(atMs: number): void {
    if (atMs >= this.#timerAtMs) return
    this.#timer?.cancel()
    this.#timerAtMs = atMs
    const { timers } = this.#client.ports
    const wake = () => {
      this.#timer = null
      this.#timerAtMs = Number.POSITIVE_INFINITY
      this.#pump()
    }
    const delayMs = atMs - this.#nowMs
    if (delayMs > 0) this.#timer = timers.schedule(delayMs, wake)
    else timers.soon(wake)
  }

  /** Sends the first batch of every partition that is ready, one request to each broker that is free. */
  #pump(): void {
    if (this.#isClosed) return
    const nowMs = this.#nowMs
    const lingerMs = this.#flushing > 0 ? 0 : this.#settings.lingerMs
    const byNode = new Map<number, PartitionQueue[]>()
    for (const queue of this.#queues.values()) {
      const { head } = queue
      if (head === null || queue.isInFlight) continue
      if (nowMs >= head.deadlineMs) this.#giveUp(queue)
      if (queue.isReady(nowMs, lingerMs)) {
        const node = leaderOf(this.#client.cluster, queue.topic, queue.partition)
        if (node === null) this.#postpone(queue, 'LEADER_NOT_AVAILABLE')
        else byNode.set(node, [...(byNode.get(node) ?? []), queue])
      } else if (queue.head !== null)
        this.#wakeAt(Math.max(queue.notBeforeMs, queue.head.sinceMs + lingerMs, nowMs + 1))
    }
    for (const [node, queues] of byNode)
      if (!this.#busy.has(node)) void this.#produce(node, this.#fitting(queues))
  }

  #fitting(queues: readonly PartitionQueue[]): readonly PartitionQueue[] {
    let byteLength = 0
    const fitting = queues.filter((queue, index) => {
      byteLength += queue.head?.byteLength ?? 0
      return index === 0 || byteLength <= this.#settings.maxRequestBytes
    })
    for (const queue of fitting) queue.isInFlight = true
    return fitting
  }

  async #produce(node: number, queues: readonly PartitionQueue[]): Promise<void> {
    this.#busy.add(node)
    try {
      const { id, epoch } = await this.#producerId()
      const batches = queues.flatMap((queue) => {
        const batch = this.#seal(queue, id, epoch)
        return batch === null ? [] : [{ queue, batch }]
      })
      const answers = new Map<string, ProduceAnswer>()
      if (batches.length > 0) {
        const { response } = await askProduce(this.#client, node, batches)
        for (const { name, partitionResponses } of response.responses)
          for (const answer of partitionResponses)
            answers.set(partitionKey({ topic: name, partition: answer.index }), answer)
      }
      for (const { queue, batch } of batches)
        this.#settle(queue, batch, answers.get(partitionKey(queue)))
    } catch (error) {
      for (const queue of queues)
        if (isPassing(error)) this.#postpone(queue, messageOf(error))
        else this.#fail(queue, error instanceof Error ? error : new Error(messageOf(error)))
    }
    for (const queue of queues) queue.isInFlight = false
    this.#busy.delete(node)
    this.#pump()
  }

  #seal(queue: PartitionQueue, producerId: bigint, producerEpoch: number): SealedBatch | null {
    this.#sticky.delete(queue.topic)
    const { compression } = this.#settings
    const encode = (records: readonly RecordInput[], baseSequence: number) =>
      encodeRecordBatch(records, { compression, producerId, producerEpoch, baseSequence })
    try {
      return queue.seal(producerId, encode)
    } catch (error) {
      this.#fail(queue, error instanceof Error ? error : new Error(messageOf(error)))
      return null
    }
  }

  #settle(queue: PartitionQueue, batch: SealedBatch, answer: ProduceAnswer | undefined): void {
    const error = answer?.errorCode ?? 'UNKNOWN_SERVER_ERROR'
    const { topic, partition } = queue
    if (error === 'NONE' || error === ALREADY_THERE) {
      queue.drop()
      const base = error === 'NONE' ? (answer?.baseOffset ?? -1) : -1
      for (const [index, { sent }] of batch.records.entries())
        sent({ topic, partition, offset: base < 0 ? -1 : base + index })
    } else if (error === 'MESSAGE_TOO_LARGE' && queue.split()) return
    else if (LOST_TRACK.has(error) && queue.attempts === 0) {
      // This very batch was never sent before, so nothing of it can be there: again under a new identity.
      this.#identity = null
      queue.unseal()
      this.#postpone(queue, error)
    } else if (isRetriable(error)) this.#postpone(queue, error)
    else this.#fail(queue, refused(topic, partition, error, answer?.errorMessage ?? null))
  }

  /** Again later, after a look at who leads the partition now. */
  #postpone(queue: PartitionQueue, reason: string): void {
    queue.attempts++
    const { reconnectBackoffMs: firstMs, reconnectBackoffMaxMs: longestMs } = this.#client.settings
    const waitMs = backoffMs(queue.attempts, { firstMs, longestMs }, this.#client.ports.random)
    queue.notBeforeMs = this.#nowMs + waitMs
    const { logger } = this.#client.ports
    const where = { topic: queue.topic, partition: queue.partition }
    logger.log('debug', 'a batch is sent again', { ...where, reason })
    this.#client.refresh([queue.topic]).catch((error: unknown) => {
      logger.log('debug', 'the cluster was not reached', { reason: messageOf(error) })
    })
    this.#wakeAt(queue.notBeforeMs)
  }

  #giveUp(queue: PartitionQueue): void {
    const { topic, partition } = queue
    const { deliveryTimeoutMs } = this.#settings
    this.#fail(
      queue,
      new ShoalError(
        'SHOAL_REQUEST_TIMEOUT',
        `no broker acknowledged a record for partition ${partition} of topic ${topic} within ${deliveryTimeoutMs} ms; whether it is there is not known`,
        { details: { topic, partition, timeoutMs: deliveryTimeoutMs } },
      ),
    )
  }

  /** The first batch is lost to us; the numbers of the producer went with it. */
  #fail(queue: PartitionQueue, error: Error): void {
    this.#identity = null
    for (const { failed } of queue.drop()?.records ?? []) failed(error)
  }

  #producerId(): Promise<{ readonly id: bigint; readonly epoch: number }> {
    this.#identity ??= this.#askProducerId().catch((error: unknown) => {
      this.#identity = null
      throw error
    })
    return this.#identity
  }

  async #askProducerId() {
    const { response } = await this.#client.request(
      initProducerId,
      { transactionalId: null, transactionTimeoutMs: 60_000, producerId: -1n, producerEpoch: -1 },
      { to: 'any' },
    )
    if (response.errorCode !== 'NONE') throw refusal(initProducerId.name, response.errorCode)
    return { id: response.producerId, epoch: response.producerEpoch }
  }

  get #nowMs(): number {
    return this.#client.ports.clock.monotonicMs()
  }
}

function askProduce(
  client: KafkaClient,
  node: number,
  batches: readonly { readonly queue: PartitionQueue; readonly batch: SealedBatch }[],
) {
  const topics = Map.groupBy(batches, ({ queue }) => queue.topic)
  return client.request(
    produce,
    {
      transactionalId: null,
      acks: -1,
      timeoutMs: MS_UNTIL_TIMEOUT_OF_BROKER,
      topicData: [...topics].map(([name, members]) => ({
        name,
        partitionData: members.map(({ queue, batch }) => ({
          index: queue.partition,
          records: batch.bytes,
        })),
      })),
    },
    { to: { node }, channel: 'produce' },
  )
}

function sizeOf({ key, value, headers }: OutgoingRecord): number {
  let size = RECORD_OVERHEAD_BYTES + (key?.length ?? 0) + (value?.length ?? 0)
  for (const header of headers) size += 2 * header.key.length + (header.value?.length ?? 0) + 10
  return size
}

function refused(
  topic: string,
  partition: number,
  error: KafkaErrorCode,
  message: string | null,
): ShoalError {
  const said = message === null || message === '' ? kafkaErrorSentence(error) : message
  return new ShoalError(
    'SHOAL_REQUEST_FAILED',
    `the broker refused a record for partition ${partition} of topic ${topic}: ${said} (${error})`,
    { details: { topic, partition, error } },
  )
}

/**
 * A broker that knows no such topic may be about to create it, so that counts as an error which passes while there is time;
 * one that refuses its name, or us, has said all it has to say.
 */
function missingTopic(
  topic: string,
  error: KafkaErrorCode = 'UNKNOWN_TOPIC_OR_PARTITION',
): ShoalError {
  const details = { topic, error }
  if (error === 'INVALID_TOPIC_EXCEPTION')
    return new ShoalError(
      'SHOAL_INVALID_ARGUMENT',
      `topic ${JSON.stringify(topic)}: not a legal topic name (letters, digits, ".", "_" and "-", at most 249)`,
      { details },
    )
  if (error === 'TOPIC_AUTHORIZATION_FAILED')
    return new ShoalError(
      'SHOAL_REQUEST_FAILED',
      `topic ${topic}: ${kafkaErrorSentence(error)} (${error})`,
      { details },
    )
  return new ShoalError(
    'SHOAL_UNKNOWN_TOPIC',
    `topic ${topic} does not exist and the broker does not create it; create it first`,
    { details },
  )
}

function closed(): ShoalError {
  return new ShoalError(
    'SHOAL_CLOSED',
    'the producer was closed before the record was acknowledged',
  )
}
