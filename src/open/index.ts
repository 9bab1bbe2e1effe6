/** One interface over Kafka, Shoal, Redis Streams and RabbitMQ: `import { open } from 'shoal/open'`. */

export { open, openSource, type Door, type OutgoingMessage } from './open.ts'
export { openAdmin, type AdminOptions } from './admin.ts'
export { brokerAddress, isBrokerUrl, urlOf } from './address.ts'
export type { Backend, BrokerAddress, Environment } from './address.ts'
export type {
  AnyOpenOptions,
  CommonOptions,
  KafkaOpenOptions,
  OpenOptions,
  RabbitOpenOptions,
  RedisOpenOptions,
} from './options.ts'
export type {
  BacklogMember,
  BrokerPort,
  DeadLetterPort,
  DeadLetterTopic,
  GroupBacklog,
  PartitionBacklog,
  StoredLetter,
} from '../admin/index.ts'
