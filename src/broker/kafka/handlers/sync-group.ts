/** SyncGroup v0-5: the coordinator answers followers when the leader's assignment is flushed. */

import { syncGroup } from '../../../protocol/index.ts'
import { handler } from './define.ts'

export const handleSyncGroup = handler(syncGroup, async ({ request, context }) => {
  const { kind: _, ...response } = await context.groups.request<'sync'>({
    kind: 'sync',
    ...request,
  })
  return { throttleTimeMs: 0, ...response }
})
