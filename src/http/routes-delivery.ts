/**
 * Settling what a poll delivered, by receipt handles: acknowledged, failed, failed for good, or more time needed.
 *
 * One handle is answered with its record or refused with a status; many are answered one by one in `results`, in their
 * order, each settled or refused for itself.
 */

import { z } from 'zod'
import { duration, memberId, offset, timestamp } from './fields.ts'
import { route } from './route.ts'

/** Most handles of one request. */
const MOST_HANDLES = 1_000
/** Longest delay or lock. */
const LONGEST_MS = 12 * 3_600_000
const LONGEST_REASON = 1_000

const handle = z.string().min(1).max(8_192).meta({ description: 'as the poll gave it' })

const handles = {
  receipt_handle: handle.optional(),
  receipt_handles: z.array(handle).min(1).max(MOST_HANDLES).optional(),
  member_id: memberId
    .optional()
    .meta({ description: 'who asks; refused if the handle is not its own' }),
  consumer_id: memberId.optional().meta({ description: 'the same as member_id' }),
}

const span = duration.refine((milliseconds) => milliseconds <= LONGEST_MS, 'is more than 12h')

const reason = z.string().max(LONGEST_REASON)

/** Exactly one of the two ways to name what is meant. */
function namesHandles(body: {
  readonly receipt_handle?: string | undefined
  readonly receipt_handles?: readonly string[] | undefined
}): boolean {
  return (body.receipt_handle === undefined) !== (body.receipt_handles === undefined)
}

const ONE_OF = { message: 'receipt_handle or receipt_handles, one of them' }

const place = { topic: z.string(), partition: z.int(), offset }

const refusal = z
  .strictObject({ success: z.literal(false), code: z.string(), error: z.string() })
  .meta({ id: 'SettlementRefused' })

/** The answer to one handle, or to many. */
function settled<Shape extends z.core.$ZodLooseShape>(id: string, shape: Shape) {
  const one = z.strictObject({ success: z.literal(true), ...shape, ...place }).meta({ id })
  const many = z
    .strictObject({
      success: z.boolean().meta({ description: 'whether every handle was settled' }),
      results: z.array(z.union([one, refusal])),
    })
    .meta({ id: `${id}Batch` })
  return z.union([one, many])
}

const problems = [
  'INVALID_HANDLE',
  'UNKNOWN_DELIVERY',
  'HANDLE_EXPIRED',
  'HANDLE_NOT_HELD',
] as const

const about =
  'The answer leaves when a crash can no longer take it back. A handle is good for one delivery, until its lock ends.'

export const deliveryRoutes = {
  ack: route({
    method: 'POST',
    path: '/messages/ack',
    tag: 'Messages',
    summary: 'Processed: never delivered again',
    description: `${about} The committed offset follows the first record that is not done. What is acknowledged already is answered as before.`,
    body: z.strictObject(handles).refine(namesHandles, ONE_OF).meta({ id: 'AckRequest' }),
    response: settled('AckResponse', {
      acknowledged: z.literal(true),
      committed_offset: offset,
      offset_advanced: z.boolean().meta({ description: 'whether this request moved it' }),
      in_flight_count: z
        .int()
        .meta({ description: 'records of the partition that members hold now' }),
    }),
    problems,
    examples: [
      {
        name: 'one',
        body: { receipt_handle: 'handle-of-0-0' },
        response: {
          success: true,
          acknowledged: true,
          committed_offset: 1,
          offset_advanced: true,
          in_flight_count: 1,
          topic: 'orders',
          partition: 0,
          offset: 0,
        },
      },
    ],
  }),
  nack: route({
    method: 'POST',
    path: '/messages/nack',
    tag: 'Messages',
    summary: 'Failed: deliver again after a delay',
    description: `${about} Without a delay the topic's backoff holds (100 ms, doubled each time, at most 30 s). After the last attempt (3) the record goes to the dead-letter topic.`,
    body: z
      .strictObject({
        ...handles,
        delay: span.optional().meta({ description: 'instead of the backoff, at most 12h' }),
        reason: reason.optional().meta({ description: 'kept for the dead letter' }),
      })
      .refine(namesHandles, ONE_OF)
      .meta({ id: 'NackRequest' }),
    response: settled('NackResponse', {
      action: z.enum(['requeued', 'dlq', 'dropped']),
      requeued: z.boolean(),
      delivery_count: z.int(),
      next_visible_at: timestamp.optional(),
      dlq_topic: z.string().optional(),
    }),
    problems,
    examples: [
      {
        name: 'after a delay of its own',
        body: { receipt_handle: 'handle-of-0-1', delay: '5s', reason: 'the shop is closed' },
        response: {
          success: true,
          action: 'requeued',
          requeued: true,
          delivery_count: 1,
          next_visible_at: '2026-11-21T10:00:05.000Z',
          topic: 'orders',
          partition: 0,
          offset: 1,
        },
      },
    ],
  }),
  reject: route({
    method: 'POST',
    path: '/messages/reject',
    tag: 'Messages',
    summary: 'Failed for good: to the dead letters',
    description: `${about} The record counts as done when its dead letter is written to \`<topic>-dlq\`.`,
    body: z
      .strictObject({ ...handles, reason: reason.min(1) })
      .refine(namesHandles, ONE_OF)
      .meta({ id: 'RejectRequest' }),
    response: settled('RejectResponse', {
      rejected: z.literal(true),
      action: z.enum(['dlq', 'dropped']),
      dlq_topic: z.string().optional(),
      reason: z.string(),
    }),
    problems,
    examples: [
      {
        name: 'one',
        body: { receipt_handle: 'handle-of-1-0', reason: 'not an order' },
        response: {
          success: true,
          rejected: true,
          action: 'dlq',
          dlq_topic: 'orders-dlq',
          reason: 'not an order',
          topic: 'orders',
          partition: 1,
          offset: 0,
        },
      },
    ],
  }),
  extendVisibility: route({
    method: 'POST',
    path: '/messages/visibility',
    tag: 'Messages',
    summary: 'Needs more time: the lock begins anew',
    description: `${about} Without a time the topic's lock duration holds (30 s). Not a new delivery.`,
    body: z
      .strictObject({
        ...handles,
        timeout: span.optional().meta({ description: 'from now on, such as `60s`; at most 12h' }),
        extension_seconds: z
          .int()
          .min(0)
          .max(LONGEST_MS / 1_000)
          .optional()
          .meta({ description: 'the same as timeout' }),
      })
      .refine(namesHandles, ONE_OF)
      .meta({ id: 'VisibilityRequest' }),
    response: settled('VisibilityResponse', {
      extended: z.literal(true),
      new_deadline: timestamp,
      extended_by: z.number().meta({ description: 'seconds from now' }),
    }),
    problems,
    examples: [
      {
        name: 'another minute',
        body: { receipt_handle: 'handle-of-0-1', timeout: '60s' },
        response: {
          success: true,
          extended: true,
          new_deadline: '2026-11-21T10:01:00.000Z',
          extended_by: 60,
          topic: 'orders',
          partition: 0,
          offset: 1,
        },
      },
    ],
  }),
}
