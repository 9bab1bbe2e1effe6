/** The Kafka source keeps the promises of the source port, with Shoal's own broker behind it. */

import { Broker } from '../../src/broker/index.ts'
import { kafkaFixture } from './kafka-fixture.ts'
import { sourceConformance } from './source-suite.ts'

sourceConformance({
  name: 'shoal, cooperative-sticky',
  open: async () => {
    const broker = await Broker.open({
      data: null,
      kafka: { host: '127.0.0.1', port: 0 },
      settings: { 'group.initial.rebalance.delay.ms': '0' },
    })
    const { host, port } = broker.kafkaAddress
    return kafkaFixture({ bootstrap: `${host}:${port}`, stop: () => broker.close() })
  },
})
