/** OffsetCommit v2-9: answered when the offsets are flushed. v10 names topics by id and is not served. */

import { offsetCommit } from '../../../protocol/index.ts'
import { handler } from './define.ts'

export const handleOffsetCommit = handler(offsetCommit, async ({ request, version, context }) => {
  const { topics } = await context.groups.request<'offset-commit'>({
    kind: 'offset-commit',
    apiVersion: version,
    ...request,
  })
  return { throttleTimeMs: 0, topics }
})
