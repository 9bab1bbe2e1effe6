/**
 * Questions that change nothing, with the fields of Kafka's message specs. The shell holds their answers back like any
 * other reply, until everything replayed before them is flushed.
 */

import type { GroupError } from './messages.ts'
import type { Ownership, Pause, RebalanceEntry, RebalanceStart } from './records.ts'

/** One group of an OffsetFetch (v0-7 carry one, v8+ several). */
export interface OffsetFetchGroup {
  readonly groupId: string
  /** v9+: who asks, null for an administrator. */
  readonly memberId: string | null
  readonly memberEpoch: number
  /** Null asks for everything that the group committed. */
  readonly topics:
    | readonly { readonly name: string; readonly partitionIndexes: readonly number[] }[]
    | null
}

export interface OffsetFetchGroupResult {
  readonly groupId: string
  readonly errorCode: GroupError
  readonly topics: readonly {
    readonly name: string
    readonly partitions: readonly {
      readonly partitionIndex: number
      /** -1 when nothing was committed. */
      readonly committedOffset: number
      readonly committedLeaderEpoch: number
      readonly metadata: string
      readonly errorCode: GroupError
    }[]
  }[]
}

export type GroupState = 'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Stable' | 'Dead'

export type ConsumerGroupState = 'Empty' | 'Assigning' | 'Reconciling' | 'Stable'

export interface ListGroupsFilter {
  /** States to keep, in any case; empty keeps all. */
  readonly statesFilter: readonly string[]
  readonly typesFilter: readonly string[]
}

export interface ListedGroup {
  readonly groupId: string
  readonly protocolType: string
  readonly groupState: GroupState | ConsumerGroupState
  readonly groupType: 'classic' | 'consumer' | 'share'
}

export interface DescribedGroup {
  readonly groupId: string
  /** An unknown group is GROUP_ID_NOT_FOUND from version 6 on and NONE before; its state is Dead in both. */
  readonly errorCode: GroupError
  readonly errorMessage: string | null
  readonly groupState: GroupState
  readonly protocolType: string
  readonly protocolData: string
  readonly members: readonly {
    readonly memberId: string
    readonly groupInstanceId: string | null
    readonly clientId: string
    readonly clientHost: string
    /** Empty unless the group is stable. */
    readonly memberMetadata: Uint8Array
    readonly memberAssignment: Uint8Array
  }[]
}

export interface NamedTopicPartitions {
  readonly topicId: string
  readonly topicName: string
  readonly partitions: readonly number[]
}

/** A KIP-848 group, as ConsumerGroupDescribe tells it; one of another type, or none, is GROUP_ID_NOT_FOUND. */
export interface DescribedConsumerGroup {
  readonly groupId: string
  readonly errorCode: GroupError
  readonly errorMessage: string | null
  readonly groupState: ConsumerGroupState | ''
  readonly groupEpoch: number
  readonly assignmentEpoch: number
  readonly assignorName: string
  readonly members: readonly {
    readonly memberId: string
    readonly instanceId: string | null
    readonly rackId: string | null
    readonly memberEpoch: number
    readonly clientId: string
    readonly clientHost: string
    readonly subscribedTopicNames: readonly string[]
    readonly subscribedTopicRegex: string | null
    readonly assignment: { readonly topicPartitions: readonly NamedTopicPartitions[] }
    readonly targetAssignment: { readonly topicPartitions: readonly NamedTopicPartitions[] }
    /** 0 speaks the classic protocol, 1 KIP-848. */
    readonly memberType: 0 | 1
  }[]
}

/** A share group, as ShareGroupDescribe tells it; one of another type, or none, is GROUP_ID_NOT_FOUND. */
export interface DescribedShareGroup {
  readonly groupId: string
  readonly errorCode: GroupError
  readonly errorMessage: string | null
  readonly groupState: 'Empty' | 'Stable' | ''
  readonly groupEpoch: number
  readonly assignmentEpoch: number
  readonly assignorName: string
  readonly members: readonly {
    readonly memberId: string
    readonly rackId: string | null
    readonly memberEpoch: number
    readonly clientId: string
    readonly clientHost: string
    readonly subscribedTopicNames: readonly string[]
    readonly assignment: { readonly topicPartitions: readonly NamedTopicPartitions[] }
  }[]
}

export interface GroupPause {
  /** Null: the group is not paused. */
  readonly pause: Pause | null
  /** Members that have partitions. Of a paused group: those that have not given up everything yet. */
  readonly owners: readonly Ownership[]
}

/** What Kafka's API has no word for: for the workbench. */
export interface GroupTimeline {
  readonly groupId: string
  /** Of a KIP-848 group its group epoch. */
  readonly generation: number
  /** When the group was first heard of, wall time. */
  readonly createdMs: number
  /** Completed rebalances since then, and the time that they took, whatever of them is remembered. */
  readonly rebalanceCount: number
  readonly rebalanceMs: number
  /** The rebalance that runs. */
  readonly current: RebalanceStart | null
  /** Completed rebalances that are remembered, the latest last. */
  readonly rebalances: readonly RebalanceEntry[]
}
