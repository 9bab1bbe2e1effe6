/**
 * Takes the steps of `transaction-cycle.ts` on a real cluster: one transaction at a time, each with its outputs and the
 * group's offsets, until its end is certain.
 *
 * Transactions v1 in every version of their requests, also where the broker has v2: offsets are fenced by the member's
 * generation (KIP-447), so the transactional id needs no memory over restarts; one that is derived from a static member's
 * instance id ends what its predecessor left open at once, all others wait for `transactionTimeoutMs`.
 * Not here: which outputs and positions belong together (`consumer/transaction/`).
 */

import { ShoalError, randomBelow, sleep } from '../../../core/index.ts'
import type { OutgoingRecord } from '../../../consumer/index.ts'
import {
  addOffsetsToTxn,
  addPartitionsToOwnTxn,
  encodeRecordBatch,
  endTxnV1,
  initProducerId,
  produceV1,
  txnOffsetCommitV1,
} from '../../../protocol/index.ts'
import type { KafkaErrorCode } from '../../../protocol/index.ts'
import { backoffMs } from '../../backoff.ts'
import { refusal } from '../broker-link.ts'
import { leaderOf } from '../cluster-view.ts'
import { isPassing } from '../kafka-client.ts'
import type { KafkaClient } from '../kafka-client.ts'
import { committedOffsets, isCoordinatorError } from '../offsets.ts'
import type { CommitRequest } from '../offsets.ts'
import { partitionKey } from '../topic-partition.ts'
import { outputBatches } from './output-batches.ts'
import type { OutputBatch } from './output-batches.ts'
import { beginCycle, nextStep } from './transaction-cycle.ts'
import type { Cause, Cycle, End, Event } from './transaction-cycle.ts'

export interface TransactionRequest extends CommitRequest {
  readonly outputs: readonly OutgoingRecord[]
  /** Positions that nobody can have committed but by this transaction: they tell, in doubt, whether it was. */
  readonly witnesses: CommitRequest['positions']
}

export interface TransactionAnswer {
  readonly end: End
  readonly cause: Cause | null
  /** What the group's coordinator said of each position, by `partitionKey`; empty when it was not asked. */
  readonly errors: ReadonlyMap<string, KafkaErrorCode>
  /** The output that the broker will never take. */
  readonly refused: { readonly output: OutgoingRecord; readonly reason: string } | null
}

export interface TransactionSettings {
  readonly transactionalId: string
  readonly transactionTimeoutMs: number
}

const APIS = [initProducerId, addPartitionsToOwnTxn, addOffsetsToTxn, endTxnV1, txnOffsetCommitV1]
const WAIT = { firstMs: 10, longestMs: 1_000 }
const BATCH_BYTES = 256 * 1024
const PRODUCE_TIMEOUT_MS = 30_000
const TOPIC_TIMEOUT_MS = 10_000
/** What is wrong with a record, not with the moment. */
const OF_THE_RECORD: ReadonlySet<KafkaErrorCode> = new Set([
  'MESSAGE_TOO_LARGE',
  'RECORD_LIST_TOO_LARGE',
  'INVALID_RECORD',
  'INVALID_TIMESTAMP',
])

interface Work {
  readonly request: TransactionRequest
  readonly batches: ReadonlyMap<string, readonly OutputBatch[]>
  errors: ReadonlyMap<string, KafkaErrorCode>
  refused: TransactionAnswer['refused']
}

export class TransactionalProducer {
  readonly #client: KafkaClient
  readonly #settings: TransactionSettings
  readonly #closing = new AbortController()
  #producer: { readonly id: bigint; readonly epoch: number } | null = null
  readonly #sequences = new Map<string, number>()
  #batchBytes = BATCH_BYTES
  #cancelled = false
  #running: Promise<unknown> | null = null

  /** Whether a transaction is under way. */
  get isRunning(): boolean {
    return this.#running !== null
  }

  constructor(client: KafkaClient, settings: TransactionSettings) {
    this.#client = client
    this.#settings = settings
  }

