/**
 * What comes to the coordinator and what goes back: fields have the names of Kafka's message specs in camelCase, so that a
 * handler passes them through. Error codes are Kafka's names; the codec writes the numbers.
 *
 * A request that waits (join, sync) carries `replyTo`; its response may come in the decision of a later request.
 * Requests of timers are made by the coordinator itself and come back from the shell when they are due.
 */

import type { HttpSide, TopicIdPartitions } from './consumer-records.ts'

/** Kafka's names for everything that the coordinator refuses with. */
export type GroupError =
  | 'NONE'
  | 'COORDINATOR_NOT_AVAILABLE'
  | 'FENCED_INSTANCE_ID'
  | 'FENCED_MEMBER_EPOCH'
  | 'GROUP_ID_NOT_FOUND'
  | 'GROUP_MAX_SIZE_REACHED'
  | 'GROUP_SUBSCRIBED_TO_TOPIC'
  | 'ILLEGAL_GENERATION'
  | 'INCONSISTENT_GROUP_PROTOCOL'
  | 'INVALID_GROUP_ID'
  | 'INVALID_REGULAR_EXPRESSION'
  | 'INVALID_REQUEST'
  | 'INVALID_SESSION_TIMEOUT'
  | 'MEMBER_ID_REQUIRED'
  | 'NON_EMPTY_GROUP'
  | 'OFFSET_METADATA_TOO_LARGE'
  | 'REBALANCE_IN_PROGRESS'
  | 'STALE_MEMBER_EPOCH'
  | 'UNKNOWN_MEMBER_ID'
  | 'UNKNOWN_TOPIC_OR_PARTITION'
  | 'UNRELEASED_INSTANCE_ID'
  | 'UNSUPPORTED_ASSIGNOR'
  | 'UNSUPPORTED_VERSION'

/** Names one waiting request; the shell chooses it, unique within its life. */
export type ReplyToken = number

/** Both kinds of time, read once for a request. */
export interface Now {
  readonly wallMs: number
  readonly monotonicMs: number
}

export interface GroupProtocol {
  readonly name: string
  readonly metadata: Uint8Array
}

export interface JoinRequest {
  readonly kind: 'join'
  readonly replyTo: ReplyToken
  readonly apiVersion: number
  readonly clientId: string
  readonly clientHost: string
  readonly groupId: string
  readonly sessionTimeoutMs: number
  /** The session timeout where the version has none (v0). */
  readonly rebalanceTimeoutMs: number
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly protocolType: string
  readonly protocols: readonly GroupProtocol[]
  readonly reason: string | null
}

export interface SyncRequest {
  readonly kind: 'sync'
  readonly replyTo: ReplyToken
  readonly groupId: string
  readonly generationId: number
  readonly memberId: string
  readonly groupInstanceId: string | null
  /** Null before v5, and then not compared. */
  readonly protocolType: string | null
  readonly protocolName: string | null
  readonly assignments: readonly { readonly memberId: string; readonly assignment: Uint8Array }[]
}

export interface HeartbeatRequest {
  readonly kind: 'heartbeat'
  readonly replyTo: ReplyToken
  readonly groupId: string
  readonly generationId: number
  readonly memberId: string
  readonly groupInstanceId: string | null
}

export interface LeaveRequest {
  readonly kind: 'leave'
  readonly replyTo: ReplyToken
  /** v0-2 name one member by `memberId`, v3+ list them in `members`. */
  readonly apiVersion: number
  readonly groupId: string
  readonly memberId: string
  readonly members: readonly {
    readonly memberId: string
    readonly groupInstanceId: string | null
    readonly reason: string | null
  }[]
}

