/**
 * What stands in a frame: redo entries of partitions, records of state machines, the comings and goings of partitions; in
 * a checkpoint file the same machine records and the state of each partition. Pure.
 *
 * | field   | bytes | |
 * | --- | --- | --- |
 * | kind    | 1 | 1 batch, 2 partition event, 3 machine record, 4 partition opened, 5 deleted, 6 partition state, 7 end, 8 batch written directly |
 * | name length | 1 | of a machine's name, else 0 |
 * | zero    | 2 | |
 * | length  | 4 | of what follows |
 * | subject |   | partition: topic id (16) and number (4). Machine: its name. End: number of entries before (8) |
 * | place   | 16 | batches of both kinds: base offset of the segment, position in its file |
 * | payload |   | batch: record batches as they travel. Written directly: the header of one batch (61), which has the checksum of the rest. Machine: the record. Others: JSON in UTF-8 |
 */

import { ShoalError } from '../core/index.ts'
import { BATCH_HEADER_BYTES } from '../protocol/index.ts'
import type {
  Json,
  JsonObject,
  PartitionEvent,
  PartitionKey,
  SegmentPosition,
} from './journal-port.ts'
import { bufferOf, readUint64, writeUint64 } from './journal-format.ts'
import type { PartitionLogId } from './log.ts'

export const EntryKind = {
  batch: 1,
  partitionEvent: 2,
  machineRecord: 3,
  partitionOpened: 4,
  partitionDeleted: 5,
  partitionState: 6,
  end: 7,
  directBatch: 8,
} as const

export type JournalEntry =
  | (SegmentPosition & {
      readonly kind: 'batch'
      readonly partition: PartitionLogId
      readonly bytes: Uint8Array
    })
  | DirectEntry
  | {
      readonly kind: 'partition-event'
      readonly partition: PartitionLogId
      readonly event: PartitionEvent
    }
  | { readonly kind: 'machine-record'; readonly machine: string; readonly record: Uint8Array }
  | {
      readonly kind: 'partition-opened'
      readonly partition: PartitionLogId
      readonly config: JsonObject
    }
  | { readonly kind: 'partition-deleted'; readonly partition: PartitionLogId }
  | {
      readonly kind: 'partition-state'
      readonly partition: PartitionLogId
      readonly state: JsonObject
    }
  | { readonly kind: 'end'; readonly entryCount: number }

/** A batch whose bytes are not in the journal but at their place in the segment file. */
export type DirectEntry = SegmentPosition & {
  readonly kind: 'direct-batch'
  readonly partition: PartitionLogId
  /** The batch's first bytes: its length, and the checksum of what follows. */
  readonly header: Uint8Array
}

const HEADER_BYTES = 8
const PARTITION_BYTES = 20
const PLACE_BYTES = 16
const TOPIC_ID_BYTES = 16

/** Encoded partitions, by the identity of their key: a partition appends with the same object every time. */
const encodedPartitions = new WeakMap<PartitionKey, Uint8Array>()

/** Everything of a batch entry but the batches themselves, which follow it as they are. */
export function encodeBatchHead(
  partition: PartitionKey,
  { segmentBaseOffset, position }: SegmentPosition,
  length: number,
): Uint8Array {
  return encodePlace(EntryKind.batch, partition, { segmentBaseOffset, position }, { length })
}

/** A whole entry of a batch that is written directly. */
export function encodeDirectBatch(
  partition: PartitionKey,
  at: SegmentPosition,
  batch: Uint8Array,
): Uint8Array {
  const header = batch.subarray(0, BATCH_HEADER_BYTES)
  const room = header.length
  const entry = encodePlace(EntryKind.directBatch, partition, at, { length: room, room })
  entry.set(header, entry.length - room)
  return entry
}

