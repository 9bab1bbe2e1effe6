/** OffsetForLeaderEpoch v2-4: where a leader epoch ended, so that a consumer finds out whether its position still exists. */

import type { KafkaErrorName } from '../../../protocol/index.ts'
import { offsetForLeaderEpoch } from '../../../protocol/index.ts'
import { leaderEpochError } from '../../fetch/fetch-read.ts'
import { handler } from './define.ts'

export const handleOffsetForLeaderEpoch = handler(
  offsetForLeaderEpoch,
  async ({ request, context }) => {
    const topics = []
    for (const { topic: name, partitions } of request.topics) {
      const topic = context.topics.table.byName(name)
      const answers = []
      for (const { partition, currentLeaderEpoch, leaderEpoch } of partitions) {
        const log = topic === undefined ? null : await context.topics.log(topic, partition)
        const error: KafkaErrorName | null =
          log === null ? 'UNKNOWN_TOPIC_OR_PARTITION' : leaderEpochError(log, currentLeaderEpoch)
        const end =
          log === null || error !== null
            ? { leaderEpoch: -1, endOffset: -1 }
            : log.endOfEpoch(leaderEpoch)
        answers.push({ partition, errorCode: error ?? ('NONE' as const), ...end })
      }
      topics.push({ topic: name, partitions: answers })
    }
    return { throttleTimeMs: 0, topics }
  },
)