/** ConsumerGroupHeartbeat v0-1. Null, or -1 for the rebalance timeout, means: as in the last heartbeat. */
export interface ConsumerHeartbeatRequest {
  readonly kind: 'consumer-heartbeat'
  readonly replyTo: ReplyToken
  readonly apiVersion: number
  readonly clientId: string
  readonly clientHost: string
  readonly groupId: string
  readonly memberId: string
  /** 0 joins, -1 leaves, -2 leaves for a while (static members). */
  readonly memberEpoch: number
  readonly instanceId: string | null
  readonly rackId: string | null
  readonly rebalanceTimeoutMs: number
  readonly subscribedTopicNames: readonly string[] | null
  /** Empty means none. */
  readonly subscribedTopicRegex: string | null
  readonly serverAssignor: string | null
  /** What the member owns. */
  readonly topicPartitions: readonly TopicIdPartitions[] | null
  /** Of a member that comes over HTTP; left out by one that joins it comes from a Kafka client. */
  readonly http?: HttpSide | undefined
}

/** ShareGroupHeartbeat v1. Null names mean: as in the last heartbeat. */
export interface ShareHeartbeatRequest {
  readonly kind: 'share-heartbeat'
  readonly replyTo: ReplyToken
  readonly clientId: string
  readonly clientHost: string
  readonly groupId: string
  readonly memberId: string
  /** 0 joins, -1 leaves. */
  readonly memberEpoch: number
  readonly rackId: string | null
  readonly subscribedTopicNames: readonly string[] | null
}

export interface OffsetCommitRequest {
  readonly kind: 'offset-commit'
  readonly replyTo: ReplyToken
  readonly apiVersion: number
  readonly groupId: string
  readonly generationIdOrMemberEpoch: number
  readonly memberId: string
  readonly groupInstanceId: string | null
  /** v2-4; -1 takes the broker's retention. */
  readonly retentionTimeMs: number
  readonly topics: readonly {
    readonly name: string
    readonly partitions: readonly {
      readonly partitionIndex: number
      readonly committedOffset: number
      readonly committedLeaderEpoch: number
      readonly committedMetadata: string | null
    }[]
  }[]
}

export interface OffsetDeleteRequest {
  readonly kind: 'offset-delete'
  readonly replyTo: ReplyToken
  readonly groupId: string
  readonly topics: readonly {
    readonly name: string
    readonly partitions: readonly { readonly partitionIndex: number }[]
  }[]
}

export interface DeleteGroupsRequest {
  readonly kind: 'delete'
  readonly replyTo: ReplyToken
  readonly groupsNames: readonly string[]
}

/**
 * Holds the delivery of a group: its members stay, and give up all partitions by rebalancing. While nobody has any, and until
 * it is resumed, commits of members are refused and those of an administrator taken. Again, it takes new terms.
 */
export interface PauseRequest {
  readonly kind: 'pause'
  readonly replyTo: ReplyToken
  readonly groupId: string
  readonly reason: string
  /** When it ends by itself, wall time; null: never. */
  readonly untilMs: number | null
}

export interface ResumeRequest {
  readonly kind: 'resume'
  readonly replyTo: ReplyToken
  readonly groupId: string
}

/** A topic is gone, and its committed offsets and deliveries go with it. Comes from the broker, not from a peer: there is no reply. */
export interface TopicDeleted {
  readonly kind: 'topic-deleted'
  readonly topic: string
  readonly topicId: string
}

/**
 * The host process stood still for `durationMs` (stalled event loop, sleeping laptop): heartbeats may wait unread, so
 * every running deadline moves by that much. There is no reply.
 */
export interface Stalled {
  readonly kind: 'stalled'
  readonly durationMs: number
}

/** What a member of a KIP-848 group has to do in its rebalance timeout: give partitions up; as a classic one, join or sync. */
export type MemberDeadline = 'revoke' | 'join' | 'sync'

/** What the coordinator asked a timer for; `round` tells a deadline of an earlier rebalance from that of the present one. */
export type TimerRequest =
  | { readonly kind: 'session-expired'; readonly groupId: string; readonly memberId: string }
  | { readonly kind: 'initial-delay-over'; readonly groupId: string; readonly round: number }
  | { readonly kind: 'rebalance-timeout'; readonly groupId: string; readonly round: number }
  | { readonly kind: 'sync-timeout'; readonly groupId: string; readonly generation: number }
  | {
      readonly kind: 'member-deadline'
      readonly groupId: string
      readonly memberId: string
      readonly what: MemberDeadline
    }
  | { readonly kind: 'pause-over'; readonly groupId: string }
  | { readonly kind: 'offsets-expiry' }

