/** LeaveGroup v0-5: one member up to v2, several from v3 on, each with its own error. */

import { leaveGroup } from '../../../protocol/index.ts'
import { handler } from './define.ts'

export const handleLeaveGroup = handler(leaveGroup, async ({ request, version, context }) => {
  const { errorCode, members } = await context.groups.request<'leave'>({
    kind: 'leave',
    apiVersion: version,
    ...request,
  })
  return { throttleTimeMs: 0, errorCode, members }
})
