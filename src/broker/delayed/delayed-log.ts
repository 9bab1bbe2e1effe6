/**
 * The log that holds delayed records while they wait: a partition of the log store that belongs to no topic.
 *
 * Nothing leaves it by age or size; its start moves up to the first record that still waits.
 */

import type { LogStore, PartitionLog, PartitionLogConfig, PartitionLogId } from '../../log/index.ts'
import { batchesIn, type RecordBatch } from '../../protocol/index.ts'

/** No topic has this id: they are random. */
export const DELAYED_LOG: PartitionLogId = { topicId: 'ShoalDelayedRecords00A', partition: 0 }

const SCAN_BYTES = 1_048_576
/** What one read brings of records that lie beside each other. */
const READ_BYTES = 262_144

export interface DelayedLogOptions {
  readonly logs: LogStore
  readonly maxMessageBytes: number
}

export class DelayedLog {
  readonly #log: PartitionLog
  readonly #logs: LogStore

  private constructor(log: PartitionLog, logs: LogStore) {
    this.#log = log
    this.#logs = logs
  }

  static async open({ logs, maxMessageBytes }: DelayedLogOptions): Promise<DelayedLog> {
    const config: PartitionLogConfig = {
      segmentBytes: Math.max(64 * 1_048_576, maxMessageBytes),
      segmentMs: 7 * 86_400_000,
      indexIntervalBytes: 4_096,
      retentionMs: -1,
      retentionBytes: -1,
      maxMessageBytes,
      timestampType: 'CreateTime',
      cleanupPolicy: 'delete',
    }
    return new DelayedLog(await logs.openPartition(DELAYED_LOG, config), logs)
  }

  /** Whether the folder has it: who never delayed a record needs none. */
  static exists(logs: LogStore): boolean {
    return logs.partitions().some(({ topicId }) => topicId === DELAYED_LOG.topicId)
  }

  get endOffset(): number {
    return this.#log.highWatermark
  }

  get sizeBytes(): number {
    return this.#logs.sizeOf(DELAYED_LOG)
  }

  append(batch: Uint8Array): ReturnType<PartitionLog['append']> {
    return this.#log.append(batch)
  }

  /** Every stored record from an offset to the end of now. @throws ShoalError when something of it cannot be read */
  async *scan(fromOffset: number): AsyncGenerator<RecordBatch, void, undefined> {
    const end = this.#log.highWatermark
    let offset = Math.max(fromOffset, this.#log.logStartOffset)
    while (offset < end) {
      const next = offset
      for (const batch of await this.#read(offset, SCAN_BYTES)) {
        if (batch.baseOffset >= next) yield batch
        offset = batch.lastOffset + 1
      }
      if (offset === next) return
    }
  }

  /** The batches at these offsets, in their order. */
  async load(offsets: readonly number[]): Promise<readonly RecordBatch[]> {
    const found = new Map<number, RecordBatch>()
    for (const offset of offsets.toSorted((left, right) => left - right)) {
      if (found.has(offset)) continue
      for (const batch of await this.#read(offset, READ_BYTES)) found.set(batch.baseOffset, batch)
      if (!found.has(offset)) throw new Error(`no delayed message is stored at offset ${offset}`)
    }
    return offsets.flatMap((offset) => found.get(offset) ?? [])
  }

  /** What lies below is not needed any more; its space comes back with the next look of retention. */
  trim(offset: number): Promise<unknown> {
    return this.#log.deleteRecordsBefore(Math.min(offset, this.#log.highWatermark))
  }

  async #read(offset: number, maxBytes: number): Promise<readonly RecordBatch[]> {
    const read = await this.#log.read({ offset, maxBytes, atLeastOneBatch: true })
    if (read.kind === 'refused')
      throw new Error(`the log of delayed messages cannot be read at ${offset}: ${read.error}`)
    return read.chunks.flatMap((chunk) => [...batchesIn(chunk)])
  }
}
