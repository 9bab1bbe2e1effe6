/**
 * The Kafka source keeps the promises of the source port with Shoal's own broker behind it: in all three protocols, and
 * by both its transports.
 */

import { TcpNetwork } from '../../src/broker/tcp-network.ts'
import { Broker } from '../../src/broker/index.ts'
import { NetworkTransport } from '../../src/sources/kafka/index.ts'
import type { KafkaPorts, KafkaSourceOptions } from '../../src/sources/kafka/index.ts'
import { kafkaFixture, promptly, protocols } from './kafka-fixture.ts'
import type { KafkaServer } from './kafka-fixture.ts'
import { kafkaConformance } from './kafka-suite.ts'
import { sourceConformance } from './source-suite.ts'

kafkaConformance({ name: 'shoal', open: shoal })
for (const [protocol, options] of protocols) overShoal(protocol, options)
overShoal('classic, cooperative-sticky, over the network port', {}, () => ({
  transport: new NetworkTransport(new TcpNetwork()),
}))

function overShoal(
  name: string,
  options: Partial<KafkaSourceOptions>,
  ports: () => KafkaPorts = () => ({}),
): void {
  sourceConformance({
    name: `shoal, ${name}`,
    backend: 'shoal',
    open: async () => kafkaFixture(await shoal(), options, ports()),
  })
}

async function shoal(): Promise<KafkaServer> {
  const broker = await Broker.open({
    data: null,
    kafka: { host: '127.0.0.1', port: 0 },
    settings: promptly,
  })
  const { host, port } = broker.kafkaAddress
  return { bootstrap: `${host}:${port}`, stop: () => broker.close() }
}
