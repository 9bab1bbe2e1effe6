/**
 * Records of KIP-848 groups as JSON. Partitions are rows: a target is `[["<topic id>",[0,1]]]`, an assignment, with the epoch of
 * each partition, `[["<topic id>",[[0,3],[1,5]]]]`.
 */

import { unreachable } from '../core/index.ts'
import type { Fields } from './json-fields.ts'
import {
  beforeFromJson,
  beforeToJson,
  partitionsFromJson,
  pauseFromJson,
  protocolsFromJson,
  protocolsToJson,
  rebalanceFromJson,
  stampFromJson,
  startFromJson,
} from './record-part-codec.ts'
import type {
  AssignedPartitions,
  AssignedTopic,
  ConsumerGroupRecord,
  MemberProfile,
  MemberProgress,
  ReconciliationState,
  StartPolicy,
  TargetAssignmentRecord,
} from './consumer-records.ts'

const STARTS: readonly StartPolicy[] = ['earliest', 'latest', 'none']
const STATES: readonly ReconciliationState[] = ['stable', 'unrevoked', 'unreleased']

export function consumerRecordToJson(
  record: Exclude<ConsumerGroupRecord, { readonly kind: 'group-epoch' }>,
): object {
  switch (record.kind) {
    case 'consumer-member':
    case 'consumer-member-replaced':
      return { ...record, profile: profileToJson(record.profile) }
    case 'consumer-member-left':
      return record
    case 'target-assignment':
      return {
        ...record,
        topics: record.topics && topicsToJson(record.topics),
        targets: targetsToJson(record.targets),
      }
    case 'member-epoch':
      return { ...record, ...progressToJson(record) }
    case 'consumer-group':
      return {
        ...record,
        members: record.members.map((member) => ({
          ...member,
          profile: profileToJson(member.profile),
          ...progressToJson(member),
        })),
        topics: topicsToJson(record.topics),
        targets: targetsToJson(record.targets),
        before: beforeToJson(record.before),
      }
    default:
      return unreachable(record)
  }
}

export function consumerRecordFromJson(
  kind: string,
  groupId: string,
  fields: Fields,
): ConsumerGroupRecord {
  switch (kind) {
    case 'group-epoch':
      return {
        kind,
        groupId,
        groupEpoch: fields.count('groupEpoch'),
        rebalance: rebalanceFromJson(fields.object('rebalance')),
      }
    case 'consumer-member':
      return { kind, groupId, profile: profileFromJson(fields.object('profile')) }
    case 'consumer-member-left':
      return {
        kind,
        groupId,
        memberId: fields.text('memberId'),
        at: stampFromJson(fields.object('at')),
        durationMs: fields.integer('durationMs'),
      }
    case 'consumer-member-replaced':
      return {
        kind,
        groupId,
        memberId: fields.text('memberId'),
        profile: profileFromJson(fields.object('profile')),
      }
    case 'target-assignment':
      return {
        kind,
        groupId,
        assignmentEpoch: fields.count('assignmentEpoch'),
        assignor: fields.text('assignor'),
        topicsHash: fields.text('topicsHash'),
        topics: fields.isNull('topics') ? null : topicsFromJson(fields),
        targets: targetsFromJson(fields),
      }
    case 'member-epoch':
      return {
        kind,
        groupId,
        memberId: fields.text('memberId'),
        ...progressFromJson(fields),
        durationMs: fields.integer('durationMs'),
      }
    case 'consumer-group':
      return {
        kind,
        groupId,
        groupEpoch: fields.count('groupEpoch'),
        assignmentEpoch: fields.count('assignmentEpoch'),
        assignor: fields.text('assignor'),
        topicsHash: fields.text('topicsHash'),
        topics: topicsFromJson(fields),
        members: fields.objects('members').map((member) => ({
          profile: profileFromJson(member.object('profile')),
          ...progressFromJson(member),
        })),
        targets: targetsFromJson(fields),
        idleSince: stampFromJson(fields.object('idleSince')),
        rebalance: startFromJson(fields.objectOrNull('rebalance')),
        before: beforeFromJson(fields.objectOrNull('before')),
        pause: pauseFromJson(fields.objectOrNull('pause')),
      }
    default:
      return fields.fail('kind', 'a known kind')
  }
}

function profileToJson(profile: MemberProfile): object {
  const { classic } = profile
  return {
    ...profile,
    classic: classic && {
      sessionTimeoutMs: classic.sessionTimeoutMs,
      protocols: protocolsToJson(classic.protocols),
    },
  }
}

function profileFromJson(fields: Fields): MemberProfile {
  const classic = fields.objectOrNull('classic')
  const http = fields.objectOrNull('http')
  return {
    memberId: fields.text('memberId'),
    groupInstanceId: fields.textOrNull('groupInstanceId'),
    rackId: fields.textOrNull('rackId'),
    clientId: fields.text('clientId'),
    clientHost: fields.text('clientHost'),
    rebalanceTimeoutMs: fields.integer('rebalanceTimeoutMs'),
    subscribedTopicNames: fields
      .fields('subscribedTopicNames')
      .all((index, names) => names.text(index)),
    subscribedTopicRegex: fields.textOrNull('subscribedTopicRegex'),
    serverAssignor: fields.textOrNull('serverAssignor'),
    classic: classic && {
      sessionTimeoutMs: classic.integer('sessionTimeoutMs'),
      protocols: protocolsFromJson(classic),
    },
    http: http && {
      sessionTimeoutMs: http.integer('sessionTimeoutMs'),
      start: STARTS.find((known) => known === http.text('start')) ?? http.fail('start', 'a policy'),
    },
  }
}

function progressToJson({ assigned, pendingRevocation }: MemberProgress): object {
  const rows = (list: readonly AssignedPartitions[]) =>
    list.map(({ topicId, partitions }) => [topicId, partitions])
  return { assigned: rows(assigned), pendingRevocation: rows(pendingRevocation) }
}

function progressFromJson(fields: Fields): MemberProgress {
  const state = STATES.find((known) => known === fields.text('state'))
  return {
    memberEpoch: fields.integer('memberEpoch'),
    previousMemberEpoch: fields.integer('previousMemberEpoch'),
    state: state ?? fields.fail('state', 'a known state'),
    assigned: assignedFromJson(fields.rows('assigned')),
    pendingRevocation: assignedFromJson(fields.rows('pendingRevocation')),
  }
}

function assignedFromJson(rows: readonly Fields[]): readonly AssignedPartitions[] {
  return rows.map((row) => ({
    topicId: row.text(0),
    partitions: row.rows(1).map((pair) => [pair.count(0), pair.integer(1)] as const),
  }))
}

function topicsToJson(topics: readonly AssignedTopic[]): object {
  return topics.map(({ topicId, name, partitionCount }) => [topicId, name, partitionCount])
}

function topicsFromJson(fields: Fields): readonly AssignedTopic[] {
  return fields.rows('topics').map((row) => ({
    topicId: row.text(0),
    name: row.text(1),
    partitionCount: row.count(2),
  }))
}

function targetsToJson(targets: TargetAssignmentRecord['targets']): object {
  return targets.map(({ memberId, partitions }) => [
    memberId,
    partitions.map(({ topicId, partitions: list }) => [topicId, list]),
  ])
}

function targetsFromJson(fields: Fields): TargetAssignmentRecord['targets'] {
  return fields.rows('targets').map((row) => ({
    memberId: row.text(0),
    partitions: row.rows(1).map((share) => ({
      topicId: share.text(0),
      partitions: partitionsFromJson(share),
    })),
  }))
}
