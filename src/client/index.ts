/**
 * The poll loop of a group member, over HTTP and over Kafka: `import { newConsumer } from 'shoal/client'`.
 */

export { newConsumer, type ConsumerPorts } from './new-consumer.ts'
export type { ConsumerConfig, Rebalance } from './config.ts'
export { readConsumerYaml } from './yaml-config.ts'
export type { NackOutcome } from './member.ts'
export type { Message } from './message.ts'
export type { NackOptions, PollingConsumer, PollOptions } from './polling-consumer.ts'
