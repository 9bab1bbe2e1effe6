/** The Kafka source keeps the promises of the source port, with a real Apache Kafka behind it. */

import { describe } from 'node:test'
import { ApacheKafka, apacheKafkaMissing } from '../real/apache-kafka.ts'
import { needs } from '../real/services.ts'
import { kafkaFixture } from './kafka-fixture.ts'
import { sourceConformance } from './source-suite.ts'

describe('over a real Apache Kafka', needs(apacheKafkaMissing()), () => {
  sourceConformance({
    name: 'kafka, cooperative-sticky',
    open: async () => kafkaFixture(await ApacheKafka.start()),
  })
})