/** Everything of a batch entry before its payload of `length` bytes, and `room` for so much of that. */
function encodePlace(
  kind: typeof EntryKind.batch | typeof EntryKind.directBatch,
  partition: PartitionKey,
  { segmentBaseOffset, position }: SegmentPosition,
  { length, room = 0 }: { readonly length: number; readonly room?: number },
): Buffer {
  const head = Buffer.allocUnsafe(HEADER_BYTES + PARTITION_BYTES + PLACE_BYTES + room)
  writeHeader(head, kind, 0, PARTITION_BYTES + PLACE_BYTES + length)
  head.set(encodePartition(partition), HEADER_BYTES)
  writeUint64(head, segmentBaseOffset, HEADER_BYTES + PARTITION_BYTES)
  writeUint64(head, position, HEADER_BYTES + PARTITION_BYTES + 8)
  return head
}

export function encodeMachineHead(machine: string, length: number): Uint8Array {
  const name = Buffer.from(machine, 'utf8')
  if (name.length === 0 || name.length > 255)
    throw new ShoalError(
      'SHOAL_INVALID_ARGUMENT',
      `the state machine's name ${JSON.stringify(machine)} has ${name.length} bytes, 1 to 255 are allowed`,
    )
  const head = Buffer.allocUnsafe(HEADER_BYTES + name.length)
  writeHeader(head, EntryKind.machineRecord, name.length, name.length + length)
  head.set(name, HEADER_BYTES)
  return head
}

type PartitionEntryKind =
  | typeof EntryKind.partitionEvent
  | typeof EntryKind.partitionOpened
  | typeof EntryKind.partitionDeleted
  | typeof EntryKind.partitionState

/** A whole entry about a partition whose payload is JSON. */
export function encodePartitionEntry(
  kind: PartitionEntryKind,
  partition: PartitionKey,
  payload: JsonObject,
): Uint8Array {
  const json = Buffer.from(JSON.stringify(payload), 'utf8')
  const entry = Buffer.allocUnsafe(HEADER_BYTES + PARTITION_BYTES + json.length)
  writeHeader(entry, kind, 0, PARTITION_BYTES + json.length)
  entry.set(encodePartition(partition), HEADER_BYTES)
  entry.set(json, HEADER_BYTES + PARTITION_BYTES)
  return entry
}

/** The last entry of a checkpoint: without it the file is a part of one. */
export function encodeEnd(entryCount: number): Uint8Array {
  const entry = Buffer.allocUnsafe(HEADER_BYTES + 8)
  writeHeader(entry, EntryKind.end, 0, 8)
  writeUint64(entry, entryCount, HEADER_BYTES)
  return entry
}

/**
 * The entries of an intact frame, in order.
 * @throws ShoalError SHOAL_STORAGE_CORRUPT when they are not what this version writes: the CRC held, so they never were.
 */
export function decodeEntries(frame: Uint8Array, entryCount: number): readonly JournalEntry[] {
  const bytes = bufferOf(frame)
  const entries: JournalEntry[] = []
  let position = 0
  while (position < bytes.length) {
    const end =
      position + HEADER_BYTES <= bytes.length
        ? position + HEADER_BYTES + bytes.readUInt32BE(position + 4)
        : Infinity
    if (end > bytes.length) throw malformed('an entry is longer than its frame')
    entries.push(decodeEntry(bytes.subarray(position, end)))
    position = end
  }
  if (entries.length !== entryCount)
    throw malformed(`a frame says ${entryCount} entries and has ${entries.length}`)
  return entries
}

function decodeEntry(entry: Buffer): JournalEntry {
  const kind = entry.readUInt8(0)
  if (kind === EntryKind.machineRecord) {
    const start = HEADER_BYTES + entry.readUInt8(1)
    if (start > entry.length) throw malformed('a machine record without its name')
    const machine = entry.toString('utf8', HEADER_BYTES, start)
    return { kind: 'machine-record', machine, record: entry.subarray(start) }
  }
  if (kind === EntryKind.end) {
    const entryCount = entry.length === HEADER_BYTES + 8 ? readUint64(entry, HEADER_BYTES) : null
    if (entryCount === null) throw malformed('a malformed end')
    return { kind: 'end', entryCount }
  }
  return decodePartitionEntry(kind, entry)
}

