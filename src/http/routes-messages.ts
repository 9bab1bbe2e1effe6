/**
 * Messages: publishing one or many, and reading a partition without a group.
 *
 * A value is sent as text (the default for a string), as any JSON, or as base64; it comes back as text where its bytes are
 * UTF-8 and as base64 where they are not: `encoding` says which.
 */

import { z } from 'zod'
import { duration, int64, offset, partitionIndex, timestamp, topicName } from './fields.ts'
import { route } from './route.ts'

/** Most messages of one publish. */
const MOST_MESSAGES = 10_000

const header = z.union([
  z.tuple([z.string(), z.string().nullable()]),
  z.tuple([z.string(), z.string(), z.literal('base64')]),
])

/** A message as polls and reads give it. */
export const message = z
  .strictObject({
    topic: z.string(),
    partition: z.int(),
    offset,
    timestamp,
    key: z.string().nullable(),
    key_encoding: z
      .literal('base64')
      .optional()
      .meta({ description: 'where the key is not UTF-8' }),
    value: z.string().nullable(),
    encoding: z.enum(['utf8', 'base64']).meta({ description: 'of the value' }),
    headers: z
      .array(header)
      .optional()
      .meta({ description: '[name, value], or [name, value, "base64"]' }),
    delivery_count: z.int().optional(),
    receipt_handle: z.string().optional(),
  })
  .meta({ id: 'Message' })

/** The last moment that RFC 3339 can write, 9999-12-31T23:59:59.999Z: what is published has to be told again. */
export const LAST_TIME_MS = 253_402_300_799_999

/** A time of day. */
const moment = z.union([timestamp, z.int().min(0)])

/** What a message says of itself. */
const sentFields = {
  key: z.string().nullable().optional().meta({ description: 'chooses the partition' }),
  key_encoding: z.enum(['utf8', 'base64']).optional().meta({ description: 'default utf8' }),
  value: z
    .unknown()
    // Aborts: else a list whose messages are wrong would be told that it is no single message.
    .refine((value) => value !== undefined, { message: 'is missing', abort: true })
    .meta({ description: 'text, any JSON, or null' }),
  encoding: z
    .enum(['utf8', 'json', 'base64'])
    .optional()
    .meta({ description: 'of the value; default utf8 for a string, json for anything else' }),
  headers: z
    .union([z.record(z.string(), z.string()), z.array(header)])
    .optional()
    .meta({ description: 'by name, or as [name, value] where order or repetition matters' }),
  partition: partitionIndex
    .optional()
    .meta({ description: 'instead of the one that the key chooses' }),
  timestamp: z
    .union([timestamp, z.int().min(0).max(LAST_TIME_MS)])
    .optional()
    .meta({ description: 'RFC 3339, or milliseconds since 1970; default now' }),
  delay: z
    .union([duration, z.int().min(0)])
    .optional()
    .meta({ description: 'seen by nobody for so long: `30s`, or milliseconds' }),
  deliver_at: moment.optional().meta({ description: 'seen by nobody before this time' }),
  deliverAt: moment.optional().meta({ description: 'the same' }),
}

/** One message to publish. */
export const sentMessage = z.strictObject(sentFields).meta({ id: 'MessageToPublish' })

const partitioner = z.enum(['murmur2', 'crc32', 'consistent_random']).optional().meta({
  description:
    'how keys choose partitions: murmur2 as Java clients do (default), crc32 (also called consistent_random) as librdkafka does',
})

const batch = z
  .strictObject({ messages: z.array(sentMessage).min(1).max(MOST_MESSAGES), partitioner })
  .meta({ id: 'PublishBatch' })

const single = z.strictObject({ ...sentFields, partitioner }).meta({ id: 'PublishOne' })

