/** ShareAcknowledge v1-2 (KIP-932): what a member says of records that it was delivered; answered after the flush. */

import type { KafkaErrorName } from '../../../protocol/index.ts'
import { shareAcknowledge } from '../../../protocol/index.ts'
import { handler } from './define.ts'

const SAME_LEADER = { leaderId: 0, leaderEpoch: 0 } as const

export const handleShareAcknowledge = handler(
  shareAcknowledge,
  async ({ request, context, connection }) => {
    const { groupId, memberId, shareSessionEpoch: epoch, topics } = request
    if (groupId === null || groupId === '')
      return refused('INVALID_REQUEST', 'GroupId must not be empty.')
    if (memberId === null || memberId === '')
      return refused('INVALID_REQUEST', 'MemberId must not be empty.')
    const { shares, deliveries } = context
    const session = { groupId, memberId, epoch, connectionId: connection.id }
    const plan = shares.sessions.acknowledge(session)
    if ('kind' in plan) return refused(plan.errorCode, plan.errorMessage)
    const config = deliveries.configs.ofShareGroup(groupId)
    const partitions = topics.flatMap(({ topicId, partitions: list }) =>
      list.map(({ partitionIndex, acknowledgementBatches: batches }) => ({
        topicId,
        partition: partitionIndex,
        batches,
      })),
    )
    const mayRenew = request.isRenewAck && config.mayRenew
    const answered = shares.acknowledge(groupId, memberId, partitions, mayRenew)
    if (plan.isFinal) shares.end(groupId, memberId)
    await context.logs.flushed()
    const byTopic = Map.groupBy(answered, ({ topicId }) => topicId)
    return {
      throttleTimeMs: 0,
      errorCode: 'NONE' as const,
      errorMessage: null,
      acquisitionLockTimeoutMs: config.recordLockDurationMs,
      responses: Array.from(byTopic, ([topicId, list]) => ({
        topicId,
        partitions: list.map(({ partition, errorCode, errorMessage }) => ({
          partitionIndex: partition,
          errorCode,
          errorMessage,
          currentLeader: SAME_LEADER,
        })),
      })),
      nodeEndpoints: [],
    }
  },
)

function refused(errorCode: KafkaErrorName, errorMessage: string) {
  return {
    throttleTimeMs: 0,
    errorCode,
    errorMessage,
    acquisitionLockTimeoutMs: 0,
    responses: [],
    nodeEndpoints: [],
  }
}
