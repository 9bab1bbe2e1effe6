/** ShareGroupDescribe v1: share groups alone; any other is not found here, as in Kafka. */

import { NO_OPERATIONS, shareGroupDescribe } from '../../../protocol/index.ts'
import { authorizedOperations } from './authorized-operations.ts'
import { handler } from './define.ts'

export const handleShareGroupDescribe = handler(
  shareGroupDescribe,
  async ({ request, context }) => {
    const operations = authorizedOperations('group', request.includeAuthorizedOperations)
    const described = await context.groups.ask((coordinator) =>
      request.groupIds.map((groupId) => coordinator.describeShare(groupId)),
    )
    const groups = described.map((group) => ({
      ...group,
      authorizedOperations: group.errorCode === 'NONE' ? operations : NO_OPERATIONS,
    }))
    return { throttleTimeMs: 0, groups }
  },
)