function decodePartitionEntry(kind: number, entry: Buffer): JournalEntry {
  const start = HEADER_BYTES + PARTITION_BYTES
  if (entry.length < start) throw malformed('an entry without its partition')
  const partition = {
    topicId: entry.toString('base64url', HEADER_BYTES, HEADER_BYTES + TOPIC_ID_BYTES),
    partition: entry.readUInt32BE(HEADER_BYTES + TOPIC_ID_BYTES),
  }
  if (kind === EntryKind.batch || kind === EntryKind.directBatch)
    return decodeBatch(kind, partition, entry)
  const payload = parseObject(entry.toString('utf8', start))
  switch (kind) {
    case EntryKind.partitionEvent:
      if (typeof payload['kind'] !== 'string') throw malformed('an event without its kind')
      return { kind: 'partition-event', partition, event: { ...payload, kind: payload['kind'] } }
    case EntryKind.partitionOpened:
      return { kind: 'partition-opened', partition, config: payload }
    case EntryKind.partitionDeleted:
      return { kind: 'partition-deleted', partition }
    case EntryKind.partitionState:
      return { kind: 'partition-state', partition, state: payload }
    default:
      throw malformed(`an entry of the unknown kind ${kind}`)
  }
}

function decodeBatch(kind: number, partition: PartitionLogId, entry: Buffer): JournalEntry {
  const place = HEADER_BYTES + PARTITION_BYTES
  if (entry.length < place + PLACE_BYTES) throw malformed('a batch without its place')
  const segmentBaseOffset = readUint64(entry, place)
  const position = readUint64(entry, place + 8)
  if (segmentBaseOffset === null || position === null) throw malformed('a batch at no place')
  const bytes = entry.subarray(place + PLACE_BYTES)
  if (kind === EntryKind.batch)
    return { kind: 'batch', partition, segmentBaseOffset, position, bytes }
  if (bytes.length !== BATCH_HEADER_BYTES) throw malformed('a batch without its header')
  return { kind: 'direct-batch', partition, segmentBaseOffset, position, header: bytes }
}

/** @throws ShoalError SHOAL_INVALID_ARGUMENT when the id is not a topic id (16 bytes) and a partition number. */
export function encodePartition(key: PartitionKey): Uint8Array {
  const known = encodedPartitions.get(key)
  if (known !== undefined) return known
  const topicId = Buffer.from(key.topicId, 'base64url')
  if (topicId.length !== TOPIC_ID_BYTES || topicId.toString('base64url') !== key.topicId)
    throw new ShoalError(
      'SHOAL_INVALID_ARGUMENT',
      `${JSON.stringify(key.topicId)} is not a topic id: 22 characters of base64url`,
    )
  if (!Number.isInteger(key.partition) || key.partition < 0 || key.partition > 0x7fffffff)
    throw new ShoalError('SHOAL_INVALID_ARGUMENT', `${key.partition} is not a partition number`)
  const bytes = Buffer.alloc(PARTITION_BYTES)
  bytes.set(topicId)
  bytes.writeUInt32BE(key.partition, TOPIC_ID_BYTES)
  encodedPartitions.set(key, bytes)
  return bytes
}

function writeHeader(target: Buffer, kind: number, nameLength: number, length: number): void {
  target.writeUInt32BE(kind * 2 ** 24 + nameLength * 2 ** 16, 0)
  target.writeUInt32BE(length, 4)
}

function parseObject(text: string): JsonObject {
  let value: Json
  try {
    value = JSON.parse(text) as Json
  } catch (cause) {
    throw malformed('an entry whose JSON cannot be read', cause)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw malformed('an entry whose JSON is no object')
  return value as JsonObject
}

function malformed(what: string, cause?: unknown): ShoalError {
  return new ShoalError('SHOAL_STORAGE_CORRUPT', `the journal holds ${what}`, { cause })
}
