/** DescribeGroups v0-6: what a group is at this moment; a group that is not there is told differently from v6 on. */

import { describeGroups, NO_OPERATIONS } from '../../../protocol/index.ts'
import { authorizedOperations } from './authorized-operations.ts'
import { handler } from './define.ts'

export const handleDescribeGroups = handler(
  describeGroups,
  async ({ request, version, context }) => {
    const operations = authorizedOperations('group', request.includeAuthorizedOperations)
    const described = await context.groups.ask((coordinator) =>
      request.groups.map((groupId) => coordinator.describe(groupId, version)),
    )
    const groups = described.map((group) => ({
      ...group,
      authorizedOperations: group.errorCode === 'NONE' ? operations : NO_OPERATIONS,
    }))
    return { throttleTimeMs: 0, groups }
  },
)
