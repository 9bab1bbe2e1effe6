/**
 * DescribeGroups v0-6.
 *
 * A group that is not there is state Dead without an error up to v5, GROUP_ID_NOT_FOUND with a message from v6 on.
 */

import { describeGroups } from '../../../protocol/index.ts'
import { authorizedOperations } from './authorized-operations.ts'
import { handler } from './define.ts'

const NOT_FOUND_SINCE = 6

export const handleDescribeGroups = handler(
  describeGroups,
  async ({ request, version, context }) => {
    const operations = authorizedOperations('group', request.includeAuthorizedOperations)
    const described = await context.groups.ask((coordinator) =>
      request.groups.map((groupId) => coordinator.describe(groupId)),
    )
    const groups = described.map((group) => {
      const hidden = version < NOT_FOUND_SINCE && group.errorCode === 'GROUP_ID_NOT_FOUND'
      const errorCode = hidden ? ('NONE' as const) : group.errorCode
      return { ...group, errorCode, authorizedOperations: operations }
    })
    return { throttleTimeMs: 0, groups }
  },
)
