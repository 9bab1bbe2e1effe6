/** Records of share groups as JSON. Partitions are rows: `[["<topic id>",[0,1]]]`. */

import type { TopicIdPartitions } from '../consumer-records.ts'
import type { Fields } from '../json-fields.ts'
import { partitionsFromJson } from '../record-part-codec.ts'
import type { ShareGroupProfile, ShareGroupRecord, ShareGroupTargets } from './records.ts'

export function shareGroupRecordToJson(record: ShareGroupRecord): object {
  switch (record.kind) {
    case 'share-group-target':
      return { ...record, targets: targetsToJson(record.targets) }
    case 'share-group':
      return {
        ...record,
        members: record.members.map((member) => ({ ...member, assigned: rows(member.assigned) })),
        targets: targetsToJson(record.targets),
      }
    default:
      return record
  }
}

/** @throws ShoalError SHOAL_STORAGE_CORRUPT */
export function shareGroupRecordFromJson(
  kind: string,
  groupId: string,
  fields: Fields,
): ShareGroupRecord {
  switch (kind) {
    case 'share-group-member':
      return {
        kind,
        groupId,
        groupEpoch: fields.count('groupEpoch'),
        profile: profileFromJson(fields.object('profile')),
      }
    case 'share-group-member-left':
      return {
        kind,
        groupId,
        groupEpoch: fields.count('groupEpoch'),
        memberId: fields.text('memberId'),
      }
    case 'share-group-epoch':
      return { kind, groupId, groupEpoch: fields.count('groupEpoch') }
    case 'share-group-target':
      return {
        kind,
        groupId,
        assignmentEpoch: fields.count('assignmentEpoch'),
        topicsHash: fields.text('topicsHash'),
        targets: targetsFromJson(fields),
      }
    case 'share-group-member-epoch':
      return {
        kind,
        groupId,
        memberId: fields.text('memberId'),
        memberEpoch: fields.count('memberEpoch'),
      }
    case 'share-group':
      return {
        kind,
        groupId,
        groupEpoch: fields.count('groupEpoch'),
        assignmentEpoch: fields.count('assignmentEpoch'),
        topicsHash: fields.text('topicsHash'),
        members: fields.objects('members').map((member) => ({
          ...profileFromJson(member),
          memberEpoch: member.count('memberEpoch'),
          previousMemberEpoch: member.count('previousMemberEpoch'),
          assigned: partitionsOf(member.rows('assigned')),
        })),
        targets: targetsFromJson(fields),
      }
    default:
      return fields.fail('kind', 'the kind of a share group record')
  }
}

function profileFromJson(fields: Fields): ShareGroupProfile {
  return {
    memberId: fields.text('memberId'),
    rackId: fields.textOrNull('rackId'),
    clientId: fields.text('clientId'),
    clientHost: fields.text('clientHost'),
    subscribedTopicNames: fields
      .fields('subscribedTopicNames')
      .all((index, names) => names.text(index)),
  }
}

function targetsToJson(targets: ShareGroupTargets): object {
  return targets.map(({ memberId, partitions }) => [memberId, rows(partitions)])
}

function targetsFromJson(fields: Fields): ShareGroupTargets {
  return fields
    .rows('targets')
    .map((row) => ({ memberId: row.text(0), partitions: partitionsOf(row.rows(1)) }))
}

function rows(list: readonly TopicIdPartitions[]): object {
  return list.map(({ topicId, partitions }) => [topicId, partitions])
}

function partitionsOf(list: readonly Fields[]): readonly TopicIdPartitions[] {
  return list.map((row) => ({ topicId: row.text(0), partitions: partitionsFromJson(row) }))
}
