/** The Kafka source keeps the promises of the source port, with Shoal's own broker behind it, by both its transports. */

import { TcpNetwork } from '../../src/broker/tcp-network.ts'
import { Broker } from '../../src/broker/index.ts'
import { NetworkTransport } from '../../src/sources/kafka/index.ts'
import type { KafkaPorts } from '../../src/sources/kafka/index.ts'
import { kafkaFixture } from './kafka-fixture.ts'
import { sourceConformance } from './source-suite.ts'

const transports: readonly (readonly [string, KafkaPorts])[] = [
  ['connections of @platformatic/kafka', {}],
  ['the network port', { transport: new NetworkTransport(new TcpNetwork()) }],
]
for (const [name, ports] of transports)
  sourceConformance({
    name: `shoal, over ${name}`,
    open: async () => {
      const broker = await Broker.open({
        data: null,
        kafka: { host: '127.0.0.1', port: 0 },
        settings: { 'group.initial.rebalance.delay.ms': '0' },
      })
      const { host, port } = broker.kafkaAddress
      const server = { bootstrap: `${host}:${port}`, stop: () => broker.close() }
      return kafkaFixture(server, {}, ports)
    },
  })
