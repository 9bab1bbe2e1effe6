/** IncrementalAlterConfigs v0-1: set (0), delete (1), append (2) and subtract (3) single configs. */

import type { IncrementalAlterConfigsRequest } from '../../../protocol/index.ts'
import { incrementalAlterConfigs } from '../../../protocol/index.ts'
import type { BrokerContext } from '../../context.ts'
import type { ConfigOperation } from '../../settings/config-changes.ts'
import { alterResource } from './config-resources.ts'
import { duplicates, handler } from './define.ts'

type AskedResource = IncrementalAlterConfigsRequest['resources'][number]

const operations: readonly ConfigOperation[] = ['set', 'delete', 'append', 'subtract']

export const handleIncrementalAlterConfigs = handler(
  incrementalAlterConfigs,
  async ({ request, context }) => {
    const twice = duplicates(request.resources.map(keyOf))
    const responses = request.resources.map((resource) =>
      twice.has(keyOf(resource))
        ? refuse(resource, 'Each resource must appear at most once.')
        : alterOne(context, resource, request.validateOnly),
    )
    await context.topics.flushed()
    return { throttleTimeMs: 0, responses }
  },
)

function alterOne(context: BrokerContext, resource: AskedResource, validateOnly: boolean) {
  const changes = []
  for (const { name, configOperation, value } of resource.configs) {
    const operation = operations[configOperation]
    if (operation === undefined)
      return refuse(resource, `Unknown operation type ${configOperation}`)
    changes.push({ name, operation, value })
  }
  return alterResource(context, resource, { kind: 'incremental', changes }, validateOnly)
}

function refuse({ resourceType, resourceName }: AskedResource, errorMessage: string) {
  return { resourceType, resourceName, errorCode: 'INVALID_REQUEST' as const, errorMessage }
}

function keyOf({ resourceType, resourceName }: AskedResource): string {
  return `${resourceType}/${resourceName}`
}
