/**
 * Group records as bytes for the journal: UTF-8 JSON that a person can read, `{"v":1,"kind":…}`, bytes in base64.
 *
 * Committed offsets, the bulk of the journal, are rows: `"topics":[["orders",[[0,42,7,"metadata"]]]]` (partition, offset,
 * leader epoch, metadata). Decoding trusts nothing: what is not exactly such a record is SHOAL_STORAGE_CORRUPT, an unknown
 * version SHOAL_FOLDER_FORMAT. Whether the bytes are those that were written is the journal's to know, by checksum.
 */

import { ShoalError, unreachable } from '../core/index.ts'
import { consumerRecordFromJson, consumerRecordToJson } from './consumer-record-codec.ts'
import { Fields } from './json-fields.ts'
import {
  base64,
  beforeFromJson,
  beforeToJson,
  entryFromJson,
  entryToJson,
  partitionsFromJson,
  pauseFromJson,
  protocolsFromJson,
  protocolsToJson,
  rebalanceFromJson,
  stampFromJson,
  startFromJson,
  wholePauseFromJson,
} from './record-part-codec.ts'
import type { GroupRecord, MemberRecord, OffsetRecord } from './records.ts'
import { shareGroupRecordFromJson, shareGroupRecordToJson } from './share-group/record-codec.ts'
import { shareRecordFromJson, shareRecordToJson } from './share/record-codec.ts'

const VERSION = 1

export function encodeGroupRecord(record: GroupRecord): Uint8Array {
  return utf8.encode(JSON.stringify({ v: VERSION, ...toJson(record) }))
}

/** @throws ShoalError SHOAL_STORAGE_CORRUPT or SHOAL_FOLDER_FORMAT */
export function decodeGroupRecord(bytes: Uint8Array): GroupRecord {
  let json: unknown
  try {
    json = JSON.parse(strictUtf8.decode(bytes))
  } catch (cause) {
    throw new ShoalError('SHOAL_STORAGE_CORRUPT', 'a group record in the journal is not JSON', {
      cause,
    })
  }
  const fields = new Fields(json, 'group record')
  const version = fields.integer('v')
  if (version !== VERSION)
    throw new ShoalError(
      'SHOAL_FOLDER_FORMAT',
      `a group record in the journal has version ${version}, this broker knows ${VERSION}`,
    )
  return fromJson(fields)
}

function toJson(record: GroupRecord): object {
  switch (record.kind) {
    case 'generation':
      return { ...record, members: record.members.map(memberToJson) }
    case 'group':
      return {
        ...record,
        members: record.members.map(memberToJson),
        before: beforeToJson(record.before),
      }
    case 'timeline':
      return { ...record, entries: record.entries.map(entryToJson) }
    case 'assigned':
      return {
        ...record,
        assignments: record.assignments.map(({ memberId, assignment }) => [
          memberId,
          base64(assignment),
        ]),
      }
    case 'member-replaced':
      return { ...record, replacement: memberToJson(record.replacement) }
    case 'offsets-committed':
      return {
        ...record,
        topics: record.topics.map(({ topic, partitions }) => [
          topic,
          partitions.map(({ partition, offset, leaderEpoch, metadata }) => [
            partition,
            offset,
            leaderEpoch,
            metadata,
          ]),
        ]),
      }
    case 'offsets-deleted':
      return {
        ...record,
        topics: record.topics.map(({ topic, partitions }) => [topic, partitions]),
      }
    case 'member-removed':
    case 'group-paused':
    case 'group-resumed':
    case 'group-deleted':
    case 'clock-observed':
    case 'group-epoch':
      return record
    case 'consumer-member':
    case 'consumer-member-left':
    case 'consumer-member-replaced':
    case 'target-assignment':
    case 'member-epoch':
    case 'consumer-group':
      return consumerRecordToJson(record)
    case 'share-started':
    case 'share-delivery':
    case 'share-failed':
    case 'share-log-start':
    case 'share-committed':
    case 'share-deleted':
    case 'share-partition':
      return shareRecordToJson(record)
    case 'share-group-member':
    case 'share-group-member-left':
    case 'share-group-epoch':
    case 'share-group-target':
    case 'share-group-member-epoch':
    case 'share-group':
      return shareGroupRecordToJson(record)
    default:
      return unreachable(record)
  }
}

