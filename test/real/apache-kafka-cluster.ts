/**
 * A real Apache Kafka cluster of three brokers on loopback, for what one node cannot show: leaders that move, a
 * coordinator that dies, nearer replicas, logs that are cut back.
 *
 * Node 1 is the controller as well and stays; nodes 2 and 3 may be killed and started again. Broker n is in rack `rack-n`.
 * Three Java machines of at most 200 MB each, up in about the time of two.
 */

import { ApacheKafka, brokerCount } from './apache-kafka.ts'
import { GENEROUS_LIMIT_MS } from './program.ts'

const HEAP = '-Xmx200m'

export class ApacheKafkaCluster implements AsyncDisposable {
  readonly nodes: readonly ApacheKafka[]

  private constructor(nodes: readonly ApacheKafka[]) {
    this.nodes = nodes
  }

  static async start(
    properties: Readonly<Record<string, string>> = {},
  ): Promise<ApacheKafkaCluster> {
    const all = (nodeId: number) => ({
      ...replicated,
      'broker.rack': `rack-${nodeId}`,
      ...properties,
    })
    const first = await ApacheKafka.start({ properties: all(1), heap: HEAP })
    const others = await Promise.all(
      [2, 3].map((nodeId) =>
        ApacheKafka.start({ properties: all(nodeId), heap: HEAP, joins: { of: first, nodeId } }),
      ),
    )
    const cluster = new ApacheKafkaCluster([first, ...others])
    await cluster.untilComplete()
    return cluster
  }

  /** All nodes: any of them may be the one that is there. */
  get bootstrap(): string {
    return this.nodes.map(({ bootstrap }) => bootstrap).join(',')
  }

  /** @param nodeId 1 to 3 */
  node(nodeId: number): ApacheKafka {
    const node = this.nodes[nodeId - 1]
    if (node === undefined) throw new Error(`there is no node ${nodeId}`)
    return node
  }

  /** Every node sees every other. */
  async untilComplete(): Promise<void> {
    const deadline = performance.now() + GENEROUS_LIMIT_MS
    const counts = () => Promise.all(this.nodes.map(({ port }) => brokerCount(port)))
    while (!(await counts()).every((count) => count === this.nodes.length)) {
      if (performance.now() > deadline) throw new Error('the cluster did not become complete')
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}

const replicated = {
  'offsets.topic.replication.factor': '3',
  'transaction.state.log.replication.factor': '3',
  'default.replication.factor': '3',
  // Kafka takes 128 MiB for it at the start.
  'log.cleaner.dedupe.buffer.size': '8388608',
  // What died is noticed sooner than after Kafka's 9,000; who was only stopped for some seconds is not taken for dead.
  'broker.session.timeout.ms': '6000',
  'broker.heartbeat.interval.ms': '500',
  'replica.fetch.wait.max.ms': '50',
  'replica.selector.class': 'org.apache.kafka.common.replica.RackAwareReplicaSelector',
  // Leaders go where a test sends them.
  'auto.leader.rebalance.enable': 'false',
}
