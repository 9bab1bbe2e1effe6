export * from './assignor/index.ts'
export type { ConsumerGroupConfig, MigrationPolicy } from './consumer/turn.ts'
export type { ConsumerGroup, ConsumerMember } from './consumer/consumer-group.ts'
export {
  hasMoved,
  httpBeat,
  idleMembers,
  isBehind,
  isStale,
  ownedAtJoin,
} from './consumer/http-members.ts'
export {
  type AnyPartitions,
  listOf as partitionListOf,
  samePartitions,
  setOf as partitionSetOf,
} from './consumer/partitions.ts'
export { LEFT_FOR_A_WHILE, stateOfConsumer } from './consumer/consumer-group.ts'
export { GroupCoordinator, type GroupDecision } from './coordinator.ts'
export type { ShareGroupConfig } from './share-group/turn.ts'
export type { GroupCoordinatorOptions } from './limits.ts'
export type * from './messages.ts'
export type * from './queries.ts'
export type * from './records.ts'
export { decodeGroupRecord, encodeGroupRecord } from './record-codec.ts'
export * from './share/index.ts'
export { topicPattern, type TopicPattern } from './consumer/topic-pattern.ts'
export type * from './topics.ts'
export { rebalanceFigures, type RebalanceFigures } from './timeline/timeline.ts'
