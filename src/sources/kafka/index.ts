/**
 * Kafka (and Shoal's own broker over the wire) as a source: `import { kafka } from 'shoal/kafka'`.
 */

export { KafkaClient, isPassing } from './kafka-client.ts'
export type { Channel, KafkaClientOptions, RequestOptions, Target } from './kafka-client.ts'
export { refusal } from './broker-link.ts'
export type { Answer, LinkEvent, RequestBody } from './broker-link.ts'
export type { BrokerView, ClusterView, PartitionView, TopicView } from './cluster-view.ts'
export { parseBrokers } from './options.ts'
export type {
  FetchOptions,
  KafkaAssignorName,
  KafkaClusterOptions,
  KafkaPorts,
  KafkaSasl,
  KafkaSourceOptions,
  KafkaTls,
} from './options.ts'
export type {
  ConnectOptions,
  EncodedRequest,
  KafkaConnection,
  KafkaTransport,
} from './transport.ts'
