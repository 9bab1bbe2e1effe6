/**
 * CreateTopics v2-7 · v4 defaults by -1 · v5 configs in the answer · v7 topic ids.
 *
 * A replication factor above 1 is accepted and served as 1, so that programs written for a cluster run unchanged. The
 * configs of the answer are never null: Java's admin client relies on it.
 */

import type { CreateTopicsRequest } from '../../../protocol/index.ts'
import { createTopics, ZERO_UUID } from '../../../protocol/index.ts'
import type { BrokerContext } from '../../context.ts'
import { describeTopicConfigs } from '../../settings/describe.ts'
import type { TopicDecision } from '../../topics/topic-table.ts'
import { duplicates, handler } from './define.ts'

type AskedTopic = CreateTopicsRequest['topics'][number]

export const handleCreateTopics = handler(createTopics, async ({ request, context }) => {
  const twice = duplicates(request.topics.map((topic) => topic.name))
  const decided = new Map<string, ReturnType<typeof answerOf>>()
  for (const asked of request.topics) {
    const decision = twice.has(asked.name)
      ? DUPLICATE
      : create(context, asked, request.validateOnly)
    decided.set(asked.name, answerOf(context, asked.name, decision))
  }
  await context.topics.flushed()
  return { throttleTimeMs: 0, topics: [...decided.values()] }
})

const DUPLICATE: TopicDecision = {
  errorCode: 'INVALID_REQUEST',
  errorMessage: 'Duplicate topic name.',
  topic: null,
  records: [],
}

function create(context: BrokerContext, asked: AskedTopic, validateOnly: boolean): TopicDecision {
  const { name, numPartitions, replicationFactor, assignments, configs } = asked
  const topic = { name, partitionCount: numPartitions, replicationFactor, assignments, configs }
  return context.topics.create(topic, validateOnly)
}

function answerOf(context: BrokerContext, name: string, decision: TopicDecision) {
  const { topic, errorCode, errorMessage } = decision
  const described =
    topic === null ? [] : describeTopicConfigs(topic.configs, context.topics.brokerConfigs)
  // By name, as Kafka answers here; DescribeConfigs has an order of its own.
  const configs = described.toSorted((left, right) => (left.name < right.name ? -1 : 1))
  return {
    name,
    topicId: topic?.topicId ?? ZERO_UUID,
    errorCode,
    errorMessage,
    topicConfigErrorCode: 'NONE' as const,
    numPartitions: topic?.partitionCount ?? -1,
    replicationFactor: topic === null ? -1 : 1,
    configs,
  }
}
