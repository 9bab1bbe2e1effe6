/**
 * Kafka (and Shoal's own broker over the wire) as a source: `import { kafka } from 'shoal/kafka'`.
 */

export { kafka } from './kafka-source.ts'
export type { KafkaCapabilities } from './kafka-source.ts'
export { KafkaProducer } from './kafka-producer.ts'
export type {
  KafkaProducerOptions,
  KafkaProducerSettings,
  ProducerRecord,
} from './kafka-producer.ts'
export type { SentRecord } from './producer-queue.ts'
export { OffsetMoment, commitOffsets, committedOffsets, offsetsAt } from './offsets.ts'
export type { CommitRequest, CommittedOffset } from './offsets.ts'
export { partitionKey } from './topic-partition.ts'
export { KafkaClient, isPassing } from './kafka-client.ts'
export type { Channel, KafkaClientOptions, RequestOptions, Target } from './kafka-client.ts'
export { refusal } from './broker-link.ts'
export type { Answer, LinkEvent, RequestBody } from './broker-link.ts'
export type { BrokerView, ClusterView, PartitionView, TopicView } from './cluster-view.ts'
export { NetworkTransport } from './network-transport.ts'
export { parseBrokers } from './options.ts'
export type {
  FetchOptions,
  KafkaAssignorName,
  KafkaClusterOptions,
  KafkaGroupProtocol,
  KafkaPorts,
  KafkaSourceOptions,
} from './options.ts'
export type { KafkaSasl, KafkaTls } from './security.ts'
export type {
  ConnectOptions,
  EncodedRequest,
  KafkaConnection,
  KafkaTransport,
} from './transport.ts'
