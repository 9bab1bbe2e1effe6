/** Moving the committed offsets of a group. */

import { z } from 'zod'
import { groupId, int64, offset, partitionIndex, topicName } from './fields.ts'
import { route } from './route.ts'

const planned = z
  .strictObject({
    topic: z.string(),
    partition: z.int(),
    from: offset.nullable().meta({ description: 'committed now; null: nothing' }),
    to: offset,
    delta: int64.nullable(),
    records: int64.meta({ description: 'offsets that are passed over, or come again' }),
    clamped: z.boolean().meta({ description: 'moved into the log' }),
    note: z.string(),
  })
  .meta({ id: 'PlannedReset' })

/** A partition whose messages all come again. */
function again(partition: number, from: number) {
  return {
    topic: 'orders',
    partition,
    from,
    to: 0,
    delta: -from,
    records: from,
    clamped: false,
    note: '',
  }
}

export const resetRoutes = {
  resetOffsets: route({
    method: 'POST',
    path: '/groups/{groupId}/offsets/reset',
    tag: 'Offsets',
    summary: 'Move the committed offsets of a group; a plan first',
    description:
      'Without `dry_run: false` nothing changes. A group with members is refused, or with `pause_first` paused until all have ' +
      'given up their partitions, reset and resumed: the members stay, go on at the new offsets, and commits from before ' +
      'are refused.',
    params: z.strictObject({ groupId }),
    body: z
      .strictObject({
        to: z.string().max(300).optional().meta({
          description:
            'earliest, latest, current, an offset, +N, -N, @2026-11-21T10:00:00Z, @-2h or group:NAME',
        }),
        topics: z
          .array(topicName)
          .min(1)
          .optional()
          .meta({ description: 'default: all that the group has committed' }),
        partitions: z
          .array(z.strictObject({ topic: topicName, partition: partitionIndex, offset }))
          .min(1)
          .optional()
          .meta({ description: 'an offset for each, instead of `to`' }),
        dry_run: z.boolean().default(true),
        pause_first: z.boolean().default(false),
        wait_ms: z
          .int()
          .min(0)
          .max(600_000)
          .default(60_000)
          .meta({ description: 'with pause_first: how long members may take' }),
        if_generation: z
          .int()
          .optional()
          .meta({ description: 'refused where the group is at another one' }),
      })
      .meta({ id: 'ResetRequest' }),
    response: z
      .strictObject({ group_id: z.string(), executed: z.boolean(), plan: z.array(planned) })
      .meta({ id: 'ResetPlan' }),
    problems: ['UNKNOWN_GROUP', 'UNKNOWN_TOPIC', 'GROUP_NOT_EMPTY', 'STALE_GENERATION'],
    examples: [
      {
        name: 'a plan',
        params: { groupId: 'order-service' },
        body: { to: 'earliest' },
        response: {
          group_id: 'order-service',
          executed: false,
          plan: [again(0, 2), again(1, 1)],
        },
      },
    ],
  }),
}
