/** Operations that tell what happened to a group, and how far behind it is. */

import { z } from 'zod'
import { groupId, int64, offset, partitionIndex, timestamp } from './fields.ts'
import { route } from './route.ts'

const params = z.strictObject({ groupId })

const nullableText = z.string().nullable()

const move = z
  .strictObject({
    topic: z.string(),
    partition: z.int(),
    from: nullableText.meta({ description: 'the member that had it; null: nobody' }),
    to: nullableText.meta({ description: 'the member that has it now; null: nobody' }),
    from_client: nullableText,
    to_client: nullableText,
  })
  .meta({ id: 'PartitionMove' })

const cause = {
  reason: z.string().meta({
    description:
      'member_joined, member_left, session_timeout, rebalance_timeout, topic_changed, subscription_changed, assignor_changed, ' +
      'partitions_released, member_rejoined, member_updated, migrated, coordinator_restarted, paused or resumed',
  }),
  cause_member: z.string().meta({ description: 'the member it began with; empty: nobody' }),
  client_id: z.string(),
  instance_id: nullableText,
  detail: z.string().meta({ description: 'a sentence for people; may be empty' }),
}

const rebalance = z
  .strictObject({
    id: z.string().meta({ description: 'unique within the group' }),
    at: timestamp.meta({ description: 'when it began' }),
    duration_seconds: z.number(),
    generation_from: z.int(),
    generation_to: z.int(),
    ...cause,
    members_before: z.int(),
    members_after: z.int(),
    assigned: z.int().meta({ description: 'partitions that came to a member' }),
    revoked: z.int().meta({ description: 'partitions that left a member which is still there' }),
    lost: z.int().meta({ description: 'partitions that left a member which is gone' }),
    moved_count: z.int().meta({ description: 'partitions with another owner than before' }),
    moved: z.array(move).meta({ description: 'the first 200 of them' }),
    inferred: z.boolean().meta({ description: 'false: our own coordinator saw it' }),
  })
  .meta({ id: 'Rebalance' })

export const partitionLag = z
  .strictObject({
    topic: z.string(),
    partition: z.int(),
    committed_offset: offset.nullable(),
    log_start_offset: offset.nullable(),
    log_end_offset: offset.nullable(),
    lag: int64.nullable().meta({ description: 'records; null where nothing is committed' }),
    lag_seconds: z.number().nullable().meta({
      description:
        'age of the oldest record that is not consumed, by its own timestamp; 0 where none is left',
    }),
    lost: int64.meta({ description: 'records deleted before they were consumed' }),
    member_id: nullableText,
    client_id: nullableText,
  })
  .meta({ id: 'PartitionLag' })

/** A partition that came to the first member. */
function shownMove(index: number) {
  const to = { to: 'consumer-1', to_client: 'consumer-1' }
  return { topic: 'orders', partition: index, from: null, from_client: null, ...to }
}

export const historyRoutes = {
  rebalances: route({
    method: 'GET',
    path: '/groups/{groupId}/rebalances',
    tag: 'Groups',
    summary: 'The rebalances of a group: cause, member, duration, what moved',
    description:
      'The latest first. A group remembers its latest 100 (`shoal.group.timeline.entries`), over restarts; the counts go on. ' +
      '`cursor` goes on with older ones, `after` (the largest `generation_to` seen) asks for newer ones alone.',
    params,
    query: z.strictObject({
      since: z
        .string()
        .regex(/^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d)|\d{4}-\d\d-\d\dT.+)$/, 'expected 1h or a time')
        .optional()
        .meta({ description: 'a span of time such as `1h`, or an RFC 3339 time' }),
      after: z.int().min(0).optional(),
      cursor: z.string().regex(/^\d+$/).optional(),
      limit: z.int().min(1).max(1_000).default(100),
    }),
    response: z
      .strictObject({
        group_id: z.string(),
        created_at: timestamp,
        rebalance_count: z.int(),
        rebalances_per_hour: z.number(),
        time_in_rebalance_ms: z.int(),
        current: z
          .strictObject({ at: timestamp, ...cause })
          .nullable()
          .meta({ description: 'the rebalance that runs' }),
        rebalances: z.array(rebalance),
        next_cursor: nullableText,
      })
      .meta({ id: 'RebalanceList' }),
    problems: ['UNKNOWN_GROUP'],
    examples: [
      {
        name: 'order-service',
        params: { groupId: 'order-service' },
        query: { limit: '1' },
        response: {
          group_id: 'order-service',
          created_at: '2026-11-21T10:00:00.000Z',
          rebalance_count: 1,
          rebalances_per_hour: 1,
          time_in_rebalance_ms: 0,
          current: null,
          rebalances: [
            {
              id: '1',
              at: '2026-11-21T10:00:00.000Z',
              duration_seconds: 0,
              generation_from: 0,
              generation_to: 1,
              reason: 'member_joined',
              cause_member: 'consumer-1',
              client_id: 'consumer-1',
              instance_id: null,
              detail: '',
              members_before: 0,
              members_after: 1,
              assigned: 2,
              revoked: 0,
              lost: 0,
              moved_count: 2,
              moved: [shownMove(0), shownMove(1)],
              inferred: false,
            },
          ],
          next_cursor: null,
        },
      },
    ],
  }),
  groupLag: route({
    method: 'GET',
    path: '/groups/{groupId}/lag',
    tag: 'Groups',
    summary: 'How far behind a group is, in records and in seconds',
    description:
      'Lag in seconds is the age of the record at the committed offset, read from the log: nothing is interpolated.',
    params,
    query: z.strictObject({
      topic: z.string().optional(),
      partition: partitionIndex.optional(),
    }),
    response: z
      .strictObject({
        group_id: z.string(),
        at: timestamp,
        lag: int64.meta({ description: 'sum over the partitions where it is known' }),
        max_lag_seconds: z.number().nullable(),
        partitions: z.array(partitionLag),
      })
      .meta({ id: 'GroupLag' }),
    problems: ['UNKNOWN_GROUP'],
    examples: [
      {
        name: 'one partition',
        params: { groupId: 'order-service' },
        query: { topic: 'orders', partition: '0' },
        response: {
          group_id: 'order-service',
          at: '2026-11-21T10:00:00.000Z',
          lag: 0,
          max_lag_seconds: 0,
          partitions: [
            {
              topic: 'orders',
              partition: 0,
              committed_offset: 2,
              log_start_offset: 0,
              log_end_offset: 2,
              lag: 0,
              lag_seconds: 0,
              lost: 0,
              member_id: 'consumer-1',
              client_id: 'consumer-1',
            },
          ],
        },
      },
    ],
  }),
}
