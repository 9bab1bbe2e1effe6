/** AlterConfigs v0-2: sets all configs of a resource; what is not named goes back to its default. */

import { alterConfigs } from '../../../protocol/index.ts'
import { alterResource } from './config-resources.ts'
import { handler } from './define.ts'

export const handleAlterConfigs = handler(alterConfigs, async ({ request, context }) => {
  const responses = request.resources.map((resource) =>
    alterResource(
      context,
      resource,
      { kind: 'replace', entries: resource.configs },
      request.validateOnly,
    ),
  )
  await context.topics.flushed()
  return { throttleTimeMs: 0, responses }
})