function fromJson(fields: Fields): GroupRecord {
  const kind = fields.text('kind')
  if (kind === 'clock-observed') return { kind, observedMs: fields.integer('observedMs') }
  const groupId = fields.text('groupId')
  switch (kind) {
    case 'generation':
      return {
        kind,
        groupId,
        ...generationFromJson(fields),
        at: stampFromJson(fields.object('at')),
        rebalance: startFromJson(fields.objectOrNull('rebalance')),
        durationMs: fields.integerOrNull('durationMs'),
      }
    case 'assigned':
      return {
        kind,
        groupId,
        generation: fields.count('generation'),
        assignments: fields.rows('assignments').map((row) => ({
          memberId: row.text(0),
          assignment: row.bytes(1),
        })),
        durationMs: fields.integer('durationMs'),
      }
    case 'member-removed':
      return {
        kind,
        groupId,
        memberId: fields.text('memberId'),
        at: stampFromJson(fields.object('at')),
        rebalance: rebalanceFromJson(fields.object('rebalance')),
      }
    case 'member-replaced':
      return {
        kind,
        groupId,
        memberId: fields.text('memberId'),
        replacement: memberFromJson(fields.object('replacement')),
      }
    case 'offsets-committed':
      return {
        kind,
        groupId,
        commitTimestampMs: fields.integer('commitTimestampMs'),
        expireTimestampMs: fields.integerOrNull('expireTimestampMs'),
        observedMs: fields.integer('observedMs'),
        topics: fields
          .rows('topics')
          .map((row) => ({ topic: row.text(0), partitions: row.rows(1).map(offsetFromJson) })),
      }
    case 'offsets-deleted':
      return {
        kind,
        groupId,
        topics: fields.rows('topics').map((row) => ({
          topic: row.text(0),
          partitions: partitionsFromJson(row),
        })),
      }
    case 'group-deleted':
      return { kind, groupId }
    case 'group':
      return {
        kind,
        groupId,
        ...generationFromJson(fields),
        assigned: fields.flag('assigned'),
        disturbed: fields.flag('disturbed'),
        idleSince: stampFromJson(fields.object('idleSince')),
        rebalance: startFromJson(fields.objectOrNull('rebalance')),
        before: beforeFromJson(fields.objectOrNull('before')),
        pause: pauseFromJson(fields.objectOrNull('pause')),
      }
    case 'group-paused':
      return {
        kind,
        groupId,
        pause: wholePauseFromJson(fields.object('pause')),
        rebalance: startFromJson(fields.objectOrNull('rebalance')),
      }
    case 'group-resumed':
      return { kind, groupId, rebalance: startFromJson(fields.objectOrNull('rebalance')) }
    case 'timeline':
      return {
        kind,
        groupId,
        createdMs: fields.integer('createdMs'),
        rebalanceCount: fields.count('rebalanceCount'),
        rebalanceMs: fields.integer('rebalanceMs'),
        entries: fields.objects('entries').map(entryFromJson),
      }
    default:
      if (kind.startsWith('share-group')) return shareGroupRecordFromJson(kind, groupId, fields)
      if (kind.startsWith('share-')) return shareRecordFromJson(kind, groupId, fields)
      return consumerRecordFromJson(kind, groupId, fields)
  }
}

/** What begins a generation, and what a snapshot says of the present one. */
function generationFromJson(fields: Fields) {
  return {
    generation: fields.count('generation'),
    protocolType: fields.text('protocolType'),
    protocolName: fields.textOrNull('protocolName'),
    leader: fields.textOrNull('leader'),
    members: fields.objects('members').map(memberFromJson),
  }
}

function memberToJson(member: MemberRecord): object {
  return {
    ...member,
    protocols: protocolsToJson(member.protocols),
    assignment: base64(member.assignment),
  }
}

function memberFromJson(fields: Fields): MemberRecord {
  return {
    memberId: fields.text('memberId'),
    groupInstanceId: fields.textOrNull('groupInstanceId'),
    clientId: fields.text('clientId'),
    clientHost: fields.text('clientHost'),
    sessionTimeoutMs: fields.integer('sessionTimeoutMs'),
    rebalanceTimeoutMs: fields.integer('rebalanceTimeoutMs'),
    protocols: protocolsFromJson(fields),
    assignment: fields.bytes('assignment'),
  }
}

function offsetFromJson(row: Fields): OffsetRecord {
  return {
    partition: row.count(0),
    offset: row.integer(1),
    leaderEpoch: row.integer(2),
    metadata: row.text(3),
  }
}

const utf8 = new TextEncoder()
const strictUtf8 = new TextDecoder('utf-8', { fatal: true })
