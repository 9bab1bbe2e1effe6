/**
 * Asking a group's coordinator for what changes nothing when it is asked again: while the coordinator moves, loads its
 * groups or does not answer, it is looked for and asked again, for at most the client's request timeout.
 */

import type { KafkaClient } from '../kafka-client.ts'

export function atCoordinator<Value>(
  client: KafkaClient,
  groupId: string,
  attempt: () => Promise<Value>,
): Promise<Value> {
  return client.retrying(async () => {
    try {
      return await attempt()
    } catch (error) {
      client.forgetCoordinator(groupId)
      throw error
    }
  })
}
