/** KIP-848 members for tests, over the coordinator's fixture. Named as a test so that it is not shipped. */

import { Sim, topicsOf } from '../fixture.test.ts'
import type { GroupCoordinatorOptions } from '../limits.ts'
import type { ConsumerHeartbeatRequest, ConsumerHeartbeatResponse } from '../messages.ts'
import type { TopicIdPartitions } from '../records.ts'

export type Beat = Partial<ConsumerHeartbeatRequest>

export function beatRequest(over: Beat = {}): ConsumerHeartbeatRequest {
  return {
    kind: 'consumer-heartbeat',
    replyTo: 0,
    apiVersion: 1,
    clientId: 'client',
    clientHost: '/127.0.0.1',
    groupId: 'g',
    memberId: 'a',
    memberEpoch: 0,
    instanceId: null,
    rackId: null,
    rebalanceTimeoutMs: -1,
    subscribedTopicNames: null,
    subscribedTopicRegex: null,
    serverAssignor: null,
    topicPartitions: null,
    ...over,
  }
}

/** What a join has to say: topic `orders`, nothing owned. */
export const joining: Beat = {
  memberEpoch: 0,
  rebalanceTimeoutMs: 60_000,
  subscribedTopicNames: ['orders'],
  topicPartitions: [],
}

export function beat(sim: Sim, over: Beat = {}): ConsumerHeartbeatResponse {
  const { response } = sim.ask(beatRequest(over))
  if (response?.kind !== 'consumer-heartbeat') throw new Error('a heartbeat waits for nobody')
  return response
}

/** Partitions of `orders`. */
export function orders(...partitions: readonly number[]): readonly TopicIdPartitions[] {
  return partitions.length === 0 ? [] : [{ topicId: 'orders-id', partitions }]
}

/** What it was told to own of `orders`; null: as before. */
export function given(response: ConsumerHeartbeatResponse): readonly number[] | null {
  const { assignment } = response
  if (assignment === null) return null
  return assignment.topicPartitions.flatMap(({ partitions }) => partitions)
}

/** A coordinator of its own topics: `orders` with 4 partitions, `other` with 1. */
export function newSim(overrides: Partial<GroupCoordinatorOptions> = {}) {
  const topics = topicsOf({ orders: 4, other: 1 })
  return { topics, sim: new Sim({ topics, ...overrides }) }
}

/** a with partitions 0 and 1, b with 2 and 3, both at epoch 3, all reconciled. */
export function pair(overrides: Partial<GroupCoordinatorOptions> = {}) {
  const { sim, topics } = newSim(overrides)
  beat(sim, joining)
  beat(sim, { ...joining, memberId: 'b' })
  beat(sim, { memberEpoch: 2 })
  beat(sim, { memberEpoch: 2, topicPartitions: orders(0, 1) })
  beat(sim, { memberId: 'b', memberEpoch: 3 })
  return { sim, topics }
}
