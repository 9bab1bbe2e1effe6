/** ListGroups v0-5 · v4 filter by state · v5 filter by type. */

import { listGroups } from '../../../protocol/index.ts'
import { handler } from './define.ts'

export const handleListGroups = handler(listGroups, async ({ request, context }) => {
  const groups = await context.groups.ask((coordinator) => coordinator.list(request))
  return { throttleTimeMs: 0, errorCode: 'NONE' as const, groups }
})
