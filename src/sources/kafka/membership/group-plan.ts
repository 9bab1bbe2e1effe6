/**
 * What a member tells its group, and what a leader makes of what all members tell: pure.
 *
 * Assignors have the names of Kafka's own and behave as those do, so that our members and Java's share a group. For the
 * sticky ones a member's past travels with its subscription: in fields of their own since its version 2, and in user data
 * for leaders of the time before (cooperative: the generation; eager: all that it held, then the generation).
 */

import { ShoalError, concatBytes } from '../../../core/index.ts'
import { assignors } from '../../../group/index.ts'
import type { AssignorMember, AssignorName, TopicPartitions } from '../../../group/index.ts'
import {
  api,
  array,
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
  int32,
  string,
} from '../../../protocol/index.ts'
import type { TopicPartition } from '../topic-partition.ts'
import type { GroupMemberMetadata, MemberAssignment } from './classic-messages.ts'
import type { KafkaAssignorName } from '../options.ts'

export interface MemberPast {
  readonly generation: number
  readonly owned: readonly TopicPartition[]
}

/** The user data of Java's eager sticky assignor; it stands in the place of a request. */
const stickyPast = api({
  key: -1,
  name: 'StickyUserData',
  versions: [0, 0],
  flexibleSince: null,
  request: {
    previousAssignment: array({ topic: string(), partitions: array(int32()) }),
    generation: int32(),
  },
  response: {},
})

const GENERATION_BYTES = 4

/** Whether a group with these assignors may move partitions without stopping everything. */
export function isCooperative(offered: readonly KafkaAssignorName[]): boolean {
  return offered.every((name) => name === 'cooperative-sticky')
}

/**
 * What JoinGroup carries for each assignor that we offer.
 * @param held what the member owns now; an eager member has given that up by now and tells only its `past`.
 */
export function subscriptions(
  offered: readonly KafkaAssignorName[],
  topics: readonly string[],
  held: MemberPast,
  past: MemberPast,
  rackId: string | null = null,
): readonly { readonly name: string; readonly metadata: Uint8Array }[] {
  return offered.map((assignor) => ({
    name: assignor,
    metadata: encodeSubscription({
      topics: [...topics].sort(),
      userData: userData(assignor, held, past),
      ownedPartitions: byTopic(held.owned),
      generationId: held.generation,
      rackId,
    }),
  }))
}

/** The topics that members of a group want, all of them together. */
export function wantedTopics(members: readonly GroupMemberMetadata[]): readonly string[] {
  return [...new Set(members.flatMap((member) => assignorMember(member).topics))].sort()
}

/**
 * What each member gets.
 * @throws ShoalError SHOAL_REQUEST_FAILED for an assignor that we did not offer; SHOAL_PROTOCOL_DECODE
 */
export function planGroup(
  protocol: string,
  members: readonly GroupMemberMetadata[],
  partitionCounts: ReadonlyMap<string, number>,
): readonly MemberAssignment[] {
  const assign = (assignors as Readonly<Record<string, (typeof assignors)[AssignorName]>>)[protocol]
  if (assign === undefined || !Object.hasOwn(assignors, protocol))
    throw new ShoalError('SHOAL_REQUEST_FAILED', `the group chose the unknown assignor ${protocol}`)
  const assignment = assign({ members: members.map(assignorMember), partitionCounts })
  return members.map(({ memberId }) => ({
    memberId,
    // Version 0 says all there is, to clients of any age.
    assignment: encodeAssignment(
      { assignedPartitions: assignment.get(memberId) ?? [], userData: null },
      0,
    ),
  }))
}

/** The partitions in what SyncGroup answered. @throws ShoalError SHOAL_PROTOCOL_DECODE */
export function assignedPartitions(assignment: Uint8Array): readonly TopicPartition[] {
  return decodeAssignment(assignment).assignedPartitions.flatMap(({ topic, partitions }) =>
    partitions.map((partition) => ({ topic, partition })),
  )
}

/** A member whose subscription cannot be read wants nothing: it must not keep the others from working. */
function assignorMember({
  memberId,
  groupInstanceId,
  metadata,
}: GroupMemberMetadata): AssignorMember {
  const who = { memberId, groupInstanceId }
  const told = readable(() => decodeSubscription(metadata))
  if (told === null) return { ...who, topics: [], ownedPartitions: [], generation: -1 }
  const { topics, ownedPartitions, generationId: generation, userData } = told
  const member = { ...who, topics, ownedPartitions, generation }
  if (generation >= 0 || userData === null) return member
  if (ownedPartitions.length > 0 && userData.length === GENERATION_BYTES)
    return { ...member, generation: generationIn(userData) }
  const past = readable(() => stickyPast.decodeRequest(0, userData))
  if (past === null) return member
  return { ...member, ownedPartitions: past.previousAssignment, generation: past.generation }
}

function readable<Value>(decode: () => Value): Value | null {
  try {
    return decode()
  } catch (error) {
    if (error instanceof ShoalError && error.code === 'SHOAL_PROTOCOL_DECODE') return null
    throw error
  }
}

function userData(
  assignor: KafkaAssignorName,
  held: MemberPast,
  past: MemberPast,
): Uint8Array | null {
  switch (assignor) {
    case 'cooperative-sticky': {
      const bytes = new Uint8Array(GENERATION_BYTES)
      new DataView(bytes.buffer).setInt32(0, held.generation)
      return bytes
    }
    case 'sticky':
      return concatBytes(
        stickyPast.encodeRequest(0, {
          previousAssignment: byTopic(past.owned),
          generation: past.generation,
        }),
      )
    case 'range':
    case 'roundrobin':
      return null
  }
}

function generationIn(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, GENERATION_BYTES).getInt32(0)
}

function byTopic(partitions: readonly TopicPartition[]): readonly TopicPartitions[] {
  const topics = Map.groupBy(partitions, ({ topic }) => topic)
  return [...topics]
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([topic, members]) => ({
      topic,
      partitions: members.map(({ partition }) => partition).sort((left, right) => left - right),
    }))
}
