/**
 * FindCoordinator v0-6: always this node, for groups (0), transactions (1) and, from v6 on, share groups (2).
 *
 * The message of a good answer is "NONE" in v1-3 and empty later: both are Kafka's. A share key names group, topic id and
 * partition.
 */

import type { KafkaErrorName } from '../../../protocol/index.ts'
import { findCoordinator } from '../../../protocol/index.ts'
import { NODE_ID } from '../../context.ts'
import { handler } from './define.ts'

const GROUP = 0
const TRANSACTION = 1
const SHARE = 2
const BATCHED_SINCE = 4
const SHARE_SINCE = 6

export const handleFindCoordinator = handler(
  findCoordinator,
  async ({ request, version, context, connection }) => {
    const here = { nodeId: NODE_ID, ...context.advertised(connection.listenerAddress) }
    const nowhere = { nodeId: -1, host: '', port: -1 }
    const answer = (key: string) => {
      const problem = problemWith(request.keyType, key, version)
      const errorCode: KafkaErrorName = problem === null ? 'NONE' : 'INVALID_REQUEST'
      const errorMessage = problem ?? (version < BATCHED_SINCE ? 'NONE' : '')
      return { key, errorCode, errorMessage, ...(problem === null ? here : nowhere) }
    }
    const { errorCode, errorMessage, nodeId, host, port } = answer(request.key)
    const single = { errorCode, errorMessage, nodeId, host, port }
    const coordinators = request.coordinatorKeys.map(answer)
    return { throttleTimeMs: 0, ...single, coordinators }
  },
)

function problemWith(keyType: number, key: string, version: number): string | null {
  if (keyType === GROUP || keyType === TRANSACTION) return null
  if (keyType !== SHARE || version < SHARE_SINCE) return `unknown coordinator key type ${keyType}`
  return /^.+:[A-Za-z0-9_-]{22}:\d{1,10}$/s.test(key)
    ? null
    : 'a share coordinator key is group:topicId:partition'
}
