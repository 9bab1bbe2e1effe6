/** JoinGroup v0-9: the coordinator answers when the join phase of the group is over, so the answer may take long. */

import { joinGroup } from '../../../protocol/index.ts'
import { handler } from './define.ts'

export const handleJoinGroup = handler(
  joinGroup,
  async ({ request, version, clientId, context, connection }) => {
    const { sessionTimeoutMs, rebalanceTimeoutMs } = request
    const { kind: _, ...response } = await context.groups.request<'join'>({
      kind: 'join',
      apiVersion: version,
      clientId,
      clientHost: connection.clientHost,
      ...request,
      // v0 has one timeout for both.
      rebalanceTimeoutMs: version === 0 ? sessionTimeoutMs : rebalanceTimeoutMs,
    })
    // The protocol may be absent from v7 on; before, absent is the empty string.
    const protocolName = version < 7 ? (response.protocolName ?? '') : response.protocolName
    return { throttleTimeMs: 0, ...response, protocolName }
  },
)
