/** ConsumerGroupDescribe v0-1: KIP-848 groups alone; a classic one is not found here, as in Kafka. */

import { consumerGroupDescribe, NO_OPERATIONS } from '../../../protocol/index.ts'
import { authorizedOperations } from './authorized-operations.ts'
import { handler } from './define.ts'

export const handleConsumerGroupDescribe = handler(
  consumerGroupDescribe,
  async ({ request, context }) => {
    const operations = authorizedOperations('group', request.includeAuthorizedOperations)
    const described = await context.groups.ask((coordinator) =>
      request.groupIds.map((groupId) => coordinator.describeConsumer(groupId)),
    )
    const groups = described.map((group) => ({
      ...group,
      authorizedOperations: group.errorCode === 'NONE' ? operations : NO_OPERATIONS,
    }))
    return { throttleTimeMs: 0, groups }
  },
)
