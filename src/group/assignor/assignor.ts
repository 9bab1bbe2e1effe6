/**
 * What an assignor is: a pure function from who is there, what they want and what they hold to who gets what.
 *
 * The same input gives the same output, whatever the order of its members and topics. Every partition of a topic that
 * somebody wants goes to exactly one member that wants it; topics that do not exist are nobody's.
 */

export interface TopicPartitions {
  readonly topic: string
  /** Ascending. */
  readonly partitions: readonly number[]
}

export interface AssignorMember {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly topics: readonly string[]
  /** What the member says it holds; range and round robin do not look at it. */
  readonly ownedPartitions: readonly TopicPartitions[]
  /** The generation in which it got them, -1 when it does not say; of two claims the newer counts. */
  readonly generation: number
}

export interface AssignorInput {
  readonly members: readonly AssignorMember[]
  /** Partition counts of the topics that exist. */
  readonly partitionCounts: ReadonlyMap<string, number>
}

/** Every member has an entry, topics in order, partitions ascending. */
export type Assignment = ReadonlyMap<string, readonly TopicPartitions[]>

export type Assignor = (input: AssignorInput) => Assignment
