/**
 * The consumer runtime: `import { consumer } from 'shoal'`.
 */

export {
  decodeCompletions,
  type Completions,
  type DecodedCompletions,
} from './completion/completion-map.ts'
export { consumer } from './consumer.ts'
export { deadLetterOf } from './failure/dead-letter.ts'
export { parseDuration, type Duration } from './duration.ts'
export { MemoryBroker } from './memory-broker/memory-broker.ts'
export type * from './memory-broker/memory-broker.ts'
export type * from './memory-broker/memory-ports.ts'
export * from './options.ts'
export {
  memoryDedupeStore,
  redisDedupeStore,
  sqlDedupeStore,
  sqlDedupeTable,
} from './failure/dedupe-stores.ts'
export type * from './failure/dedupe-stores.ts'
export { pollConsumer } from './poll/poll-options.ts'
export type * from './poll/poll-options.ts'
export type { AutoCommit, CommitOptions, PollConsumer } from './poll/poll-consumer.ts'
export type { Message, PartitionEnd } from './poll/message.ts'
export { json } from './payload.ts'
export {
  checkServiceModule,
  importModule,
  loadServiceModule,
  serviceConsumer,
} from './service-module.ts'
export type { ServiceModule, ServiceSetting, ServiceTools } from './service-module.ts'
export * from './source.ts'
export type { ThreadContext } from './threads/thread-messages.ts'
export { telemetry } from './telemetry.ts'
export type * from './telemetry.ts'
