/**
 * The Kafka wire: schemas of the APIs, frames, record batches, the error table.
 */

export * from './apis/index.ts'
export {
  compress,
  compressionCodeOf,
  compressionOf,
  compressionTypes,
  decompress,
  type CompressionType,
} from './compression/compression.ts'
export * from './consumer-protocol.ts'
export { crc32c, crc32cImplementation } from './crc32c.ts'
export * from './errors.ts'
export * from './frame.ts'
export * from './partitioner.ts'
export { Reader, type ReaderLimits } from './reader.ts'
export * from './packed-records.ts'
export * from './record-batch.ts'
export type { DecodeRecordsOptions, RecordHeader } from './record-fields.ts'
export * from './records.ts'
export * from './schema.ts'
