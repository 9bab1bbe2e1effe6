/**
 * What `open` takes, by broker: what one cannot do is no option of it, so that asking for it does not compile; a URL that is
 * known at run time alone is checked there, with the same words.
 */

import { ShoalError } from '../core/index.ts'
import type { KafkaSourceOptions } from '../sources/kafka/index.ts'
import type { RabbitMqOptions } from '../sources/rabbitmq/index.ts'
import type { RedisStreamsOptions } from '../sources/redis-streams/index.ts'
import type { Backend } from './address.ts'

/** The same for every broker. */
export interface CommonOptions {
  /** The topic, stream or queue. */
  readonly topic: string
  /** Members of a group share the messages. Needed to receive. */
  readonly group?: string
}

export type KafkaOpenOptions = CommonOptions & Omit<KafkaSourceOptions, 'brokers' | 'topics'>

/**
 * With one shard members compete for its entries, without order; with several each key is in one of them, and they are
 * shared in order.
 */
export type RedisOpenOptions = CommonOptions & Omit<RedisStreamsOptions, 'url' | 'topics'>

/** As with Redis; and a queue forgets what is acknowledged, so there is no `offsetReset`. */
export type RabbitOpenOptions = CommonOptions & Omit<RabbitMqOptions, 'url' | 'topics'>

/** The options that go with a URL. */
export type OpenOptions<Url extends string> = string extends Url
  ? AnyOpenOptions
  : Url extends `kafka:${string}` | `shoal:${string}`
    ? KafkaOpenOptions
    : Url extends `redis:${string}` | `rediss:${string}`
      ? RedisOpenOptions
      : Url extends `amqp:${string}` | `amqps:${string}`
        ? RabbitOpenOptions
        : never

/** For a URL from a configuration: any of the options, checked when it is opened. */
export type AnyOpenOptions = CommonOptions &
  Partial<Omit<KafkaOpenOptions & RedisOpenOptions & RabbitOpenOptions, keyof CommonOptions>>

/** Options that a broker has no use for, and why. */
const IMPOSSIBLE: Readonly<Record<Backend, Readonly<Record<string, string>>>> = {
  kafka: {
    shards: 'a Kafka topic has partitions of its own',
    sharing: 'members of a Kafka group share partitions, in order',
    prefetch: 'use fetch',
    queueType: 'Kafka has no queues',
  },
  'redis-streams': {
    groupInstanceId: 'use consumerName',
    isolation: 'Redis Streams have no transactions across processes',
    prefetch: 'use count',
    queueType: 'Redis has no queue types',
    assignors: 'members share shards evenly, and keep what they have',
  },
  rabbitmq: {
    offsetReset: 'a queue forgets what is acknowledged, so there is nothing to go back to',
    groupInstanceId: 'use consumerName',
    isolation: 'RabbitMQ hands out no uncommitted messages',
    count: 'use prefetch',
    assignors: 'members share queues evenly, and keep what they have',
  },
}

const NAMES: Readonly<Record<Backend, string>> = {
  kafka: 'Kafka',
  'redis-streams': 'Redis Streams',
  rabbitmq: 'RabbitMQ',
}

/** @throws ShoalError SHOAL_INVALID_ARGUMENT that names everything the broker cannot do */
export function checkOptions(backend: Backend, options: object): void {
  const impossible = IMPOSSIBLE[backend]
  const problems = Object.entries(options)
    .filter(([name, value]) => value !== undefined && Object.hasOwn(impossible, name))
    .map(([name]) => `${name}: ${impossible[name]}`)
  if (problems.length > 0)
    throw new ShoalError(
      'SHOAL_INVALID_ARGUMENT',
      `${NAMES[backend]} cannot do what is asked: ${problems.join('; ')}`,
    )
}
