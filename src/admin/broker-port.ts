/**
 * What an operator asks of any broker, a log or not: which groups there are, how far each is behind, and what became of
 * records that nobody could handle. Kafka, Redis Streams and RabbitMQ implement it; what only a log has (offsets to
 * move, topics to make) is `AdminPort`.
 *
 * A figure that a broker does not tell is null, never a guess, and `notes` says what is missing and why. Reads are
 * snapshots. Nothing is joined, claimed or acknowledged by looking.
 */

import type { LetterHeader } from '../core/index.ts'
import type { GroupListing, GroupState, GroupType, TopicPartition } from './admin-port.ts'

export interface BrokerPort {
  readonly backend: 'kafka' | 'redis-streams' | 'rabbitmq'
  /** @throws ShoalError SHOAL_REQUEST_FAILED where the broker cannot list them */
  listGroups(): Promise<readonly GroupListing[]>
  /** @throws ShoalError SHOAL_UNKNOWN_GROUP, naming the group. */
  groupBacklog(groupId: string): Promise<GroupBacklog>
  readonly deadLetters: DeadLetterPort
  close(): Promise<void>
}

export interface GroupBacklog {
  readonly groupId: string
  readonly type: GroupType
  readonly state: GroupState
  readonly members: readonly BacklogMember[]
  /** By topic and partition. */
  readonly partitions: readonly PartitionBacklog[]
  /** One sentence each: what this broker does not tell, and what looks wrong. */
  readonly notes: readonly string[]
}

export interface BacklogMember {
  readonly memberId: string
  readonly clientId: string | null
  readonly host: string | null
  /** Milliseconds since the broker heard of it last. */
  readonly idleMs: number | null
  /** Handed to it and not acknowledged. */
  readonly pending: number | null
}

/** One partition of a topic, one stream behind it, or one queue. */
export interface PartitionBacklog extends TopicPartition {
  /** After the last record that was handed out (Kafka: committed), in the broker's words: an offset, an entry id. */
  readonly position: string | null
  readonly end: string | null
  /** Records that were not handed out (Kafka: not committed). */
  readonly lag: number | null
  /** Whether there may be more than `lag` says: counting stopped at its limit. */
  readonly lagIsAtLeast: boolean
  /** Handed out and not acknowledged. Kafka does not know. */
  readonly pending: number | null
  /** Age of the first record that was not handed out, milliseconds; 0 where there is none. */
  readonly oldestUnreadMs: number | null
  /** Age of the oldest record that was handed out and is not acknowledged, milliseconds; 0 where there is none. */
  readonly oldestPendingMs: number | null
  /** Who works on it. */
  readonly memberIds: readonly string[]
  /** Records ever written, for rates from two looks; null where the broker does not count. */
  readonly writtenCount: number | null
}

/** Topics, streams or queues that dead letters go to; `<topic>-dlq` unless the application chose otherwise. */
export interface DeadLetterPort {
  /**
   * Those whose name ends with `suffix`, in name order.
   * @throws ShoalError SHOAL_REQUEST_FAILED where the broker cannot list them
   */
  list(suffix: string): Promise<readonly DeadLetterTopic[]>
  /** @throws ShoalError SHOAL_UNKNOWN_TOPIC */
  describe(topic: string): Promise<DeadLetterTopic>
  /**
   * The letters that are there, the oldest first.
   * @throws ShoalError SHOAL_REQUEST_FAILED where looking takes them out (RabbitMQ), unless `requeue` allows it
   */
  read(topic: string, options?: ReadLettersOptions): AsyncIterable<StoredLetter>
  /**
   * Moves those of the letters there are now that `decide` gives a destination. Each is written there and confirmed before
   * it is taken away: a crash in between repeats letters and loses none. `decide` has to answer the same when it is
   * asked again. Where a broker can only take from the front, letters that stay are written again behind the others.
   * @throws ShoalError the first failure; what was moved before it is moved, the rest is where it was
   */
  move(topic: string, decide: MoveDecision, options?: MoveOptions): Promise<void>
  /** Deletes the letters that are there now; says how many. */
  purge(topic: string): Promise<number>
}

export interface DeadLetterTopic {
  readonly topic: string
  readonly letterCount: number
  /** Age of the first letter, milliseconds; null where it is not told or there is none. */
  readonly oldestMs: number | null
}

/** A record in a dead-letter topic, as it stands there. */
export interface StoredLetter {
  /** `orders-dlq/0@12`, `orders-dlq@1700000000000-0`; a queue has no places, so letters are counted from 1. */
  readonly place: string
  readonly timestampMs: number | null
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly LetterHeader[]
}

export interface ReadLettersOptions {
  /** Most letters; default all. */
  readonly limit?: number
  /** RabbitMQ: take letters out and put them back, which marks them as delivered. */
  readonly requeue?: boolean
}

/** Where a letter goes: null leaves it. */
export type MoveDecision = (letter: StoredLetter) => Destination | null

export interface Destination {
  readonly topic: string
  /** Wished for; where it does not exist the key decides. */
  readonly partition: number | null
  readonly headers: readonly LetterHeader[]
}

export interface MoveOptions {
  /** Awaited before each letter that moves: keeps a rate. */
  readonly pace?: () => Promise<void>
  /** After each letter that was moved. */
  readonly onMoved?: () => void
  /** Stops between two letters. */
  readonly signal?: AbortSignal
}

/** The order in which partitions are told: topics by name, then by number. */
export function byPlace(left: TopicPartition, right: TopicPartition): number {
  if (left.topic === right.topic) return left.partition - right.partition
  return left.topic < right.topic ? -1 : 1
}