export type GroupRequest =
  | JoinRequest
  | SyncRequest
  | HeartbeatRequest
  | LeaveRequest
  | ConsumerHeartbeatRequest
  | ShareHeartbeatRequest
  | OffsetCommitRequest
  | OffsetDeleteRequest
  | PauseRequest
  | ResumeRequest
  | DeleteGroupsRequest
  | TopicDeleted
  | Stalled
  | TimerRequest

export interface JoinResponse {
  readonly kind: 'join'
  readonly errorCode: GroupError
  readonly generationId: number
  /** Null when the join failed; the codec writes what the version can say. */
  readonly protocolType: string | null
  readonly protocolName: string | null
  readonly leader: string
  readonly skipAssignment: boolean
  readonly memberId: string
  /** Everybody's metadata for the leader, empty for others. */
  readonly members: readonly {
    readonly memberId: string
    readonly groupInstanceId: string | null
    readonly metadata: Uint8Array
  }[]
}

export interface SyncResponse {
  readonly kind: 'sync'
  readonly errorCode: GroupError
  readonly protocolType: string | null
  readonly protocolName: string | null
  readonly assignment: Uint8Array
}

export interface HeartbeatResponse {
  readonly kind: 'heartbeat'
  readonly errorCode: GroupError
}

export interface LeaveResponse {
  readonly kind: 'leave'
  readonly errorCode: GroupError
  /** One for each member of a v3+ request, in its order; empty before. */
  readonly members: readonly {
    readonly memberId: string
    readonly groupInstanceId: string | null
    readonly errorCode: GroupError
  }[]
}

export interface ConsumerHeartbeatResponse {
  readonly kind: 'consumer-heartbeat'
  readonly errorCode: GroupError
  readonly errorMessage: string | null
  readonly memberId: string | null
  readonly memberEpoch: number
  readonly heartbeatIntervalMs: number
  /** Null: as before. */
  readonly assignment: { readonly topicPartitions: readonly TopicIdPartitions[] } | null
}

export interface ShareHeartbeatResponse extends Omit<ConsumerHeartbeatResponse, 'kind'> {
  readonly kind: 'share-heartbeat'
}

export interface OffsetCommitResponse {
  readonly kind: 'offset-commit'
  readonly topics: readonly {
    readonly name: string
    readonly partitions: readonly {
      readonly partitionIndex: number
      readonly errorCode: GroupError
    }[]
  }[]
}

export interface OffsetDeleteResponse {
  readonly kind: 'offset-delete'
  readonly errorCode: GroupError
  readonly topics: OffsetCommitResponse['topics']
}

export interface DeleteGroupsResponse {
  readonly kind: 'delete'
  readonly results: readonly { readonly groupId: string; readonly errorCode: GroupError }[]
}

export interface PauseResponse {
  readonly kind: 'pause'
  /** GROUP_ID_NOT_FOUND; INCONSISTENT_GROUP_PROTOCOL for a group of something else than consumers. */
  readonly errorCode: GroupError
}

export interface ResumeResponse {
  readonly kind: 'resume'
  readonly errorCode: GroupError
}

export type GroupResponse =
  | JoinResponse
  | SyncResponse
  | HeartbeatResponse
  | LeaveResponse
  | ConsumerHeartbeatResponse
  | ShareHeartbeatResponse
  | OffsetCommitResponse
  | OffsetDeleteResponse
  | PauseResponse
  | ResumeResponse
  | DeleteGroupsResponse

export interface GroupReply {
  readonly to: ReplyToken
  readonly response: GroupResponse
}

/** One timer a key: scheduling a key again replaces its timer. Firing is one more request. */
export type TimerCommand =
  | {
      readonly kind: 'schedule'
      readonly key: string
      readonly delayMs: number
      readonly request: TimerRequest
    }
  | { readonly kind: 'cancel'; readonly key: string }
