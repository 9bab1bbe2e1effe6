/**
 * Being a member of a group: joining, staying, polling, leaving.
 *
 * An HTTP member is a KIP-848 member with JSON manners; Kafka clients may be in the same group. Partitions change hands
 * cooperatively: who has to give some up is told by its heartbeat or poll, and gives them up by coming with the generation of
 * that answer.
 */

import { z } from 'zod'
import { duration, groupId, int64, memberId, partitionLists, span, topicName } from './fields.ts'
import { route } from './route.ts'
import { groupState } from './routes-groups.ts'
import { message } from './routes-messages.ts'

const params = z.strictObject({ groupId })

const SHORTEST_SESSION_MS = 1_000
const LONGEST_SESSION_MS = 1_800_000
const SHORTEST_HEARTBEAT_MS = 100
/** How long a poll may lock what it gives. */
const SHORTEST_LOCK_MS = 1_000
const LONGEST_LOCK_MS = 12 * 3_600_000
const MOST_TOPICS = 1_000

const timeoutMs = z.int().min(SHORTEST_SESSION_MS).max(LONGEST_SESSION_MS)
const timeout = span({ least: SHORTEST_SESSION_MS, most: LONGEST_SESSION_MS })
const start = z.enum(['earliest', 'latest', 'none'])
const generation = z.int().min(0).optional().meta({
  description:
    'that of the last answer you have read; without it you are taken to have read the last one. An earlier one is told again what has to be given up; where nothing has to be, another than the present one is refused (409)',
})
const ownedPartitions = partitionLists.optional().meta({
  description:
    'what the member still works on, whatever its generation; without it, the generation says what is given up',
})
const rebalanceRequired = z.boolean().meta({
  description:
    'the assignment or the generation changed, or partitions have to be given up: go on with assigned_partitions and generation',
})

const joinRequest = z
  .strictObject({
    member_id: memberId
      .optional()
      .meta({ description: 'kept as the id of the member; without it one is made from client_id' }),
    topics: z.array(topicName).min(1).max(MOST_TOPICS),
    session_timeout_ms: timeoutMs
      .optional()
      .meta({ description: 'silence after which the member is out; default 30000' }),
    session_timeout: timeout.optional(),
    heartbeat_interval_ms: z.int().min(SHORTEST_HEARTBEAT_MS).optional().meta({
      description: 'how often heartbeats will come; default a third of the session, 10000 at most',
    }),
    heartbeat_interval: span({
      least: SHORTEST_HEARTBEAT_MS,
      most: LONGEST_SESSION_MS,
    }).optional(),
    rebalance_timeout_ms: timeoutMs
      .optional()
      .meta({ description: 'how long giving partitions up may take; default the session timeout' }),
    rebalance_timeout: timeout.optional(),
    client_id: z.string().max(255).optional().meta({ description: 'default the member id' }),
    instance_id: memberId
      .optional()
      .meta({ description: 'a static member: its successor needs the same one' }),
    assignor: z
      .enum(['cooperative-sticky', 'range', 'roundrobin', 'sticky', 'uniform'])
      .optional()
      .meta({
        description: 'default cooperative-sticky; a group goes by what most of its members ask for',
      }),
    auto_offset_reset: start.optional().meta({
      description:
        'where a group begins that has committed nothing: latest (default), earliest, or none, which refuses; partitions that a topic gets later begin at their start',
    }),
    offset_reset: start.optional(),
  })
  .meta({ id: 'JoinRequest' })

const joinResponse = z
  .strictObject({
    member_id: z.string(),
    generation: z.int().meta({ description: '1 for the first member of a new group' }),
    assigned_partitions: partitionLists,
    heartbeat_interval_ms: z.int().meta({ description: 'send a heartbeat, or poll, that often' }),
    rebalance_required: z.boolean().meta({
      description: 'partitions have still to come, or to be given up: send a heartbeat soon',
    }),
    members: z.array(z.string()).meta({ description: 'the ids of all members' }),
    warnings: z.array(z.string()).optional(),
  })
  .meta({ id: 'JoinResponse' })

const memberRef = z
  .strictObject({ member_id: memberId, generation, owned_partitions: ownedPartitions })
  .meta({ id: 'MemberRef' })

const heartbeatResponse = z
  .strictObject({
    status: z.literal('ok'),
    state: groupState.meta({ description: 'of the group' }),
    generation: z.int(),
    rebalance_required: rebalanceRequired,
    assigned_partitions: partitionLists,
    warnings: z.array(z.string()).optional(),
  })
  .meta({ id: 'HeartbeatResponse' })

const pollResponse = z
  .strictObject({
    messages: z.array(message),
    next_offset: z
      .record(z.string(), z.record(z.string(), int64))
      .meta({ description: 'what to commit when all of these messages are done' }),
    generation: z.int(),
    rebalance_required: rebalanceRequired,
    assigned_partitions: partitionLists,
  })
  .meta({ id: 'PollResponse' })

