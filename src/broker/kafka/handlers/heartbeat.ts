/** Heartbeat v0-4. */

import { heartbeat } from '../../../protocol/index.ts'
import { handler } from './define.ts'

export const handleHeartbeat = handler(heartbeat, async ({ request, context }) => {
  const { errorCode } = await context.groups.request<'heartbeat'>({ kind: 'heartbeat', ...request })
  return { throttleTimeMs: 0, errorCode }
})
