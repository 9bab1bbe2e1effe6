/** OffsetDelete v0: forgets committed offsets of topics that the group does not read. */

import { offsetDelete } from '../../../protocol/index.ts'
import { handler } from './define.ts'

export const handleOffsetDelete = handler(offsetDelete, async ({ request, context }) => {
  const { errorCode, topics } = await context.groups.request<'offset-delete'>({
    kind: 'offset-delete',
    ...request,
  })
  return { errorCode, throttleTimeMs: 0, topics }
})
