/** What a coordinator needs to know and may be limited to: Kafka's settings by their names, with every default filled in. */

import type { ClassicLimits } from './classic/turn.ts'
import { Subscriptions } from './consumer/target.ts'
import type { ConsumerGroupConfig, ConsumerLimits, MigrationPolicy } from './consumer/turn.ts'
import type { ShareGroupConfig, ShareGroupLimits } from './share-group/turn.ts'
import type { OffsetLimits } from './offsets/commit.ts'
import type { TimelineLimits } from './timeline/timeline-table.ts'
import type { GroupTopics } from './topics.ts'

export interface GroupCoordinatorOptions {
  /** A member id that never was and never will be: `<prefix>-<uuid>`. */
  readonly newMemberId: (prefix: string) => string
  readonly topics: GroupTopics
  /** `group.min.session.timeout.ms`, default 6,000. */
  readonly groupMinSessionTimeoutMs?: number
  /** `group.max.session.timeout.ms`, default 1,800,000. */
  readonly groupMaxSessionTimeoutMs?: number
  /** `group.initial.rebalance.delay.ms`, default 3,000. */
  readonly groupInitialRebalanceDelayMs?: number
  /** `group.max.size`, default 10,000 (Kafka: no limit). */
  readonly groupMaxSize?: number
  /** Member ids of one group that were handed out and not used yet; default 10,000. */
  readonly groupMaxPendingMembers?: number
  /** How long a new member may wait for its first generation, milliseconds; default 300,000. */
  readonly groupNewMemberJoinTimeoutMs?: number
  /** `group.consumer.max.size`, default 10,000 (Kafka: no limit). */
  readonly groupConsumerMaxSize?: number
  /** `group.consumer.migration.policy`, default bidirectional. */
  readonly groupConsumerMigrationPolicy?: MigrationPolicy
  /** What holds for a KIP-848 group now; default: session 45,000, heartbeat 5,000, assignment interval 0 (Kafka: 1,000). */
  readonly consumerGroupConfig?: (groupId: string) => ConsumerGroupConfig
  /** `group.share.max.size`, default 200. */
  readonly groupShareMaxSize?: number
  /** What holds for a share group now; default: session 45,000, heartbeat 5,000. */
  readonly shareGroupConfig?: (groupId: string) => ShareGroupConfig
  /** Groups that there may be; who would begin a further one is answered COORDINATOR_NOT_AVAILABLE. Default 100,000. */
  readonly maxGroups?: number
  /** Completed rebalances that one group remembers; default 100. */
  readonly groupTimelineEntries?: number
  /** Rows that all timelines together may have, a rebalance counting one and each move it names another; default 100,000. */
  readonly groupTimelineRows?: number
  /** `offset.metadata.max.bytes`, default 4,096; counted in UTF-16 units, as Kafka does. */
  readonly offsetMetadataMaxBytes?: number
  /** `offsets.retention.minutes` in milliseconds, default 7 days. */
  readonly offsetsRetentionMs?: number
  /** `offsets.retention.check.interval.ms`, default 600,000. */
  readonly offsetsRetentionCheckIntervalMs?: number
}

export type Limits = ClassicLimits &
  ConsumerLimits &
  ShareGroupLimits &
  OffsetLimits &
  TimelineLimits & {
    readonly maxGroups: number
    readonly offsetsRetentionMs: number
    readonly offsetsRetentionCheckIntervalMs: number
  }

const DEFAULT_CONFIG: ConsumerGroupConfig = {
  sessionTimeoutMs: 45_000,
  heartbeatIntervalMs: 5_000,
  assignmentIntervalMs: 0,
}

const DEFAULTS = {
  groupMinSessionTimeoutMs: 6_000,
  groupMaxSessionTimeoutMs: 1_800_000,
  groupInitialRebalanceDelayMs: 3_000,
  groupMaxSize: 10_000,
  groupMaxPendingMembers: 10_000,
  groupNewMemberJoinTimeoutMs: 300_000,
  groupConsumerMaxSize: 10_000,
  groupConsumerMigrationPolicy: 'bidirectional',
  consumerGroupConfig: () => DEFAULT_CONFIG,
  groupShareMaxSize: 200,
  shareGroupConfig: () => DEFAULT_CONFIG,
  maxGroups: 100_000,
  groupTimelineEntries: 100,
  groupTimelineRows: 100_000,
  offsetMetadataMaxBytes: 4_096,
  offsetsRetentionMs: 7 * 24 * 3_600_000,
  offsetsRetentionCheckIntervalMs: 600_000,
} as const

export function limitsOf(options: GroupCoordinatorOptions): Limits {
  return { ...DEFAULTS, ...options, subscriptions: new Subscriptions(options.topics) }
}
