/**
 * A group changes its kind while its members work on.
 *
 *   classic ──a KIP-848 member joins──▶ KIP-848, with the classic members in it as they are
 *   KIP-848 ──the last KIP-848 member is gone, classic ones are left──▶ classic, and these rebalance
 *
 * Numbers go on: the group epoch begins at the generation, the next generation is above the group epoch. An empty group of
 * either kind becomes the other without a word.
 */

import { type ClassicGroup, ownersOf } from '../classic/classic-group.ts'
import {
  CONSUMER_PROTOCOL_TYPE,
  type NamedPartitions,
  readAssignment,
  readSubscription,
} from '../classic/consumer-protocol.ts'
import { metadataOf, selectProtocol } from '../classic/protocols.ts'
import type {
  ConsumerGroupSnapshotRecord,
  ConsumerMemberState,
  GroupSnapshotRecord,
  MemberRecord,
  RebalanceStart,
} from '../records.ts'
import type { ClassicTurn } from '../classic/turn.ts'
import type { GroupTopics } from '../topics.ts'
import { assignmentBytes, idsOf, subscriptionOf } from './classic-members.ts'
import type { ConsumerGroup } from './consumer-group.ts'
import {
  EpochsBuilder,
  epochListOf,
  has,
  listOf,
  NO_PARTITIONS,
  type PartitionEpochs,
} from './partitions.ts'
import { sortedNames } from './profile.ts'
import { assignedTopics } from './target.ts'
import type { ConsumerLimits } from './turn.ts'

/** Whether a KIP-848 member may turn this group into its own kind: without a word when nobody is in. */
export function mayBecomeConsumer(turn: ClassicTurn, limits: ConsumerLimits): boolean {
  if (turn.state === 'Empty') return true
  const policy = limits.groupConsumerMigrationPolicy
  const protocolType = turn.soft.round?.protocolType ?? turn.group.protocolType
  return (
    (policy === 'bidirectional' || policy === 'upgrade') &&
    protocolType === CONSUMER_PROTOCOL_TYPE &&
    turn.group.members.size <= limits.groupConsumerMaxSize &&
    turn.members().every(({ protocols }) => subscriptionOf(protocols) !== null)
  )
}

/**
 * The classic group as a KIP-848 one: everybody has what it had. `members` is what they say of themselves now, `why` what
 * begins a rebalance of it, unless one runs.
 *
 * A member that has not heard of its assignment yet still works on what it owned when it joined. So that counts as its own
 * too, unless it is another's by assignment: it says at its next join what is left of it.
 */
export function upgraded(
  group: ClassicGroup,
  members: readonly MemberRecord[],
  topics: GroupTopics,
  why: RebalanceStart,
): ConsumerGroupSnapshotRecord {
  const { groupId, generation, idleSince } = group
  const taken = new EpochsBuilder()
  const held = members.map(() => new EpochsBuilder())
  const take = (partitionsOf: (member: MemberRecord) => readonly NamedPartitions[]) =>
    members.forEach((member, index) => {
      for (const { topicId, partitions } of listOf(idsOf(partitionsOf(member), topics)))
        for (const partition of partitions) {
          // Two claims to one partition: the leader of a classic group may have erred. The first one counts.
          if (has(taken.map, topicId, partition)) continue
          taken.add(topicId, partition, generation)
          held[index]?.add(topicId, partition, generation)
        }
    })
  if (group.assigned) take(({ assignment }) => readAssignment(assignment) ?? [])
  take((member) => {
    const current = group.members.get(member.memberId)
    const said = metadataOf(current ?? member, group.protocolName)
    return readSubscription(said)?.ownedPartitions ?? []
  })

  const states = members.map((member, index) =>
    upgradedMember(member, generation, held[index]?.map ?? NO_PARTITIONS),
  )
  return {
    kind: 'consumer-group',
    groupId,
    groupEpoch: generation,
    assignmentEpoch: generation,
    assignor: '',
    topicsHash: '',
    topics: assignedTopics(topicsOf(states, topics)),
    members: states,
    targets: states.map(({ profile, assigned }) => ({
      memberId: profile.memberId,
      partitions: assigned.map(({ topicId, partitions }) => ({
        topicId,
        partitions: partitions.map(([partition]) => partition),
      })),
    })),
    idleSince,
    rebalance: group.rebalance ?? why,
    before: group.before ?? { generation, owners: ownersOf(group) },
    pause: group.pause,
  }
}

/** The topics of which members have partitions. */
function topicsOf(members: readonly ConsumerMemberState[], topics: GroupTopics) {
  const ids = new Set(members.flatMap(({ assigned }) => assigned.map(({ topicId }) => topicId)))
  return [...ids].flatMap((topicId) => topics.byId(topicId) ?? [])
}

function upgradedMember(
  member: MemberRecord,
  generation: number,
  assigned: PartitionEpochs,
): ConsumerMemberState {
  const subscription = subscriptionOf(member.protocols)
  return {
    profile: {
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      rackId: subscription?.rackId ?? null,
      clientId: member.clientId,
      clientHost: member.clientHost,
      rebalanceTimeoutMs: member.rebalanceTimeoutMs,
      subscribedTopicNames: sortedNames(subscription?.topics ?? []),
      subscribedTopicRegex: null,
      serverAssignor: null,
      classic: { sessionTimeoutMs: member.sessionTimeoutMs, protocols: member.protocols },
      http: null,
    },
    memberEpoch: generation,
    previousMemberEpoch: generation,
    state: 'stable',
    assigned: epochListOf(assigned),
    pendingRevocation: [],
  }
}

function union(left: PartitionEpochs, right: PartitionEpochs): PartitionEpochs {
  const all = new EpochsBuilder()
  for (const set of [left, right])
    for (const [topicId, partitions] of set)
      for (const [partition, epoch] of partitions) all.add(topicId, partition, epoch)
  return all.map
}

/** The group as a classic one that has to rebalance. */
export function downgraded(
  group: ConsumerGroup,
  topics: GroupTopics,
  rebalance: RebalanceStart,
): GroupSnapshotRecord {
  const members = Array.from(group.members.values(), ({ profile, ...member }): MemberRecord => ({
    memberId: profile.memberId,
    groupInstanceId: profile.groupInstanceId,
    clientId: profile.clientId,
    clientHost: profile.clientHost,
    sessionTimeoutMs: profile.classic?.sessionTimeoutMs ?? 0,
    rebalanceTimeoutMs: profile.rebalanceTimeoutMs,
    protocols: profile.classic?.protocols ?? [],
    // What it was told to give up and has not is still its own.
    assignment: assignmentBytes(union(member.assigned, member.pendingRevocation), topics),
  }))
  return {
    kind: 'group',
    groupId: group.groupId,
    generation: group.groupEpoch,
    protocolType: CONSUMER_PROTOCOL_TYPE,
    protocolName: selectProtocol(members),
    leader: members[0]?.memberId ?? null,
    members,
    assigned: true,
    disturbed: true,
    idleSince: group.idleSince,
    rebalance,
    before: group.before,
    pause: group.pause,
  }
}
