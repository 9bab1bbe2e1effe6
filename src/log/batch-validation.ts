/**
 * Whether the record set of a Produce request may enter a partition: the answers of Kafka 4.3.1.
 *
 *   bad CRC, a format that nobody knows ─▶ CORRUPT_MESSAGE · larger than max.message.bytes ─▶ MESSAGE_TOO_LARGE · unknown compression ─▶
 *   UNKNOWN_SERVER_ERROR · transactional without a transaction ─▶ INVALID_TXN_STATE · anything else that is not exactly
 *   one whole batch of format 2, based at 0, that keeps its header's word ─▶ INVALID_RECORD
 *
 * Compressed records are looked into only where a key is required (compacted topics): Kafka decompresses every batch to
 * check the count, here they pass as they travel, and a lie in them harms its readers only. A wrong largest timestamp
 * of uncompressed records is put right, as Kafka does: the time index rests on it.
 * Pure. Sequences of idempotent producers are `producer-state.ts`.
 */

import { messageOf, ShoalError } from '../core/index.ts'
import {
  BATCH_HEADER_BYTES,
  BATCH_MAGIC,
  BatchPosition,
  decompress,
  RecordBatch,
} from '../protocol/index.ts'
import type { AppendError, AppendResult, PartitionLogConfig, PartitionLogId } from './log.ts'
import { walkRecords } from './record-walk.ts'

export type Refusal = AppendResult & { readonly kind: 'refused' }

export interface ValidationContext {
  readonly config: PartitionLogConfig
  /** For the words of refusals. */
  readonly id: PartitionLogId
  readonly nowMs: number
  /** Most bytes that the records of a compressed batch may take, where they must be looked into. */
  readonly maxDecodedBytes: number
}

export function refuse(
  error: AppendError,
  message: string,
  recordErrors: Refusal['recordErrors'] = [],
): Refusal {
  return { kind: 'refused', error, message, recordErrors }
}

/** The batch, or why it is refused. Bytes are changed only where the header's largest timestamp is put right. */
export function validateBatch(
  recordSet: Uint8Array,
  context: ValidationContext,
): RecordBatch | Refusal {
  try {
    const batch = frameOf(recordSet, context.config)
    return batch instanceof RecordBatch
      ? (headerFault(batch) ?? contentFault(batch, context) ?? batch)
      : batch
  } catch (error) {
    // Numbers beyond 2^53 in the header, compressed bytes that are none.
    if (error instanceof ShoalError && refusedCodes.has(error.code))
      return refuse('INVALID_RECORD', messageOf(error))
    throw error
  }
}

const refusedCodes: ReadonlySet<string> = new Set([
  'SHOAL_CORRUPT_BATCH',
  'SHOAL_DECOMPRESSION_LIMIT',
  'SHOAL_UNSUPPORTED_COMPRESSION',
])

/** One whole batch of the right format and size. */
function frameOf(recordSet: Uint8Array, config: PartitionLogConfig): RecordBatch | Refusal {
  const magic = recordSet[BatchPosition.magic]
  if (magic !== undefined && magic !== BATCH_MAGIC)
    return refuse(
      magic < BATCH_MAGIC ? 'INVALID_RECORD' : 'CORRUPT_MESSAGE',
      `records have format ${magic}, only format 2 is taken`,
    )
  if (recordSet.length < BATCH_HEADER_BYTES)
    return refuse('INVALID_RECORD', `${recordSet.length} bytes cannot hold a record batch`)
  const batch = new RecordBatch(recordSet)
  if (batch.byteLength !== recordSet.length)
    return refuse(
      'INVALID_RECORD',
      `the record set has ${recordSet.length} bytes, its batch ${batch.byteLength}: exactly one whole batch is taken`,
    )
  if (recordSet.length > config.maxMessageBytes)
    return refuse(
      'MESSAGE_TOO_LARGE',
      `the batch has ${recordSet.length} bytes, max.message.bytes is ${config.maxMessageBytes}`,
    )
  return batch
}