export const memberRoutes = {
  joinGroup: route({
    method: 'POST',
    path: '/groups/{groupId}/join',
    tag: 'Groups',
    summary: 'Join a group, or join it again',
    description:
      'The group is made by its first member. Topics that do not exist are made where auto.create.topics.enable allows it. ' +
      'The answer has what is free at once; what others have to give up comes by a later heartbeat or poll. Joining again ' +
      'with the same member_id keeps the place, and gives nothing up: go on with heartbeats for that.',
    params,
    body: joinRequest,
    response: joinResponse,
    problems: [
      'UNKNOWN_TOPIC',
      'NO_OFFSET',
      'MEMBER_FENCED',
      'GROUP_TYPE',
      'GROUP_FULL',
      'TOO_MANY_PARTITIONS',
    ],
    examples: [
      {
        name: 'order-service',
        params: { groupId: 'order-service' },
        body: { member_id: 'consumer-1', topics: ['orders'], session_timeout_ms: 30_000 },
        response: {
          member_id: 'consumer-1',
          generation: 1,
          assigned_partitions: { orders: [0, 1] },
          heartbeat_interval_ms: 10_000,
          rebalance_required: false,
          members: ['consumer-1'],
        },
      },
    ],
  }),
  heartbeat: route({
    method: 'POST',
    path: '/groups/{groupId}/heartbeat',
    tag: 'Groups',
    summary: 'Stay in the group, and hear of a rebalance',
    description:
      'An answer with `rebalance_required` may have fewer partitions, and a new generation: stop working on the others. The next ' +
      'heartbeat or poll with that generation gives them up. Until then go on with the generation before, or say by ' +
      '`owned_partitions` that they are still worked on. A call that is repeated because its answer was lost is repeated as it ' +
      'was: with the generation that you know it is told the same again, and gives nothing up. Only a client that sends ' +
      'neither a generation nor `owned_partitions` counts as having read every answer.',
    params,
    body: memberRef,
    response: heartbeatResponse,
    problems: ['UNKNOWN_GROUP', 'UNKNOWN_MEMBER', 'STALE_GENERATION', 'GROUP_TYPE'],
    examples: [
      {
        name: 'nothing new',
        params: { groupId: 'order-service' },
        body: { member_id: 'consumer-1', generation: 1 },
        response: {
          status: 'ok',
          state: 'stable',
          generation: 1,
          rebalance_required: false,
          assigned_partitions: { orders: [0, 1] },
        },
      },
    ],
  }),
  leaveGroup: route({
    method: 'POST',
    path: '/groups/{groupId}/leave',
    tag: 'Groups',
    summary: 'Leave at once',
    description:
      'The partitions go to the other members; what the member held and did not settle is delivered again.',
    params,
    body: memberRef,
    response: z
      .strictObject({ status: z.literal('left'), left: z.literal(true) })
      .meta({ id: 'LeaveResponse' }),
    problems: ['UNKNOWN_GROUP', 'UNKNOWN_MEMBER', 'GROUP_TYPE'],
    examples: [
      {
        name: 'consumer-1',
        params: { groupId: 'order-service' },
        body: { member_id: 'consumer-1' },
        response: { status: 'left', left: true },
      },
    ],
  }),
  poll: route({
    method: 'GET',
    path: '/groups/{groupId}/poll',
    tag: 'Groups',
    summary: 'Wait for messages of the assigned partitions',
    description:
      'Waits until there is a message or the timeout is over (`[]`). Each message is locked for this member and has a ' +
      'receipt handle: settle it by `/messages/ack`, `/nack`, `/reject`, or commit an offset behind it. What is not settled ' +
      'in time is delivered again. A poll is a sign of life, like a heartbeat: who polls often enough needs no other. It ' +
      'ends early with `rebalance_required` when the group changes for this member, and when the client goes away.',
    params,
    query: z.strictObject({
      member_id: memberId,
      generation,
      max_messages: z.int().min(1).max(10_000).optional().meta({ description: 'default 100' }),
      limit: z.int().min(1).max(10_000).optional().meta({ description: 'the same' }),
      max_bytes: z
        .int()
        .min(1)
        .max(16_777_216)
        .default(1_048_576)
        .meta({ description: 'about so many; one message always fits' }),
      timeout: duration.optional().meta({
        description: 'how long to wait, such as `30s`; default 5s; more than 60s are 60s',
      }),
      timeout_ms: z.int().min(0).optional().meta({ description: 'the same' }),
      visibility_timeout: span({ least: SHORTEST_LOCK_MS, most: LONGEST_LOCK_MS })
        .optional()
        .meta({ description: 'how long messages are locked; default: what holds for the topic' }),
      visibility_timeout_ms: z.int().min(SHORTEST_LOCK_MS).max(LONGEST_LOCK_MS).optional(),
    }),
    response: pollResponse,
    problems: [
      'UNKNOWN_GROUP',
      'UNKNOWN_MEMBER',
      'STALE_GENERATION',
      'GROUP_TYPE',
      'NO_OFFSET',
      'STORAGE_DAMAGED',
    ],
    examples: [
      {
        name: 'nothing yet',
        params: { groupId: 'order-service' },
        query: { member_id: 'consumer-1', max_messages: '100', timeout: '0s' },
        response: {
          messages: [],
          next_offset: {},
          generation: 1,
          rebalance_required: false,
          assigned_partitions: { orders: [0, 1] },
        },
      },
    ],
  }),
}
