/**
 * DeleteRecords v0-2: moves the start of a log forward; -1 means up to the high watermark.
 *
 * A topic that is only compacted keeps its records: POLICY_VIOLATION, as in Kafka.
 */

import type { KafkaErrorName } from '../../../protocol/index.ts'
import { deleteRecords } from '../../../protocol/index.ts'
import type { BrokerContext } from '../../context.ts'
import { describeTopicConfigs } from '../../settings/describe.ts'
import { listItems } from '../../settings/definition.ts'
import type { Topic } from '../../topics/topic-table.ts'
import { handler } from './define.ts'

export const handleDeleteRecords = handler(deleteRecords, async ({ request, context }) => {
  const topics = []
  for (const { name, partitions } of request.topics) {
    const answers = []
    for (const { partitionIndex, offset } of partitions)
      answers.push({ partitionIndex, ...(await deleteFrom(context, name, partitionIndex, offset)) })
    topics.push({ name, partitions: answers })
  }
  return { throttleTimeMs: 0, topics }
})

async function deleteFrom(
  context: BrokerContext,
  name: string,
  partition: number,
  offset: number,
): Promise<{ readonly lowWatermark: number; readonly errorCode: KafkaErrorName }> {
  const topic = context.topics.table.byName(name)
  const log = topic === undefined ? null : await context.topics.log(topic, partition)
  if (topic === undefined || log === null) return refuse('UNKNOWN_TOPIC_OR_PARTITION')
  if (!mayDelete(context, topic)) return refuse('POLICY_VIOLATION')
  if (offset < -1) return refuse('OFFSET_OUT_OF_RANGE')
  const errorCode = await log.deleteRecordsBefore(offset === -1 ? log.highWatermark : offset)
  return errorCode === 'NONE' ? { lowWatermark: log.logStartOffset, errorCode } : refuse(errorCode)
}

function mayDelete(context: BrokerContext, topic: Topic): boolean {
  const configs = describeTopicConfigs(topic.configs, context.topics.brokerConfigs)
  const policy = configs.find((config) => config.name === 'cleanup.policy')
  return listItems(policy?.value ?? 'delete').includes('delete')
}

function refuse(errorCode: KafkaErrorName) {
  return { lowWatermark: -1, errorCode }
}
