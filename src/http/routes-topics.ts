/** Topics: which there are, making one, deleting one. */

import { z } from 'zod'
import { int64, topicName } from './fields.ts'
import { route } from './route.ts'

const params = z.strictObject({ topic: topicName })

export const topic = z
  .strictObject({
    name: z.string(),
    partitions: z.int().meta({ description: 'how many' }),
    total_messages: int64.meta({ description: 'offsets between the ends of the logs' }),
    total_size_bytes: int64,
    delayed: int64.meta({ description: 'messages that are not due yet; not in total_messages' }),
    retention: z.string().meta({ description: 'such as `7d`; `forever`' }),
    cleanup_policy: z.string().meta({ description: '`delete`, `compact` or both' }),
    partition_offsets: z
      .record(z.string(), z.strictObject({ earliest: int64, latest: int64 }))
      .meta({
        description: 'by partition; `latest` is the log end offset, where the next record goes',
      }),
  })
  .meta({ id: 'Topic' })

const createTopic = z
  .strictObject({
    name: topicName,
    num_partitions: z
      .int()
      .min(1)
      .max(10_000)
      .optional()
      .meta({ description: 'default: the broker setting num.partitions' }),
    partitions: z.int().min(1).max(10_000).optional().meta({ description: 'the same' }),
    replication_factor: z
      .int()
      .min(1)
      .optional()
      .meta({ description: 'taken and served as 1: there is one broker' }),
    retention_hours: z
      .int()
      .min(1)
      .optional()
      .meta({ description: 'the same as config retention.ms' }),
    config: z
      .record(z.string(), z.union([z.string(), z.number(), z.boolean()]))
      .optional()
      .meta({ description: "topic configs by Kafka's names" }),
  })
  .meta({ id: 'CreateTopic' })

const orders = {
  name: 'orders',
  partitions: 2,
  total_messages: 0,
  total_size_bytes: 0,
  delayed: 0,
  retention: '7d',
  cleanup_policy: 'delete',
  partition_offsets: { '0': { earliest: 0, latest: 0 }, '1': { earliest: 0, latest: 0 } },
}

export const topicRoutes = {
  listTopics: route({
    method: 'GET',
    path: '/topics',
    tag: 'Topics',
    summary: 'All topics, by name',
    query: z.strictObject({
      limit: z.int().min(1).max(1_000).default(100).meta({ description: 'topics a page' }),
      cursor: z
        .string()
        .max(249)
        .optional()
        .meta({ description: '`next_cursor` of the page before' }),
    }),
    response: z
      .strictObject({ topics: z.array(topic), next_cursor: z.string().nullable() })
      .meta({ id: 'TopicList' }),
    problems: [],
    examples: [{ name: 'one', response: { topics: [orders], next_cursor: null } }],
  }),
  createTopic: route({
    method: 'POST',
    path: '/topics',
    tag: 'Topics',
    summary: 'Make a topic',
    description: 'The answer leaves when a crash can no longer take the topic away.',
    body: createTopic,
    response: topic,
    status: 201,
    problems: ['TOPIC_EXISTS', 'TOO_MANY_PARTITIONS'],
    examples: [{ name: 'orders', body: { name: 'orders', num_partitions: 2 }, response: orders }],
  }),
  getTopic: route({
    method: 'GET',
    path: '/topics/{topic}',
    tag: 'Topics',
    summary: 'One topic',
    params,
    response: topic,
    problems: ['UNKNOWN_TOPIC'],
    examples: [{ name: 'orders', params: { topic: 'orders' }, response: orders }],
  }),
  deleteTopic: route({
    method: 'DELETE',
    path: '/topics/{topic}',
    tag: 'Topics',
    summary: 'Delete a topic',
    description: 'Its messages and the offsets that groups committed in it go with it.',
    params,
    response: z
      .strictObject({ deleted: z.literal(true), name: z.string() })
      .meta({ id: 'Deleted' }),
    problems: ['UNKNOWN_TOPIC', 'TOPIC_DELETION_DISABLED'],
    examples: [
      {
        name: 'orders',
        params: { topic: 'orders' },
        response: { deleted: true, name: 'orders' },
      },
    ],
  }),
}
