/**
 * Records of share-partitions in the JSON of the journal. Deliveries, the bulk of them, are rows:
 *
 *   [10,19,"available",2]   [20,20,"archiving",5,"delivery-limit"]   [21,30,"acknowledged"]   [31,31,"archived"]
 *
 * What failed: `[10,10,<when>,"database down"]`, in snapshots `[10,10,<first>,<last>,"database down"]`.
 *
 * Decoding trusts nothing; `../record-codec.ts` has the envelope and says what happens to what is damaged.
 */

import type { Fields } from '../json-fields.ts'
import type { Delivery, DeliveryRange, FailedRange, FailureRange, ShareRecord } from './records.ts'

export function shareRecordToJson(record: ShareRecord): object {
  switch (record.kind) {
    case 'share-delivery':
      return { ...record, deliveries: record.deliveries.map(deliveryToRow) }
    case 'share-failed':
      return { ...record, failed: record.failed.map(failedToRow) }
    case 'share-partition':
      return {
        ...record,
        deliveries: record.deliveries.map(deliveryToRow),
        failures: record.failures.map(failureToRow),
      }
    default:
      return record
  }
}

/** @throws ShoalError SHOAL_STORAGE_CORRUPT */
export function shareRecordFromJson(kind: string, groupId: string, fields: Fields): ShareRecord {
  const common = {
    groupId,
    topicId: fields.text('topicId'),
    partition: fields.count('partition'),
    stateEpoch: fields.count('stateEpoch'),
  }
  switch (kind) {
    case 'share-started':
    case 'share-committed':
      return { kind, ...common, startOffset: fields.count('startOffset') }
    case 'share-deleted':
      return { kind, ...common }
    case 'share-log-start':
      return { kind, ...common, logStartOffset: fields.count('logStartOffset') }
    case 'share-delivery':
      return { kind, ...common, deliveries: fields.rows('deliveries').map(deliveryFromRow) }
    case 'share-failed':
      return { kind, ...common, failed: fields.rows('failed').map(failedFromRow) }
    case 'share-partition':
      return {
        kind,
        ...common,
        startOffset: fields.count('startOffset'),
        deliveries: fields.rows('deliveries').map(deliveryFromRow),
        failures: fields.rows('failures').map(failureFromRow),
      }
    default:
      return fields.fail('kind', 'the kind of a share record')
  }
}

function deliveryToRow({ firstOffset, lastOffset, value }: DeliveryRange): readonly unknown[] {
  switch (value.state) {
    case 'available':
      return [firstOffset, lastOffset, value.state, value.deliveryCount]
    case 'archiving':
      return [firstOffset, lastOffset, value.state, value.deliveryCount, value.reason]
    default:
      return [firstOffset, lastOffset, value.state]
  }
}

function deliveryFromRow(row: Fields): DeliveryRange {
  return { firstOffset: row.count(0), lastOffset: row.count(1), value: valueFromRow(row) }
}

function failedToRow({ firstOffset, lastOffset, atMs, error }: FailedRange): readonly unknown[] {
  return [firstOffset, lastOffset, atMs, error]
}

function failedFromRow(row: Fields): FailedRange {
  return {
    firstOffset: row.count(0),
    lastOffset: row.count(1),
    atMs: row.integer(2),
    error: row.text(3),
  }
}

function failureToRow({ firstOffset, lastOffset, value }: FailureRange): readonly unknown[] {
  return [firstOffset, lastOffset, value.firstMs, value.lastMs, value.error]
}

function failureFromRow(row: Fields): FailureRange {
  const value = { firstMs: row.integer(2), lastMs: row.integer(3), error: row.text(4) }
  return { firstOffset: row.count(0), lastOffset: row.count(1), value }
}

function valueFromRow(row: Fields): Delivery {
  const state = row.text(2)
  switch (state) {
    case 'available':
      return { state, deliveryCount: row.count(3) }
    case 'archiving': {
      const reason = row.text(4)
      if (reason !== 'rejected' && reason !== 'delivery-limit')
        return row.fail(4, 'the reason of a dead letter')
      return { state, deliveryCount: row.count(3), reason }
    }
    case 'acknowledged':
    case 'archived':
      return { state }
    default:
      return row.fail(2, 'the state of a delivery')
  }
}
