/** ShareGroupHeartbeat v1 (KIP-932): joins, leaves, tells and is told, all in one; answered at once. */

import { shareGroupHeartbeat } from '../../../protocol/index.ts'
import { handler } from './define.ts'

export const handleShareGroupHeartbeat = handler(
  shareGroupHeartbeat,
  async ({ request, clientId, context, connection }) => {
    const { kind: _, ...response } = await context.groups.request<'share-heartbeat'>({
      kind: 'share-heartbeat',
      clientId,
      clientHost: connection.clientHost,
      ...request,
    })
    return { throttleTimeMs: 0, ...response }
  },
)
