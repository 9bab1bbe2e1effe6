/** ConsumerGroupHeartbeat v0-1 (KIP-848): joins, leaves, tells and is told, all in one; answered at once. */

import { consumerGroupHeartbeat } from '../../../protocol/index.ts'
import { handler } from './define.ts'

export const handleConsumerGroupHeartbeat = handler(
  consumerGroupHeartbeat,
  async ({ request, version, clientId, context, connection }) => {
    const { kind: _, ...response } = await context.groups.request<'consumer-heartbeat'>({
      kind: 'consumer-heartbeat',
      apiVersion: version,
      clientId,
      clientHost: connection.clientHost,
      ...request,
    })
    return { throttleTimeMs: 0, ...response }
  },
)
