/** Groups as seen from outside: which there are, who is in, deleting one. */

import { z } from 'zod'
import { groupId, int64, partitionLists, timestamp } from './fields.ts'
import { route } from './route.ts'

const params = z.strictObject({ groupId })

/** States in lower case, as seed pages of GoQueue print them. */
export const groupState = z.enum([
  'empty',
  'assigning',
  'preparing_rebalance',
  'completing_rebalance',
  'reconciling',
  'stable',
  'dead',
])

const member = z
  .strictObject({
    member_id: z.string(),
    client_host: z.string(),
    assigned_partitions: partitionLists,
    client_id: z.string(),
    instance_id: z.string().nullable(),
    protocol: z
      .enum(['classic', 'consumer', 'share', 'http'])
      .meta({ description: 'classic, consumer (KIP-848) or share: a Kafka client' }),
    generation: z.int().meta({ description: 'that the member has reached' }),
    target_partitions: partitionLists
      .optional()
      .meta({ description: 'what it is to have, where that differs from what it has' }),
    idle: z.boolean().meta({ description: 'no partition is left for it' }),
    session_timeout_ms: z.int().optional(),
  })
  .meta({ id: 'Member' })

/** Seed 001's fields first, additions after them. */
export const group = z
  .strictObject({
    group_id: z.string(),
    state: groupState,
    generation: z.int(),
    members: z.array(member),
    protocol: z.enum(['classic', 'consumer', 'share']).optional(),
    assignor: z.string().optional(),
    topics: z
      .array(z.string())
      .optional()
      .meta({ description: 'that members subscribe to; of a classic group those that they have' }),
    lag: int64.optional().meta({ description: 'records, over all partitions' }),
    max_lag_seconds: z.number().nullable().optional(),
    paused: z.boolean().optional().meta({ description: 'its delivery is held' }),
    created_at: timestamp.optional(),
    rebalance_count: z.int().optional(),
    rebalances_per_hour: z.number().optional(),
    time_in_rebalance_ms: z.int().optional(),
    warnings: z.array(z.string()).optional().meta({ description: 'what an operator should know' }),
  })
  .meta({ id: 'Group' })

const orderService = {
  group_id: 'order-service',
  state: 'stable',
  generation: 1,
  members: [
    {
      member_id: 'consumer-1',
      client_host: '127.0.0.1',
      assigned_partitions: { orders: [0, 1] },
      client_id: 'consumer-1',
      instance_id: null,
      protocol: 'http',
      generation: 1,
      idle: false,
      session_timeout_ms: 30_000,
    },
  ],
}

export const groupRoutes = {
  listGroups: route({
    method: 'GET',
    path: '/groups',
    tag: 'Groups',
    summary: 'All groups, by id',
    query: z.strictObject({
      state: groupState.optional(),
      topic: z.string().optional().meta({ description: 'groups whose members subscribe to it' }),
      limit: z.int().min(1).max(1_000).default(100).meta({ description: 'groups a page' }),
      cursor: z.string().optional().meta({ description: '`next_cursor` of the page before' }),
    }),
    response: z
      .strictObject({ groups: z.array(group), next_cursor: z.string().nullable() })
      .meta({ id: 'GroupList' }),
    problems: [],
    examples: [{ name: 'one', response: { groups: [orderService], next_cursor: null } }],
  }),
  getGroup: route({
    method: 'GET',
    path: '/groups/{groupId}',
    tag: 'Groups',
    summary: 'One group: state, members, who has what',
    params,
    response: group,
    problems: ['UNKNOWN_GROUP'],
    examples: [
      { name: 'order-service', params: { groupId: 'order-service' }, response: orderService },
    ],
  }),
  deleteGroup: route({
    method: 'DELETE',
    path: '/groups/{groupId}',
    tag: 'Groups',
    summary: 'Delete a group without members, with its committed offsets',
    params,
    response: z
      .strictObject({ deleted: z.literal(true), name: z.string() })
      .meta({ id: 'GroupDeleted' }),
    problems: ['UNKNOWN_GROUP', 'GROUP_NOT_EMPTY'],
    examples: [
      {
        name: 'order-service',
        params: { groupId: 'order-service' },
        response: { deleted: true, name: 'order-service' },
      },
    ],
  }),
}
