/** Topics over HTTP: see `src/http/routes-topics.ts`. */

import type { z } from 'zod'
import type { BrokerRoutes, Handlers } from '../../http/index.ts'
import { Problem, problem } from '../../http/index.ts'
import type { BrokerContext } from '../context.ts'
import type { Topic } from '../topics/topic-table.ts'
import type { HttpContext } from './http-context.ts'
import { knownTopic, topicRefusal } from './topic-lookup.ts'

type TopicHandlers = Pick<
  Handlers<BrokerRoutes>,
  'listTopics' | 'createTopic' | 'getTopic' | 'deleteTopic'
>
type JsonTopic = z.input<BrokerRoutes['getTopic']['response']>

const HOUR_MS = 3_600_000

export function topicHandlers({ context }: HttpContext): TopicHandlers {
  const { topics, settings } = context
  return {
    listTopics: async ({ query: { limit, cursor = '' } }) => {
      const all = [...topics.table.topics()]
        .filter(({ name }) => name > cursor)
        .sort((left, right) => (left.name < right.name ? -1 : 1))
      const page = all.slice(0, limit)
      const answers = await Promise.all(page.map((topic) => topicJson(context, topic)))
      await topics.flushed()
      const last = page.at(-1)
      const nextCursor = last !== undefined && all.length > page.length ? last.name : null
      return { topics: answers, next_cursor: nextCursor }
    },
    createTopic: async ({ body }) => {
      const { name, num_partitions: count, partitions, retention_hours: hours, config } = body
      const configs = new Map(Object.entries(config ?? {}).map(([key, value]) => [key, `${value}`]))
      if (hours !== undefined) configs.set('retention.ms', String(hours * HOUR_MS))
      const decision = topics.create(
        {
          name,
          partitionCount: count ?? partitions ?? -1,
          replicationFactor: body.replication_factor ?? -1,
          assignments: [],
          configs: Array.from(configs, ([key, value]) => ({ name: key, value })),
        },
        false,
      )
      if (decision.topic === null) return topicRefusal(decision, name)
      const answer = await topicJson(context, decision.topic)
      await topics.flushed()
      return answer
    },
    getTopic: async ({ params }) => {
      const topic = knownTopic(context, params.topic)
      if (topic instanceof Problem) return topic
      const answer = await topicJson(context, topic)
      await topics.flushed()
      return answer
    },
    deleteTopic: async ({ params }) => {
      const topic = knownTopic(context, params.topic)
      if (topic instanceof Problem) return topic
      if (!settings.deleteTopicEnable)
        return problem(
          'TOPIC_DELETION_DISABLED',
          `the topic ${topic.name} stays: delete.topic.enable is off`,
        )
      topics.decide({ kind: 'delete', topicId: topic.topicId })
      await topics.flushed()
      return { deleted: true, name: topic.name }
    },
  }
}

async function topicJson(
  { topics, logs, delayed }: BrokerContext,
  topic: Topic,
): Promise<JsonTopic> {
  const { name, topicId, partitionCount } = topic
  const { retentionMs, cleanupPolicy } = topics.configOf(topic)
  const offsets: [string, { earliest: number; latest: number }][] = []
  let messageCount = 0
  let byteLength = 0
  for (let partition = 0; partition < partitionCount; partition++) {
    const log = await topics.log(topic, partition)
    // A topic that is deleted meanwhile has no logs any more.
    if (log === null) continue
    const { logStartOffset: earliest, highWatermark: latest } = log
    offsets.push([String(partition), { earliest, latest }])
    messageCount += latest - earliest
    byteLength += logs.sizeOf({ topicId, partition })
  }
  return {
    name,
    partitions: partitionCount,
    total_messages: messageCount,
    total_size_bytes: byteLength,
    delayed: delayed.countOf(topic),
    retention: retentionText(retentionMs),
    cleanup_policy: cleanupPolicy,
    partition_offsets: Object.fromEntries(offsets),
  }
}

/** Such as `7d`, `36h`, `90s`; `forever`. */
function retentionText(retentionMs: number): string {
  if (retentionMs < 0) return 'forever'
  for (const [unit, unitMs] of [
    ['d', 24 * HOUR_MS],
    ['h', HOUR_MS],
    ['m', 60_000],
    ['s', 1_000],
  ] as const)
    if (retentionMs > 0 && retentionMs % unitMs === 0) return `${retentionMs / unitMs}${unit}`
  return `${retentionMs}ms`
}
