/** DeleteTopics v1-6, by name, from v6 on also by id. Its logs and committed offsets go with a topic. */

import type { DeleteTopicsRequest, KafkaErrorName } from '../../../protocol/index.ts'
import { deleteTopics, ZERO_UUID } from '../../../protocol/index.ts'
import type { BrokerContext } from '../../context.ts'
import { duplicates, handler } from './define.ts'

type AskedTopic = DeleteTopicsRequest['topics'][number]

const BY_ID_SINCE = 6

export const handleDeleteTopics = handler(deleteTopics, async ({ request, version, context }) => {
  const asked: readonly AskedTopic[] =
    version >= BY_ID_SINCE
      ? request.topics
      : request.topicNames.map((name) => ({ name, topicId: ZERO_UUID }))
  const twice = duplicates(asked.map(keyOf))
  const responses = asked.map((topic) =>
    twice.has(keyOf(topic))
      ? answer(topic, 'INVALID_REQUEST', 'Duplicate topic name or id.')
      : deleteOne(context, topic),
  )
  await context.topics.flushed()
  return { throttleTimeMs: 0, responses }
})

function deleteOne({ topics, settings }: BrokerContext, asked: AskedTopic) {
  const { name, topicId } = asked
  const byId = topicId !== ZERO_UUID
  if (byId === (name !== null))
    return answer(
      asked,
      'INVALID_REQUEST',
      byId
        ? 'You may not specify both topic name and topic id.'
        : 'Neither topic name nor id were specified.',
    )
  if (!settings.deleteTopicEnable)
    return answer(asked, 'TOPIC_DELETION_DISABLED', 'Topic deletion is disabled.')
  const topic = topics.find(name ?? '', byId ? topicId : null)
  if (topic === undefined)
    return byId
      ? answer(asked, 'UNKNOWN_TOPIC_ID', 'This server does not host this topic ID.')
      : answer(
          asked,
          'UNKNOWN_TOPIC_OR_PARTITION',
          'This server does not host this topic-partition.',
        )
  topics.decide({ kind: 'delete', topicId: topic.topicId })
  return answer(topic, 'NONE', null)
}

function keyOf({ name, topicId }: AskedTopic): string {
  return `${topicId}/${name}`
}

function answer(
  { name, topicId }: AskedTopic,
  errorCode: KafkaErrorName,
  errorMessage: string | null,
) {
  return { name, topicId, errorCode, errorMessage }
}
