/** DeleteGroups v0-2: only groups without members. */

import { deleteGroups } from '../../../protocol/index.ts'
import { handler } from './define.ts'

export const handleDeleteGroups = handler(deleteGroups, async ({ request, context }) => {
  const { results } = await context.groups.request<'delete'>({
    kind: 'delete',
    groupsNames: request.groupsNames,
  })
  return { throttleTimeMs: 0, results }
})
