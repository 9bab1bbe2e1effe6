/**
 * One group with its members: a classic one by DescribeGroups, a KIP-848 one by ConsumerGroupDescribe.
 */

import type { GroupDescription, GroupMember, TopicPartitions } from '../../../admin/index.ts'
import { ShoalError } from '../../../core/index.ts'
import {
  consumerGroupDescribe,
  decodeAssignment,
  describeGroups,
  type ConsumerGroupDescribeResponse,
  type DescribeGroupsResponse,
} from '../../../protocol/index.ts'
import { refusal } from '../broker-link.ts'
import type { KafkaClient } from '../kafka-client.ts'
import { atCoordinator } from './at-coordinator.ts'
import { groupState } from './group-words.ts'

type ClassicGroup = DescribeGroupsResponse['groups'][number]
type ConsumerGroup = ConsumerGroupDescribeResponse['groups'][number]

const CLASSIC_MEMBER = 0

/** @throws ShoalError SHOAL_UNKNOWN_GROUP, naming the group. */
export function describeGroup(client: KafkaClient, groupId: string): Promise<GroupDescription> {
  return atCoordinator(client, groupId, () => askForGroup(client, groupId))
}

async function askForGroup(client: KafkaClient, groupId: string): Promise<GroupDescription> {
  const coordinator = await coordinatorOf(client, groupId)
  const { response } = await client.request(
    describeGroups,
    { groups: [groupId], includeAuthorizedOperations: false },
    { to: { group: groupId } },
  )
  const [classic] = response.groups
  if (classic === undefined) throw unknownGroup(groupId)
  // An unknown group is state Dead without an error up to version 5, and an error from version 6 on.
  if (classic.errorCode === 'NONE' && classic.groupState !== 'Dead')
    return { ...classicDescription(classic), coordinator }
  if (classic.errorCode !== 'NONE' && classic.errorCode !== 'GROUP_ID_NOT_FOUND')
    throw refusal(describeGroups.name, classic.errorCode, { group: groupId })
  const consumer = await consumerGroup(client, groupId)
  if (consumer === null) throw unknownGroup(groupId)
  return { ...consumerDescription(consumer), coordinator }
}

async function consumerGroup(client: KafkaClient, groupId: string): Promise<ConsumerGroup | null> {
  try {
    const { response } = await client.request(
      consumerGroupDescribe,
      { groupIds: [groupId], includeAuthorizedOperations: false },
      { to: { group: groupId } },
    )
    const [group] = response.groups
    if (group === undefined || group.errorCode === 'GROUP_ID_NOT_FOUND') return null
    if (group.errorCode !== 'NONE')
      throw refusal(consumerGroupDescribe.name, group.errorCode, { group: groupId })
    return group
  } catch (error) {
    // A broker without KIP-848 has no such groups.
    if (error instanceof ShoalError && error.details['error'] === 'UNSUPPORTED_VERSION') return null
    throw error
  }
}

function classicDescription(group: ClassicGroup): Omit<GroupDescription, 'coordinator'> {
  return {
    groupId: group.groupId,
    type: 'Classic',
    state: groupState(group.groupState),
    protocolType: group.protocolType,
    assignor: group.protocolData,
    epochs: null,
    members: group.members.map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      clientId: member.clientId,
      host: member.clientHost,
      assignment: classicAssignment(group, member.memberAssignment),
      memberEpoch: null,
      targetAssignment: null,
      targetEpoch: null,
      upgraded: null,
    })),
  }
}

/** What the leader wrote; bytes of another protocol than the consumers', or damaged ones, are nobody's assignment. */
function classicAssignment(group: ClassicGroup, bytes: Uint8Array): readonly TopicPartitions[] {
  if (group.protocolType !== 'consumer' || bytes.length === 0) return []
  try {
    return ordered(
      decodeAssignment(bytes).assignedPartitions.map(({ topic, partitions }) => ({
        topic,
        partitions,
      })),
    )
  } catch (error) {
    if (error instanceof ShoalError && error.code === 'SHOAL_PROTOCOL_DECODE') return []
    throw error
  }
}

function consumerDescription(group: ConsumerGroup): Omit<GroupDescription, 'coordinator'> {
  const mixed = group.members.some(({ memberType }) => memberType === CLASSIC_MEMBER)
  return {
    groupId: group.groupId,
    type: 'Consumer',
    state: groupState(group.groupState),
    protocolType: 'consumer',
    assignor: group.assignorName,
    epochs: { group: group.groupEpoch, targetAssignment: group.assignmentEpoch },
    members: group.members.map((member): GroupMember => ({
      memberId: member.memberId,
      groupInstanceId: member.instanceId,
      clientId: member.clientId,
      host: member.clientHost,
      assignment: consumerAssignment(member.assignment.topicPartitions),
      memberEpoch: member.memberEpoch,
      targetAssignment: consumerAssignment(member.targetAssignment.topicPartitions),
      targetEpoch: group.assignmentEpoch,
      upgraded: mixed ? member.memberType !== CLASSIC_MEMBER : null,
    })),
  }
}

function consumerAssignment(
  listed: readonly { readonly topicName: string; readonly partitions: readonly number[] }[],
): readonly TopicPartitions[] {
  return ordered(listed.map(({ topicName, partitions }) => ({ topic: topicName, partitions })))
}

function ordered(listed: readonly TopicPartitions[]): readonly TopicPartitions[] {
  return listed
    .filter(({ partitions }) => partitions.length > 0)
    .map(({ topic, partitions }) => ({ topic, partitions: partitions.toSorted((a, b) => a - b) }))
    .sort((left, right) => (left.topic < right.topic ? -1 : 1))
}

async function coordinatorOf(
  client: KafkaClient,
  groupId: string,
): Promise<GroupDescription['coordinator']> {
  const id = await client.coordinatorOf(groupId)
  const broker = client.cluster.brokers.get(id)
  return { id, host: broker?.host ?? '', port: broker?.port ?? -1 }
}

export function unknownGroup(groupId: string): ShoalError {
  return new ShoalError('SHOAL_UNKNOWN_GROUP', `group ${groupId} does not exist`, {
    details: { group: groupId },
  })
}
