/** Operations that hold the delivery of a group, and give it back. */

import { z } from 'zod'
import { duration, groupId, timestamp } from './fields.ts'
import { route } from './route.ts'

const params = z.strictObject({ groupId })

const state = z
  .strictObject({
    group_id: z.string(),
    paused: z.boolean(),
    held: z.boolean().meta({
      description: 'paused, and no member has a partition any more: offsets can be reset',
    }),
    since: timestamp.nullable(),
    until: timestamp.nullable().meta({ description: 'when it ends by itself' }),
    reason: z.string(),
    holding: z
      .array(z.strictObject({ member_id: z.string(), client_id: z.string(), partitions: z.int() }))
      .meta({
        description: 'members that have partitions: of a paused group, those still to come',
      }),
  })
  .meta({ id: 'GroupPause' })

/** A group whose one member still has both partitions. */
function shownState(paused: boolean) {
  const holding = [{ member_id: 'consumer-1', client_id: 'consumer-1', partitions: 2 }]
  return {
    group_id: 'order-service',
    paused,
    held: false,
    since: paused ? '2026-11-21T10:00:00.000Z' : null,
    until: paused ? '2026-11-21T10:15:00.000Z' : null,
    reason: paused ? 'deploying' : '',
    holding,
  }
}

export const pauseRoutes = {
  pauseGroup: route({
    method: 'POST',
    path: '/groups/{groupId}/pause',
    tag: 'Groups',
    summary: 'Hold delivery; members and sessions stay',
    description:
      'Every member, of whatever client, gives up its partitions by a rebalance and commits what it has done; then it has ' +
      'none until the group is resumed. The answer leaves at once: `held` says when all have given up (ask GET ' +
      '/groups/{groupId}/pause). From then on commits of members are refused, and those of an administrator are taken. It is ' +
      'kept over restarts. Again, it sets a new time and reason.',
    params,
    body: z.strictObject({
      reason: z.string().max(255).default(''),
      until: z
        .union([duration, timestamp])
        .optional()
        .meta({ description: 'a span such as `15m`, or a time; default: until it is resumed' }),
    }),
    response: state,
    problems: ['UNKNOWN_GROUP', 'GROUP_TYPE'],
    examples: [
      {
        name: 'a quarter of an hour',
        params: { groupId: 'order-service' },
        body: { reason: 'deploying', until: '15m' },
        response: shownState(true),
      },
    ],
  }),
  resumeGroup: route({
    method: 'POST',
    path: '/groups/{groupId}/resume',
    tag: 'Groups',
    summary: 'Give the members their partitions back',
    description:
      'They go on at the committed offsets. Nothing happens to a group that is not paused.',
    params,
    response: state,
    problems: ['UNKNOWN_GROUP'],
    examples: [
      {
        name: 'order-service',
        params: { groupId: 'order-service' },
        response: shownState(false),
      },
    ],
  }),
  getPause: route({
    method: 'GET',
    path: '/groups/{groupId}/pause',
    tag: 'Groups',
    summary: 'Whether a group is paused, and who still has partitions',
    params,
    response: state,
    problems: ['UNKNOWN_GROUP'],
    examples: [
      {
        name: 'while it is paused',
        params: { groupId: 'order-service' },
        response: shownState(true),
      },
    ],
  }),
}
