/**
 * Not a test: a transaction coordinator for scripted clusters. It keeps what is open apart from what readers of
 * `read_committed` see, fences by epoch, and fails where a test says.
 */

import { ShoalError } from '../../../core/index.ts'
import {
  addOffsetsToTxn,
  addPartitionsToTxn,
  batchesIn,
  decodeRecords,
  endTxn,
  initProducerId,
  produce,
  txnOffsetCommit,
} from '../../../protocol/index.ts'
import type { KafkaErrorCode } from '../../../protocol/index.ts'
import type { ClusterScript, ScriptedCommit } from '../cluster-script.test.ts'
import { partitionKey } from '../topic-partition.ts'

export type TransactionStep = 'init' | 'partitions' | 'produce' | 'add-offsets' | 'offsets' | 'end'

/** What goes wrong with a request: it does not arrive, its answer does not, or it is refused. */
export type Fault =
  | 'request lost'
  | 'answer lost'
  /** Done, the answer lost, and then another producer took the transactional id. */
  | 'answer lost, then fenced'
  | KafkaErrorCode

export class ScriptedTransactions {
  /** Values that readers see, in order. */
  readonly visible: string[] = []
  aborts = 0
  epoch = -1
  /** Asked once a request, until it says something; then no more. */
  fault: (step: TransactionStep) => Fault | undefined = () => undefined
  /** Why a batch of these values is refused. */
  refuse: (values: readonly string[]) => KafkaErrorCode | undefined = () => undefined
  #open: { readonly values: string[]; readonly offsets: Map<string, ScriptedCommit> } | null = null
  #lastWasCommitted = false
  readonly #script: ClusterScript

  constructor(script: ClusterScript) {
    this.#script = script
    const { transport } = script
    transport.on(initProducerId, () => this.#answer('init', () => this.#init()))
    transport.on(addPartitionsToTxn, ({ producerEpoch, topics }) =>
      this.#answer('partitions', (fault) => {
        const partitionErrorCode = fault ?? this.#begin(producerEpoch)
        return {
          throttleTimeMs: 0,
          errorCode: 'NONE',
          resultsByTransaction: [],
          resultsByTopic: topics.map(({ name, partitions }) => ({
            name,
            resultsByPartition: partitions.map((partitionIndex) => ({
              partitionIndex,
              partitionErrorCode,
            })),
          })),
        }
      }),
    )
    transport.on(produce, ({ topicData }) =>
      this.#answer('produce', (fault) => ({
        responses: topicData.map(({ name, partitionData }) => ({
          name,
          partitionResponses: partitionData.map(({ index, records }) => ({
            index,
            errorCode: fault ?? this.#write(records),
            baseOffset: 0,
            logAppendTimeMs: -1,
            logStartOffset: 0,
            recordErrors: [],
            errorMessage: null,
            currentLeader: { leaderId: -1, leaderEpoch: -1 },
          })),
        })),
        throttleTimeMs: 0,
        nodeEndpoints: [],
      })),
    )
    transport.on(addOffsetsToTxn, ({ producerEpoch }) =>
      this.#answer('add-offsets', (fault) => ({
        throttleTimeMs: 0,
        errorCode: fault ?? this.#check(producerEpoch),
      })),
    )
    transport.on(txnOffsetCommit, ({ topics, producerEpoch }) =>
      this.#answer('offsets', (fault) => ({
        throttleTimeMs: 0,
        topics: topics.map(({ name, partitions }) => ({
          name,
          partitions: partitions.map(({ partitionIndex, committedOffset, committedMetadata }) => {
            const key = partitionKey({ topic: name, partition: partitionIndex })
            const errorCode = fault ?? this.#check(producerEpoch)
            const metadata = committedMetadata ?? ''
            if (errorCode === 'NONE')
              this.#open?.offsets.set(key, { offset: committedOffset, metadata })
            return { partitionIndex, errorCode }
          }),
        })),
      })),
    )
    transport.on(endTxn, ({ producerEpoch }) =>
      this.#answer('end', (fault) => ({
        throttleTimeMs: 0,
        errorCode: fault ?? this.#commit(producerEpoch),
        producerId: -1n,
        producerEpoch: -1,
      })),
    )
  }

  /** Somebody else takes the transactional id: what is open ends. */
  fence(): void {
    if (this.#open !== null) {
      this.aborts++
      this.#lastWasCommitted = false
    }
    this.#open = null
    this.epoch++
  }

  #answer<Answer>(
    step: TransactionStep,
    act: (refused: KafkaErrorCode | undefined) => Answer,
  ): Answer {
    const fault = this.fault(step)
    if (fault !== undefined) this.fault = () => undefined
    if (fault === 'request lost') throw lost()
    if (fault !== 'answer lost' && fault !== 'answer lost, then fenced') return act(fault)
    act(undefined)
    if (fault !== 'answer lost') this.fence()
    throw lost()
  }

  #init() {
    this.fence()
    return {
      throttleTimeMs: 0,
      errorCode: 'NONE' as const,
      producerId: 7n,
      producerEpoch: this.epoch,
    }
  }

  #begin(epoch: number): KafkaErrorCode {
    const error = this.#check(epoch)
    if (error === 'NONE') this.#open ??= { values: [], offsets: new Map() }
    return error
  }

  #write(bytes: Uint8Array | null): KafkaErrorCode {
    for (const batch of batchesIn(bytes ?? new Uint8Array(0))) {
      if (batch.producerEpoch !== this.epoch || !batch.isTransactional)
        return 'INVALID_PRODUCER_EPOCH'
      const values = decodeRecords(batch).map(({ value }) => Buffer.from(value ?? []).toString())
      const refused = this.refuse(values)
      if (refused !== undefined) return refused
      this.#open?.values.push(...values)
    }
    return 'NONE'
  }

  #commit(epoch: number): KafkaErrorCode {
    const error = this.#check(epoch)
    if (error !== 'NONE') return error
    if (this.#open === null) return this.#lastWasCommitted ? 'NONE' : 'INVALID_TXN_STATE'
    this.visible.push(...this.#open.values)
    for (const [key, commit] of this.#open.offsets) this.#script.committed.set(key, commit)
    this.#open = null
    this.#lastWasCommitted = true
    return 'NONE'
  }

  #check(epoch: number): KafkaErrorCode {
    return epoch === this.epoch ? 'NONE' : 'INVALID_PRODUCER_EPOCH'
  }
}

function lost(): ShoalError {
  return new ShoalError('SHOAL_BROKER_UNREACHABLE', 'the script lost it')
}
