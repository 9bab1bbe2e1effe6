/**
 * What an operator asks of a broker: groups, their members and offsets, topics. One port for every backend.
 *
 * Reads are snapshots, not transactions: between two calls the group goes on. Refusals that an operator expects (no such
 * group, topic exists) are errors with a stable code; an empty answer means there is nothing.
 */

/** Kafka's names, spelled as Kafka prints them. */
export type GroupState =
  | 'Empty'
  | 'PreparingRebalance'
  | 'CompletingRebalance'
  | 'Stable'
  | 'Dead'
  | 'Assigning'
  | 'Reconciling'

/** Kafka's three; a consumer group of Redis Streams; queues of RabbitMQ that somebody consumes. */
export type GroupType = 'Classic' | 'Consumer' | 'Share' | 'Stream' | 'Queue'

export interface GroupListing {
  readonly groupId: string
  readonly type: GroupType
  readonly state: GroupState
  /** `consumer` for groups of consumers, empty for one that only stores offsets. */
  readonly protocolType: string
}

export interface GroupDescription extends GroupListing {
  /** The assignor; empty when the group has none. */
  readonly assignor: string
  readonly coordinator: { readonly id: number; readonly host: string; readonly port: number }
  /** Group epoch and target-assignment epoch of a KIP-848 group; null for a classic one. */
  readonly epochs: { readonly group: number; readonly targetAssignment: number } | null
  readonly members: readonly GroupMember[]
}

export interface GroupMember {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly clientId: string
  /** As Kafka prints it: `/127.0.0.1`. */
  readonly host: string
  readonly assignment: readonly TopicPartitions[]
  /** Of a KIP-848 group; null for a classic member that has none. */
  readonly memberEpoch: number | null
  readonly targetAssignment: readonly TopicPartitions[] | null
  readonly targetEpoch: number | null
  /** In a group that holds both kinds: whether this member speaks KIP-848. Null where the question does not arise. */
  readonly upgraded: boolean | null
}

export interface TopicPartitions {
  readonly topic: string
  /** Rising. */
  readonly partitions: readonly number[]
}

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

export interface CommittedOffset extends TopicPartition {
  readonly offset: number
  /** -1 when the member did not say. */
  readonly leaderEpoch: number
  readonly metadata: string
}

export interface PartitionOffset extends TopicPartition {
  /** Null when the partition does not exist (any more), could not be asked, or has no record at or after the time. */
  readonly offset: number | null
}

export interface TopicListing {
  readonly name: string
  readonly topicId: string
  readonly partitionCount: number
  readonly internal: boolean
}

export interface TopicDescription extends TopicListing {
  readonly replicationFactor: number
  /** What was set for the topic or the broker, not the defaults; in the broker's order. */
  readonly configs: readonly (readonly [name: string, value: string])[]
  readonly partitions: readonly {
    readonly partition: number
    readonly leader: number
    readonly replicas: readonly number[]
    readonly inSyncReplicas: readonly number[]
  }[]
}

export interface NewTopic {
  readonly name: string
  /** -1 takes the broker's `num.partitions`. */
  readonly partitionCount: number
  /** -1 takes the broker's default. */
  readonly replicationFactor: number
  readonly configs: ReadonlyMap<string, string>
}

/** The first offset, the next one to be written, or the first record at or after a time. */
export type OffsetSpec = 'earliest' | 'latest' | { readonly atMs: number }

export interface NewOffset extends TopicPartition {
  readonly offset: number
}

/** How a change of one partition ended. */
export interface PartitionOutcome extends TopicPartition {
  /** Null when it is done; otherwise the broker's name of the error. */
  readonly error: string | null
}

export interface AdminPort {
  readonly backend: string
  listGroups(): Promise<readonly GroupListing[]>
  /** @throws ShoalError SHOAL_UNKNOWN_GROUP, naming the group. */
  describeGroup(groupId: string): Promise<GroupDescription>
  committedOffsets(groupId: string): Promise<readonly CommittedOffset[]>
  /** The offset that is meant of each partition, in the order asked. */
  offsets(
    partitions: readonly TopicPartition[],
    spec: OffsetSpec,
  ): Promise<readonly PartitionOffset[]>
  /**
   * Commits for a group as nobody's member, with empty metadata: what members had remembered beside their offsets is
   * gone. Brokers accept it only while the group has no members; a group that does not exist is made.
   */
  commitOffsets(
    groupId: string,
    offsets: readonly NewOffset[],
  ): Promise<readonly PartitionOutcome[]>
  /**
   * Forgets committed offsets.
   * @throws ShoalError SHOAL_UNKNOWN_GROUP, naming the group; SHOAL_REQUEST_FAILED
   */
  deleteOffsets(
    groupId: string,
    partitions: readonly TopicPartition[],
  ): Promise<readonly PartitionOutcome[]>
  /**
   * Deletes a group without members, and its offsets.
   * @throws ShoalError SHOAL_UNKNOWN_GROUP, naming the group; SHOAL_REQUEST_FAILED with `details.error` NON_EMPTY_GROUP
   */
  deleteGroup(groupId: string): Promise<void>
  listTopics(): Promise<readonly TopicListing[]>
  /** @throws ShoalError SHOAL_UNKNOWN_TOPIC, naming the topic. */
  describeTopic(name: string): Promise<TopicDescription>
  /** @throws ShoalError SHOAL_REQUEST_FAILED with the broker's error name in `details.error`. */
  createTopic(topic: NewTopic): Promise<TopicListing>
  /** @throws ShoalError SHOAL_UNKNOWN_TOPIC, naming the topic. */
  deleteTopic(name: string): Promise<void>
  close(): Promise<void>
}
