/** One interface over Kafka, Shoal, Redis Streams and RabbitMQ: `import { open } from 'shoal/open'`. */

export { open, type Door, type OutgoingMessage } from './open.ts'
export type { Environment } from './address.ts'
export type {
  AnyOpenOptions,
  CommonOptions,
  KafkaOpenOptions,
  OpenOptions,
  RabbitOpenOptions,
  RedisOpenOptions,
} from './options.ts'
