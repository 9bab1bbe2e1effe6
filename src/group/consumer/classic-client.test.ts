/**
 * A cooperative consumer of the classic protocol, as the Java client is: joins with what it owns, leads when it is told to,
 * gives up what its assignment leaves out and joins again. Named as a test so that it is not shipped.
 */

import { readAssignment, writeAssignment } from '../classic/consumer-protocol.ts'
import { heartbeatRequest, type Sim } from '../fixture.test.ts'
import type { GroupError } from '../messages.ts'
import type { TopicIdPartitions } from '../records.ts'
import type { GroupTopics } from '../topics.ts'

export class ClassicClient {
  readonly wanted: readonly string[]
  memberId = ''
  owned: readonly TopicIdPartitions[] = []
  readonly #sim: Sim
  readonly #topics: GroupTopics
  #generation = -1
  #next: 'join' | 'sync' | 'heartbeat' = 'join'
  #leads = false

  constructor(sim: Sim, topics: GroupTopics, wanted: readonly string[]) {
    this.#sim = sim
    this.#topics = topics
    this.wanted = wanted
  }

  /** One request. An answer that is lost breaks the connection: the client joins again with what it has. */
  act(isLost: boolean): void {
    switch (this.#next) {
      case 'join':
        return this.#join(isLost)
      case 'sync':
        return this.#sync(isLost)
      case 'heartbeat':
        return this.#heartbeat(isLost)
    }
  }

  #join(isLost: boolean): void {
    const { response } = this.#sim.join({
      memberId: this.memberId,
      sessionTimeoutMs: 45_000,
      rebalanceTimeoutMs: 30_000,
      protocols: [{ name: 'cooperative-sticky', metadata: this.#subscription() }],
    })
    if (isLost || response === undefined) return
    if (response.errorCode === 'MEMBER_ID_REQUIRED') this.memberId = response.memberId
    else if (response.errorCode === 'NONE') {
      this.#generation = response.generationId
      this.#leads = response.leader === this.memberId
      this.#next = 'sync'
    } else this.#refused(response.errorCode)
  }

  #sync(isLost: boolean): void {
    const everything = this.wanted.flatMap((name) => {
      const topic = this.#topics.byName(name)
      return topic === undefined
        ? []
        : [{ topic: name, partitions: Array.from({ length: topic.partitionCount }, (_, p) => p) }]
    })
    const own = { memberId: this.memberId, assignment: writeAssignment(everything) }
    const { response } = this.#sim.sync({
      memberId: this.memberId,
      generationId: this.#generation,
      protocolName: 'cooperative-sticky',
      assignments: this.#leads ? [own] : [],
    })
    this.#next = 'join'
    if (isLost || response === undefined) return
    if (response.errorCode !== 'NONE') return this.#refused(response.errorCode)
    const assigned = (readAssignment(response.assignment) ?? []).flatMap(
      ({ topic, partitions }) => {
        const found = this.#topics.byName(topic)
        return found === undefined ? [] : [{ topicId: found.topicId, partitions }]
      },
    )
    const kept = new Set(keysOf(assigned))
    if (keysOf(this.owned).every((key) => kept.has(key))) this.#next = 'heartbeat'
    this.owned = assigned
  }

  #heartbeat(isLost: boolean): void {
    const { memberId } = this
    const { response } = this.#sim.ask(
      heartbeatRequest({ memberId, generationId: this.#generation }),
    )
    if (isLost || response?.kind !== 'heartbeat') return
    if (response.errorCode !== 'NONE') return this.#refused(response.errorCode)
    // A leader watches the topics, and joins again when they change.
    const topics = this.wanted.flatMap((name) => this.#topics.byName(name) ?? [])
    const count = topics.reduce((sum, { partitionCount }) => sum + partitionCount, 0)
    if (this.#leads && count !== keysOf(this.owned).length) this.#next = 'join'
  }

  #refused(errorCode: GroupError): void {
    this.#next = 'join'
    if (errorCode === 'REBALANCE_IN_PROGRESS') return
    this.owned = []
    this.#generation = -1
    if (errorCode === 'UNKNOWN_MEMBER_ID') this.memberId = ''
  }

  /** Version 1: topics, no user data, owned partitions. */
  #subscription(): Uint8Array {
    const named = this.owned.flatMap(({ topicId, partitions }) => {
      const topic = this.#topics.byId(topicId)
      return topic === undefined ? [] : [{ topic: topic.name, partitions }]
    })
    const topics = writeAssignment(this.wanted.map((topic) => ({ topic, partitions: [] })))
    const names = this.wanted.flatMap((name) => {
      const bytes = new TextEncoder().encode(name)
      return [0, bytes.length, ...bytes]
    })
    // An assignment is a version, a list of partitions and user data: its list is the owned one of a subscription.
    const owned = writeAssignment(named).subarray(2, -4)
    return Uint8Array.from([0, 1, ...topics.subarray(2, 6), ...names, 255, 255, 255, 255, ...owned])
  }
}

function keysOf(owned: readonly TopicIdPartitions[]): readonly string[] {
  return owned.flatMap(({ topicId, partitions }) => partitions.map((each) => `${topicId}/${each}`))
}