function headerFault(batch: RecordBatch): Refusal | null {
  if (batch.compression === undefined)
    return refuse('UNKNOWN_SERVER_ERROR', `compression type ${batch.compressionCode} is not known`)
  if (batch.baseOffset !== 0)
    return refuse('INVALID_RECORD', `the base offset is ${batch.baseOffset}, it must be 0`)
  if (!batch.isCrcValid)
    return refuse('CORRUPT_MESSAGE', 'the checksum of the batch does not match its bytes')
  if (batch.isControl) return refuse('INVALID_RECORD', 'clients may not write control batches')
  if (batch.isTransactional)
    return refuse('INVALID_TXN_STATE', 'the batch is transactional and no transaction is open')
  if (batch.timestampType === 'LogAppendTime')
    return refuse('INVALID_TIMESTAMP', 'the batch says LogAppendTime, only the broker may')
  const { recordCount, lastOffsetDelta } = batch
  if (recordCount <= 0 || lastOffsetDelta !== recordCount - 1)
    return refuse(
      'INVALID_RECORD',
      `${recordCount} records do not fit a last offset delta of ${lastOffsetDelta}`,
    )
  if (batch.hasProducerId && (batch.baseSequence < 0 || batch.producerEpoch < 0))
    return refuse(
      'INVALID_RECORD',
      `producer ${batch.producerId} came with epoch ${batch.producerEpoch} and sequence ${batch.baseSequence}`,
    )
  return null
}

function contentFault(batch: RecordBatch, context: ValidationContext): Refusal | null {
  const needsKeys = context.config.cleanupPolicy !== 'delete'
  const isCompressed = batch.compressionCode !== 0
  if (isCompressed && !needsKeys) return timestampFault(batch.maxTimestamp, context)

  const { recordCount, baseTimestamp } = batch
  const records = isCompressed ? recordsOf(batch, context.maxDecodedBytes) : null
  const walked =
    records === null
      ? walkRecords(
          batch.bytes,
          { start: BatchPosition.records, end: batch.end, recordCount },
          { findMissingKeys: needsKeys },
        )
      : walkRecords(
          records,
          { start: 0, end: records.length, recordCount },
          { findMissingKeys: needsKeys },
        )
  if (walked.fault !== null) return refuse('INVALID_RECORD', walked.fault)
  if (walked.withoutKey.length > 0) return missingKeys(walked.withoutKey, context.id)

  const maxTimestamp = baseTimestamp + walked.maxTimestampDelta
  const minTimestamp = baseTimestamp + walked.minTimestampDelta
  if (!Number.isSafeInteger(maxTimestamp) || !Number.isSafeInteger(minTimestamp))
    return refuse('INVALID_RECORD', 'a timestamp is beyond 2^53')
  const fault = timestampFault(maxTimestamp, context)
  if (fault === null && maxTimestamp !== batch.maxTimestamp) setMaxTimestamp(batch, maxTimestamp)
  return fault
}

function recordsOf(batch: RecordBatch, maxDecodedBytes: number): Uint8Array {
  return decompress(batch.compression ?? 'none', batch.recordBytes, maxDecodedBytes)
}

/** A timestamp far ahead would keep its segment from retention for as long. */
function timestampFault(
  maxTimestamp: number,
  { config, nowMs }: ValidationContext,
): Refusal | null {
  const aheadMs = config.timestampAfterMaxMs ?? -1
  if (aheadMs < 0 || config.timestampType === 'LogAppendTime') return null
  if (maxTimestamp - nowMs <= aheadMs) return null
  return refuse(
    'INVALID_TIMESTAMP',
    `timestamp ${maxTimestamp} is ${maxTimestamp - nowMs} ms ahead, message.timestamp.after.max.ms is ${aheadMs}`,
  )
}

function missingKeys(withoutKey: readonly number[], id: PartitionLogId): Refusal {
  const message = `Compacted topic cannot accept message without key in topic partition ${id.topicId}-${id.partition}.`
  return refuse(
    'INVALID_RECORD',
    `${withoutKey.length} records of the batch have no key, a compacted topic needs one`,
    withoutKey.map((batchIndex) => ({ batchIndex, message })),
  )
}

function setMaxTimestamp(batch: RecordBatch, timestampMs: number): void {
  const { bytes } = batch
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  view.setBigInt64(BatchPosition.maxTimestamp, BigInt(timestampMs))
  view.setUint32(BatchPosition.crc, batch.computeCrc())
}
