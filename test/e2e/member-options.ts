/**
 * The kinds of members that the tests of restarts and zombies know, by the names of their groups.
 */

import type { KafkaSourceOptions } from '../../src/sources/kafka/index.ts'

export const kinds = ['consumer', 'consumer-static', 'cooperative', 'eager'] as const

/** Settings of Shoal and of Kafka with these sessions for members of KIP-848, who hear of changes soon. */
export function settings(sessionTimeoutMs: number): Readonly<Record<string, string>> {
  return {
    'group.initial.rebalance.delay.ms': '0',
    'group.consumer.min.session.timeout.ms': '1000',
    'group.consumer.session.timeout.ms': String(sessionTimeoutMs),
    'group.consumer.min.heartbeat.interval.ms': '100',
    'group.consumer.heartbeat.interval.ms': '200',
    'group.consumer.assignment.interval.ms': '0',
  }
}

/** @param group its first word is the kind. @param worker its first letter names the place that a static member keeps */
export function memberOptions(
  group: string,
  worker: string,
  sessionTimeoutMs: number,
): Partial<KafkaSourceOptions> {
  const session = { sessionTimeoutMs, heartbeatIntervalMs: 200 }
  const kind = kinds.findLast((one) => group.startsWith(one))
  switch (kind) {
    case 'consumer':
      return { ...session, groupProtocol: 'consumer' }
    case 'consumer-static':
      return { ...session, groupProtocol: 'consumer', groupInstanceId: worker.slice(0, 1) }
    case 'cooperative':
      return { ...session, groupProtocol: 'classic' }
    case 'eager':
      return { ...session, groupProtocol: 'classic', assignors: ['range'] }
    default:
      throw new Error(`no kind of member is called as ${group} begins`)
  }
}
