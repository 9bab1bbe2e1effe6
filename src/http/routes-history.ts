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
    examples: [],
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
    examples: [],
  }),
}
