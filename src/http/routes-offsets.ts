/** Committed offsets of a group: reading and committing them. */

import { z } from 'zod'
import { groupId, int64, memberId, offset } from './fields.ts'
import { route } from './route.ts'
import { partitionLag } from './routes-history.ts'

const params = z.strictObject({ groupId })

/** Topic to partition to the offset of the first message that is not done. */
const topicOffsets = z.record(
  z.string(),
  z.record(z.string().regex(/^(?:0|[1-9]\d{0,8})$/), offset),
)

/** A partition that is read to its end. */
function shownLag(partition: number, end: number) {
  return {
    topic: 'orders',
    partition,
    committed_offset: end,
    log_start_offset: 0,
    log_end_offset: end,
    lag: 0,
    lag_seconds: 0,
    lost: 0,
    member_id: 'consumer-1',
    client_id: 'consumer-1',
  }
}

export const offsetRoutes = {
  getOffsets: route({
    method: 'GET',
    path: '/groups/{groupId}/offsets',
    tag: 'Offsets',
    summary: 'What the group committed, and how far behind it is',
    params,
    query: z.strictObject({ topic: z.string().optional() }),
    response: z
      .strictObject({
        group_id: z.string(),
        generation: z.int(),
        topics: topicOffsets.meta({ description: 'committed offsets by topic and partition' }),
        partitions: z.array(partitionLag),
      })
      .meta({ id: 'OffsetsResponse' }),
    problems: ['UNKNOWN_GROUP'],
    examples: [
      {
        name: 'order-service',
        params: { groupId: 'order-service' },
        query: { topic: 'orders' },
        response: {
          group_id: 'order-service',
          generation: 1,
          topics: { orders: { '0': 2, '1': 1 } },
          partitions: [shownLag(0, 2), shownLag(1, 1)],
        },
      },
    ],
  }),
  commitOffsets: route({
    method: 'POST',
    path: '/groups/{groupId}/offsets',
    tag: 'Offsets',
    summary: 'Commit offsets',
    description:
      'An offset is that of the next message to read: commit the last one done plus 1. It settles all messages below it, of ' +
      'whatever delivery; an earlier offset than the committed one delivers again from there. Members commit their own ' +
      'partitions, fenced by their generation; anybody commits while the group has no members. All or nothing.',
    params,
    body: z
      .strictObject({
        member_id: memberId.optional().meta({ description: 'needed while the group has members' }),
        generation: z.int().min(0).optional(),
        offsets: topicOffsets.refine((topics) => Object.keys(topics).length > 0, 'is empty'),
      })
      .meta({ id: 'CommitRequest' }),
    response: z
      .strictObject({
        status: z.literal('committed'),
        committed: z.literal(true),
        group: z.string(),
        offsets: z.record(z.string(), z.record(z.string(), int64)),
      })
      .meta({ id: 'CommitResponse' }),
    problems: [
      'UNKNOWN_GROUP',
      'UNKNOWN_MEMBER',
      'UNKNOWN_TOPIC',
      'UNKNOWN_PARTITION',
      'STALE_GENERATION',
      'NOT_ASSIGNED',
      'GROUP_NOT_EMPTY',
      'GROUP_TYPE',
      'OFFSET_OUT_OF_RANGE',
    ],
    examples: [
      {
        name: 'order-service',
        params: { groupId: 'order-service' },
        body: { member_id: 'consumer-1', generation: 1, offsets: { orders: { '0': 2 } } },
        response: {
          status: 'committed',
          committed: true,
          group: 'order-service',
          offsets: { orders: { '0': 2 } },
        },
      },
    ],
  }),
}
