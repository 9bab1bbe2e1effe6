/** The Kafka source keeps the promises of the source port in all three protocols, with a real Apache Kafka behind it. */

import { after, before, describe } from 'node:test'
import { ApacheKafka, apacheKafkaMissing } from '../real/apache-kafka.ts'
import { needs } from '../real/services.ts'
import { kafkaFixture, promptly, protocols } from './kafka-fixture.ts'
import { kafkaConformance } from './kafka-suite.ts'
import { sourceConformance } from './source-suite.ts'

describe('over a real Apache Kafka', needs(apacheKafkaMissing()), () => {
  let node: ApacheKafka
  before(async () => {
    node = await ApacheKafka.start({ properties: promptly })
  })
  after(() => node.stop())

  kafkaConformance({
    name: 'kafka',
    open: async () => ({ bootstrap: node.bootstrap, stop: async () => {} }),
  })
  for (const [protocol, options] of protocols)
    sourceConformance({
      name: `kafka, ${protocol}`,
      backend: 'kafka',
      open: () => kafkaFixture({ bootstrap: node.bootstrap, stop: async () => {} }, options),
    })
})
