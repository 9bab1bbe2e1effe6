/**
 * A KIP-848 member that only keeps up its membership, over a connection that many share: it takes what it is given, gives up at
 * once what is taken away, and beats when it is told to.
 */

import { consumerGroupHeartbeat } from '../../src/protocol/index.ts'
import type { KafkaClient } from '../../src/sources/kafka/index.ts'

export class BenchMember {
  readonly #client: KafkaClient
  readonly #group: string
  readonly #topic: string
  readonly memberId: string
  epoch = 0
  owned: readonly { readonly topicId: string; readonly partitions: readonly number[] }[] = []

  constructor(client: KafkaClient, group: string, topic: string, memberId: string) {
    this.#client = client
    this.#group = group
    this.#topic = topic
    this.memberId = memberId
  }

  get partitionCount(): number {
    return this.owned.reduce((sum, { partitions }) => sum + partitions.length, 0)
  }

  /** One heartbeat; true when the answer changed anything. */
  async beat(): Promise<boolean> {
    const joins = this.epoch === 0
    const { response } = await this.#client.request(
      consumerGroupHeartbeat,
      {
        groupId: this.#group,
        memberId: this.memberId,
        memberEpoch: this.epoch,
        instanceId: null,
        rackId: null,
        rebalanceTimeoutMs: joins ? 60_000 : -1,
        subscribedTopicNames: joins ? [this.#topic] : null,
        subscribedTopicRegex: null,
        serverAssignor: null,
        topicPartitions: joins ? [] : this.owned,
      },
      { to: { group: this.#group } },
    )
    if (response.errorCode !== 'NONE') throw new Error(`${this.memberId}: ${response.errorCode}`)
    const changes = response.memberEpoch !== this.epoch || response.assignment !== null
    this.epoch = response.memberEpoch
    if (response.assignment !== null) this.owned = response.assignment.topicPartitions
    return changes
  }
}