const result = z
  .strictObject({
    partition: z.int(),
    offset: offset.optional().meta({ description: 'missing where it was refused, or is delayed' }),
    id: z.string().optional().meta({ description: 'of a delayed message' }),
    deliver_at: timestamp.optional().meta({ description: 'of a delayed message: when it is due' }),
    error: z.string().optional().meta({ description: 'why this message was refused' }),
    code: z.string().optional().meta({ description: 'the same as a code' }),
  })
  .meta({ id: 'PublishResult' })

export const messageRoutes = {
  publish: route({
    method: 'POST',
    path: '/topics/{topic}/messages',
    tag: 'Messages',
    summary: 'Publish one message or many',
    description:
      'The answer leaves when a crash can no longer take the messages away, in their order, one result each. All that one ' +
      'request sends to a partition is appended together. Messages without a key go to one partition a request, the next ' +
      'one the next time. The topic is made if it is not there and auto.create.topics.enable allows it. A request that has ' +
      'an invalid message is refused whole. A message with `delay` or `deliver_at` is kept apart, over restarts, until it is ' +
      'due; then it goes to the end of its partition, once, in the order of due times. It goes with its topic when that is ' +
      'deleted.',
    params: z.strictObject({ topic: topicName }),
    // The shape with a list is looked at first: its errors are told where a list was sent.
    body: z.union([batch, single]),
    response: z.strictObject({ results: z.array(result) }).meta({ id: 'PublishResponse' }),
    problems: [
      'UNKNOWN_TOPIC',
      'MESSAGE_TOO_LARGE',
      'TOO_MANY_PARTITIONS',
      'TOO_MANY_DELAYED',
      'STORAGE_DAMAGED',
    ],
    examples: [
      {
        name: 'many',
        params: { topic: 'orders' },
        body: {
          messages: [
            { partition: 0, key: 'customer-1', value: 'created' },
            { partition: 0, value: { order: 17, total: 9.5 }, headers: { source: 'shop' } },
          ],
        },
        response: {
          results: [
            { partition: 0, offset: 0 },
            { partition: 0, offset: 1 },
          ],
        },
      },
      {
        name: 'one',
        params: { topic: 'orders' },
        body: { partition: 1, value: 'AAEC', encoding: 'base64' },
        response: { results: [{ partition: 1, offset: 0 }] },
      },
    ],
  }),
  readPartition: route({
    method: 'GET',
    path: '/topics/{topic}/partitions/{partition}/messages',
    tag: 'Messages',
    summary: 'Read a partition without a group',
    description:
      'From `offset` on, at most `limit` messages and about `max_bytes` bytes; never what a crash could still take away. ' +
      '`next_offset` is where to go on; where it is the log end offset, there is no more yet.',
    params: z.strictObject({
      topic: topicName,
      partition: z
        .string()
        .regex(/^\d{1,9}$/, 'expected a whole number')
        .transform(Number)
        .meta({ description: 'the partition' }),
    }),
    query: z.strictObject({
      offset: z
        .union([z.enum(['earliest', 'latest']), offset])
        .default('earliest')
        .meta({ description: 'an offset, earliest or latest' }),
      limit: z.int().min(1).max(1_000).default(100),
      max_bytes: z.int().min(1).max(16_777_216).default(1_048_576),
    }),
    response: z
      .strictObject({
        messages: z.array(message),
        next_offset: int64,
        log_start_offset: int64,
        log_end_offset: int64,
      })
      .meta({ id: 'PartitionRead' }),
    problems: ['UNKNOWN_TOPIC', 'UNKNOWN_PARTITION', 'OFFSET_OUT_OF_RANGE', 'STORAGE_DAMAGED'],
    examples: [
      {
        name: 'first',
        params: { topic: 'orders', partition: '0' },
        query: { offset: '0', limit: '1' },
        response: {
          messages: [
            {
              topic: 'orders',
              partition: 0,
              offset: 0,
              timestamp: '2026-11-21T10:00:00.000Z',
              key: 'customer-1',
              value: 'created',
              encoding: 'utf8',
            },
          ],
          next_offset: 1,
          log_start_offset: 0,
          log_end_offset: 2,
        },
      },
    ],
  }),
}
