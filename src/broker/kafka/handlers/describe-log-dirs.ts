/** DescribeLogDirs v1-4: the bytes of each partition in the one data folder. The disk's own size is not known (-1). */

import { describeLogDirs } from '../../../protocol/index.ts'
import type { Topic } from '../../topics/topic-table.ts'
import { handler } from './define.ts'

const NOT_KNOWN = -1

export const handleDescribeLogDirs = handler(describeLogDirs, async ({ request, context }) => {
  const { table } = context.topics
  const all = (topic: Topic) => Array.from({ length: topic.partitionCount }, (_, index) => index)
  const wanted: (readonly [Topic, readonly number[]])[] =
    request.topics === null
      ? Array.from(table.topics(), (topic) => [topic, all(topic)] as const)
      : request.topics.flatMap(({ topic: name, partitions }) => {
          const topic = table.byName(name)
          return topic === undefined ? [] : [[topic, partitions] as const]
        })
  const topics = wanted.map(([topic, partitions]) => ({
    name: topic.name,
    partitions: partitions
      .filter((partition) => partition >= 0 && partition < topic.partitionCount)
      .map((partitionIndex) => ({
        partitionIndex,
        partitionSize: context.logs.sizeOf({ topicId: topic.topicId, partition: partitionIndex }),
        offsetLag: 0,
        isFutureKey: false,
      })),
  }))
  await context.topics.flushed()
  const folder = {
    errorCode: 'NONE' as const,
    logDir: context.dataName,
    topics,
    totalBytes: NOT_KNOWN,
    usableBytes: NOT_KNOWN,
  }
  return { throttleTimeMs: 0, errorCode: 'NONE' as const, results: [folder] }
})