  /** @throws ShoalError SHOAL_REQUEST_FAILED when the broker has no transactions */
  static async open(
    client: KafkaClient,
    settings: TransactionSettings,
  ): Promise<TransactionalProducer> {
    for (const api of APIS)
      if (!(await client.speaks(api, 'any')))
        throw new ShoalError(
          'SHOAL_REQUEST_FAILED',
          `exactlyOnce: the broker has no transactions (it does not speak ${api.name} as of Apache Kafka 2.5); read from an Apache Kafka cluster, or leave exactlyOnce out`,
          { details: { api: api.name, error: 'UNSUPPORTED_VERSION' } },
        )
    const producer = new TransactionalProducer(client, settings)
    // What a predecessor under the same id left open ends now, and a refusal is known before the group is joined.
    await client.retrying(
      async () => {
        const event = await producer.#reset()
        if (event.kind === 'refused')
          throw refusal(initProducerId.name, event.error, { ...settings })
        if (event.kind === 'no-answer')
          throw new ShoalError('SHOAL_BROKER_UNREACHABLE', 'the transaction coordinator is away')
      },
      Math.max(client.settings.bootstrapTimeoutMs, settings.transactionTimeoutMs),
    )
    return producer
  }

  /** Resolves when the end is certain, or this was closed (then nothing may be concluded from the answer). */
  run(request: TransactionRequest): Promise<TransactionAnswer> {
    const running = this.#run(request).finally(() => {
      this.#running = null
    })
    this.#running = running.catch(() => {})
    return running
  }

  /** Partitions are about to go: what is not decided yet is aborted. Resolves when nothing is open. */
  async cancel(): Promise<void> {
    this.#cancelled = true
    await this.#running
  }

  /** Ends at once. Idempotent. */
  close(): void {
    this.#closing.abort(new ShoalError('SHOAL_CLOSED', 'the member leaves its group'))
  }

  async #run(request: TransactionRequest): Promise<TransactionAnswer> {
    this.#cancelled = false
    const batches = await this.#place(request.outputs)
    const work: Work = { request, batches, errors: new Map(), refused: null }
    let cycle = beginCycle(this.#producer !== null)
    for (let failures = 0; cycle.step !== 'over' && !this.#closing.signal.aborted;) {
      const event = await this.#take(cycle, work)
      cycle = nextStep(cycle, event)
      if (cycle.step === 'reset') this.#producer = null
      failures = cycle.isAgain ? failures + 1 : 0
      if (cycle.isAgain) await this.#pause(failures)
    }
    if (cycle.end !== 'committed' && cycle.cause !== null)
      this.#client.ports.logger.log('warn', 'a transaction was aborted, it is tried again', {
        transactionalId: this.#settings.transactionalId,
        step: cycle.cause.step,
        reason: cycle.cause.error ?? (this.#cancelled ? 'cancelled' : 'no answer'),
      })
    const { errors, refused } = work
    return { end: cycle.end ?? 'aborted', cause: cycle.cause, errors, refused }
  }

  async #take(cycle: Cycle, work: Work): Promise<Event> {
    const { step } = cycle
    // Past `end` the decision is the broker's; before it this is the last chance.
    if (this.#cancelled && step !== 'reset' && step !== 'end' && step !== 'verify')
      return { kind: 'cancelled' }
    try {
      switch (step) {
        case 'reset':
          return await this.#reset()
        case 'partitions':
          return await this.#addPartitions(work)
        case 'produce':
          return await this.#produceAll(work)
        case 'add-offsets':
          return await this.#addOffsets(work)
        case 'offsets':
          return await this.#commitOffsets(work)
        case 'end':
          return await this.#end()
        case 'verify':
          return { kind: 'found', committed: await this.#wasCommitted(work) }
        case 'over':
          return { kind: 'done' }
      }
    } catch (error) {
      if (!isPassing(error)) throw error
      this.#client.forgetTransactionCoordinator(this.#settings.transactionalId)
      return { kind: 'no-answer' }
    }
  }

  // --- the steps ---

  async #reset(): Promise<Event> {
    const { transactionalId, transactionTimeoutMs } = this.#settings
    const { response } = await this.#client.request(
      initProducerId,
      { transactionalId, transactionTimeoutMs, producerId: -1n, producerEpoch: -1 },
      { to: { transaction: transactionalId } },
    )
    if (response.errorCode === 'NONE') {
      this.#producer = { id: response.producerId, epoch: response.producerEpoch }
      this.#sequences.clear()
    }
    return this.#heard(response.errorCode)
  }

  async #addPartitions({ batches }: Work): Promise<Event> {
    const places = [...batches.values()].flatMap(([first]) => (first === undefined ? [] : [first]))
    const topics = [...Map.groupBy(places, ({ topic }) => topic)].map(([name, members]) => ({
      name,
      partitions: members.map(({ partition }) => partition),
    }))
    const { response } = await this.#client.request(
      addPartitionsToOwnTxn,
      { ...this.#identity(), topics, transactions: [] },
      this.#coordinator,
    )
    const errors = response.resultsByTopic.flatMap(({ resultsByPartition }) =>
      resultsByPartition.map(({ partitionErrorCode }) => partitionErrorCode),
    )
    return this.#heard(worst(errors))
  }

  /** Batch by batch of each partition, one request to each leader at a time. */
  async #produceAll(work: Work): Promise<Event> {
    const waiting = [...work.batches.values()].map((batches) => [...batches])
    for (;;) {
      const heads = waiting.flatMap((batches) => batches.splice(0, 1))
      if (heads.length === 0) return { kind: 'done' }
      const byLeader = Map.groupBy(heads, ({ topic, partition }) =>
        leaderOf(this.#client.cluster, topic, partition),
      )
      const events = await Promise.all(
        [...byLeader].map(([node, led]) => this.#produceSome(work, node, led)),
      )
      const failed = events.find(({ kind }) => kind !== 'done')
      if (failed !== undefined) return failed
      if (this.#cancelled) return { kind: 'cancelled' }
    }
  }

  async #produceSome(
    work: Work,
    node: number | null,
    batches: readonly OutputBatch[],
  ): Promise<Event> {
    const topics = [...Map.groupBy(batches, ({ topic }) => topic)]
    if (node === null) return this.#leaderIsGone(topics, 'LEADER_NOT_AVAILABLE')
    const { response } = await this.#client.request(
      produceV1,
      {
        transactionalId: this.#settings.transactionalId,
        acks: -1,
        timeoutMs: PRODUCE_TIMEOUT_MS,
        topicData: topics.map(([name, members]) => ({
          name,
          partitionData: members.map((batch) => ({
            index: batch.partition,
            records: this.#encode(batch),
          })),
        })),
      },
      { to: { node }, channel: 'produce' },
    )
    let worstError: KafkaErrorCode = 'NONE'
    for (const { name, partitionResponses } of response.responses)
      for (const { index, errorCode, errorMessage } of partitionResponses) {
        if (errorCode === 'NONE') continue
        worstError = errorCode
        const batch = batches.find(({ topic, partition }) => topic === name && partition === index)
        if (OF_THE_RECORD.has(errorCode)) this.#isolate(work, batch, errorCode, errorMessage)
      }
    return worstError === 'NONE' ? { kind: 'done' } : this.#leaderIsGone(topics, worstError)
  }

  async #addOffsets({ request }: Work): Promise<Event> {
    const { response } = await this.#client.request(
      addOffsetsToTxn,
      { ...this.#identity(), groupId: request.group },
      this.#coordinator,
    )
    return this.#heard(response.errorCode)
  }

  async #commitOffsets(work: Work): Promise<Event> {
    const { group, generation, memberId, groupInstanceId, positions } = work.request
    const { response } = await this.#client.request(
      txnOffsetCommitV1,
      {
        ...this.#identity(),
        groupId: group,
        generationId: generation,
        memberId,
        groupInstanceId,
        topics: [...Map.groupBy(positions, ({ topic }) => topic)].map(([name, members]) => ({
          name,
          partitions: members.map(({ partition, offset, metadata, leaderEpoch = -1 }) => ({
            partitionIndex: partition,
            committedOffset: offset,
            committedLeaderEpoch: leaderEpoch,
            committedMetadata: metadata,
          })),
        })),
      },
      { to: { group } },
    )
    work.errors = new Map(
      response.topics.flatMap(({ name, partitions }) =>
        partitions.map(({ partitionIndex, errorCode }) => [
          partitionKey({ topic: name, partition: partitionIndex }),
          errorCode,
        ]),
      ),
    )
    const error = worst([...work.errors.values()])
    if (isCoordinatorError(error)) this.#client.forgetCoordinator(group)
    return error === 'NONE' ? { kind: 'done' } : { kind: 'refused', error }
  }

  async #end(): Promise<Event> {
    const { response } = await this.#client.request(
      endTxnV1,
      { ...this.#identity(), committed: true },
      this.#coordinator,
    )
    return this.#heard(response.errorCode)
  }

  async #wasCommitted({ request }: Work): Promise<boolean> {
    const { group, witnesses } = request
    const stored = await committedOffsets(this.#client, group, witnesses)
    return witnesses.some((sent) => {
      const found = stored.get(partitionKey(sent))
      return found?.offset === sent.offset && found.metadata === sent.metadata
    })
  }

  // --- their parts ---

  /** Which partition each output goes to. @throws ShoalError SHOAL_UNKNOWN_TOPIC */
  async #place(outputs: readonly OutgoingRecord[]): Promise<Work['batches']> {
    const { ports } = this.#client
    for (const topic of new Set(outputs.map((output) => output.topic)))
      if (!this.#client.cluster.topics.has(topic))
        await this.#client.retrying(async () => {
          const { topics } = await this.#client.refreshOrCreate(topic)
          if (!topics.has(topic)) throw refusal('Metadata', 'UNKNOWN_TOPIC_OR_PARTITION', { topic })
        }, TOPIC_TIMEOUT_MS)
    return outputBatches(outputs, {
      partitionCount: (topic) => this.#client.cluster.topics.get(topic)?.partitions.length ?? 0,
      keyless: (_topic, count) => randomBelow(ports.random, Math.max(1, count)),
      batchBytes: this.#batchBytes,
    })
  }

  #encode({ topic, partition, records }: OutputBatch): Uint8Array {
    const place = partitionKey({ topic, partition })
    const baseSequence = this.#sequences.get(place) ?? 0
    this.#sequences.set(place, (baseSequence + records.length) % 2 ** 31)
    const { producerId, producerEpoch } = this.#identity()
    const timestampMs = this.#client.ports.clock.wallMs()
    return encodeRecordBatch(
      records.map((record) => ({ ...record, timestampMs })),
      { producerId, producerEpoch, baseSequence, isTransactional: true },
    )
  }

  /** Of several records in a batch it is not known which one is meant: smaller batches next time. */
  #isolate(
    work: Work,
    batch: OutputBatch | undefined,
    error: KafkaErrorCode,
    message: string | null,
  ): void {
    const [output, ...others] = batch?.records ?? []
    if (batch === undefined || output === undefined) return
    if (others.length > 0) this.#batchBytes = Math.max(1, Math.floor(batch.byteLength / 2))
    else {
      this.#batchBytes = BATCH_BYTES
      work.refused = {
        output,
        reason: `${error}: topic ${batch.topic}${message ? `, ${message}` : ''}`,
      }
    }
  }

  async #leaderIsGone(
    topics: readonly (readonly [string, unknown])[],
    error: KafkaErrorCode,
  ): Promise<Event> {
    if (!OF_THE_RECORD.has(error)) await this.#client.refresh(topics.map(([topic]) => topic))
    return { kind: 'refused', error }
  }

  #heard(error: KafkaErrorCode): Event {
    if (error === 'NONE') return { kind: 'done' }
    if (isCoordinatorError(error))
      this.#client.forgetTransactionCoordinator(this.#settings.transactionalId)
    return { kind: 'refused', error }
  }

  #identity() {
    const { transactionalId } = this.#settings
    return {
      transactionalId,
      producerId: this.#producer?.id ?? -1n,
      producerEpoch: this.#producer?.epoch ?? -1,
    }
  }

  get #coordinator() {
    return { to: { transaction: this.#settings.transactionalId } } as const
  }

  async #pause(failures: number): Promise<void> {
    const { timers, random } = this.#client.ports
    await sleep(timers, backoffMs(failures, WAIT, random), this.#closing.signal)
  }
}

/** The error that says why, of those that came together. */
function worst(errors: readonly KafkaErrorCode[]): KafkaErrorCode {
  const failed = errors.filter((error) => error !== 'NONE')
  return failed.find((error) => error !== 'OPERATION_NOT_ATTEMPTED') ?? failed[0] ?? 'NONE'
}
