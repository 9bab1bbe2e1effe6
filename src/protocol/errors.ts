/**
 * Kafka's error table: name, number on the wire, whether a client may try again, and what it says.
 *
 * Domain code answers with the name; the codec writes the number. Names and numbers are Kafka's (4.3), the sentences
 * are ours. A number that the table does not know keeps its value as `UNKNOWN_<number>`, so that it encodes back.
 */

interface KafkaErrorKind {
  /** The int16 on the wire. */
  readonly code: number
  /** Whether the same request may succeed later. */
  readonly retriable: boolean
  readonly sentence: string
}

function final(code: number, sentence: string): KafkaErrorKind {
  return { code, retriable: false, sentence }
}

function retry(code: number, sentence: string): KafkaErrorKind {
  return { code, retriable: true, sentence }
}

export const kafkaErrorTable = {
  UNKNOWN_SERVER_ERROR: final(-1, 'the broker failed in a way that it did not expect'),
  NONE: final(0, 'no error'),
  OFFSET_OUT_OF_RANGE: final(1, 'the broker does not hold this offset'),
  CORRUPT_MESSAGE: retry(
    2,
    'a record is damaged, too large, or lacks the key that a compacted topic needs',
  ),
  UNKNOWN_TOPIC_OR_PARTITION: retry(3, 'the broker does not have this partition'),
  INVALID_FETCH_SIZE: final(4, 'the asked fetch size cannot work'),
  LEADER_NOT_AVAILABLE: retry(5, 'the partition has no leader at the moment'),
  NOT_LEADER_OR_FOLLOWER: retry(6, 'the broker neither leads nor follows this partition'),
  REQUEST_TIMED_OUT: retry(7, 'the request was not done in time'),
  BROKER_NOT_AVAILABLE: final(8, 'the broker cannot serve'),
  REPLICA_NOT_AVAILABLE: retry(9, 'the replica of this partition cannot serve'),
  MESSAGE_TOO_LARGE: final(10, 'a record batch is larger than the topic takes'),
  STALE_CONTROLLER_EPOCH: final(11, 'another controller took over'),
  OFFSET_METADATA_TOO_LARGE: final(12, 'the metadata of an offset commit is too long'),
  NETWORK_EXCEPTION: retry(13, 'the connection ended before the answer came'),
  COORDINATOR_LOAD_IN_PROGRESS: retry(14, 'the coordinator is still loading its state'),
  COORDINATOR_NOT_AVAILABLE: retry(15, 'there is no coordinator at the moment'),
  NOT_COORDINATOR: retry(16, 'another broker coordinates this group or transaction'),
  INVALID_TOPIC_EXCEPTION: final(
    17,
    'the topic name is not allowed, or the topic may not be used so',
  ),
  RECORD_LIST_TOO_LARGE: final(18, 'a record batch is larger than a segment'),
  NOT_ENOUGH_REPLICAS: retry(19, 'too few replicas are in sync to take records'),
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: retry(20, 'the records were written, but to too few replicas'),
  INVALID_REQUIRED_ACKS: final(21, 'acks must be -1, 0 or 1'),
  ILLEGAL_GENERATION: final(22, 'the generation is not the current one of the group'),
  INCONSISTENT_GROUP_PROTOCOL: final(23, 'the member shares no assignment protocol with the group'),
  INVALID_GROUP_ID: final(24, 'the group id is not allowed'),
  UNKNOWN_MEMBER_ID: final(25, 'the group does not have this member'),
  INVALID_SESSION_TIMEOUT: final(26, 'the session timeout is outside of what the broker allows'),
  REBALANCE_IN_PROGRESS: final(27, 'the group rebalances and the member must join again'),
  INVALID_COMMIT_OFFSET_SIZE: final(28, 'the offsets to commit take too much room'),
  TOPIC_AUTHORIZATION_FAILED: final(29, 'the principal may not do this with the topic'),
  GROUP_AUTHORIZATION_FAILED: final(30, 'the principal may not do this with the group'),
  CLUSTER_AUTHORIZATION_FAILED: final(31, 'the principal may not do this with the cluster'),
  INVALID_TIMESTAMP: final(32, 'a timestamp is outside of what the topic takes'),
  UNSUPPORTED_SASL_MECHANISM: final(33, 'the broker does not offer this SASL mechanism'),
  ILLEGAL_SASL_STATE: final(34, 'the request does not fit the state of the login'),
  UNSUPPORTED_VERSION: final(35, 'the broker does not speak this version of the request'),
  TOPIC_ALREADY_EXISTS: final(36, 'a topic of this name exists'),
  INVALID_PARTITIONS: final(37, 'the partition count cannot work'),
  INVALID_REPLICATION_FACTOR: final(
    38,
    'the replication factor cannot work with the brokers there are',
  ),
  INVALID_REPLICA_ASSIGNMENT: final(39, 'the asked placement of replicas cannot work'),
  INVALID_CONFIG: final(40, 'a setting is unknown or has a value that cannot work'),
  NOT_CONTROLLER: retry(41, 'another broker is the controller'),
  INVALID_REQUEST: final(42, 'the request contradicts itself or the protocol'),
  UNSUPPORTED_FOR_MESSAGE_FORMAT: final(43, 'the stored record format cannot serve this request'),
  POLICY_VIOLATION: final(44, 'a policy of the cluster forbids these values'),
  OUT_OF_ORDER_SEQUENCE_NUMBER: final(45, 'the producer left out or repeated a sequence number'),
  DUPLICATE_SEQUENCE_NUMBER: final(46, 'the producer sent this sequence number before'),
  INVALID_PRODUCER_EPOCH: final(47, 'the producer epoch is old'),
  INVALID_TXN_STATE: final(48, 'the transaction is not in a state that allows this'),
  INVALID_PRODUCER_ID_MAPPING: final(49, 'the producer id does not belong to the transactional id'),
  INVALID_TRANSACTION_TIMEOUT: final(50, 'the transaction timeout is more than the broker allows'),
  CONCURRENT_TRANSACTIONS: retry(51, 'another step of the same transaction is still running'),
  TRANSACTION_COORDINATOR_FENCED: final(52, 'another coordinator took over the transaction'),
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: final(
    53,
    'the principal may not use this transactional id',
  ),
  SECURITY_DISABLED: final(54, 'the broker has no security to configure'),
  OPERATION_NOT_ATTEMPTED: final(55, 'an earlier failure kept the broker from trying this part'),
  KAFKA_STORAGE_ERROR: retry(56, 'the disk failed under the log'),
  LOG_DIR_NOT_FOUND: final(57, 'the log folder is not one of the broker'),
  SASL_AUTHENTICATION_FAILED: final(58, 'the login failed'),
  UNKNOWN_PRODUCER_ID: final(59, 'the broker remembers nothing of this producer id'),
  REASSIGNMENT_IN_PROGRESS: final(60, 'the partition is being moved'),
  DELEGATION_TOKEN_AUTH_DISABLED: final(61, 'delegation tokens are switched off'),
  DELEGATION_TOKEN_NOT_FOUND: final(62, 'the delegation token does not exist'),
  DELEGATION_TOKEN_OWNER_MISMATCH: final(63, 'the principal neither owns nor renews this token'),
  DELEGATION_TOKEN_REQUEST_NOT_ALLOWED: final(
    64,
    'this connection may not ask for delegation tokens',
  ),
  DELEGATION_TOKEN_AUTHORIZATION_FAILED: final(65, 'the principal may not do this with the token'),
  DELEGATION_TOKEN_EXPIRED: final(66, 'the delegation token has expired'),
  INVALID_PRINCIPAL_TYPE: final(67, 'the kind of principal is not supported'),
  NON_EMPTY_GROUP: final(68, 'the group still has members'),
  GROUP_ID_NOT_FOUND: final(69, 'there is no group of this id, or none of this kind'),
  FETCH_SESSION_ID_NOT_FOUND: retry(70, 'the fetch session does not exist'),
  INVALID_FETCH_SESSION_EPOCH: retry(71, 'the fetch session is at another epoch'),
  LISTENER_NOT_FOUND: retry(72, 'the leader does not listen where the request came in'),
  TOPIC_DELETION_DISABLED: final(73, 'topics cannot be deleted here'),
  FENCED_LEADER_EPOCH: retry(74, 'the leader epoch of the request is old'),
  UNKNOWN_LEADER_EPOCH: retry(
    75,
    'the leader epoch of the request is newer than the one of the broker',
  ),
  UNSUPPORTED_COMPRESSION_TYPE: final(
    76,
    'this version of the request cannot carry the compression',
  ),
  STALE_BROKER_EPOCH: final(77, 'the broker epoch has changed'),
  OFFSET_NOT_AVAILABLE: retry(78, 'the leader does not know its high watermark yet'),
  MEMBER_ID_REQUIRED: final(79, 'the member must join again with the id that it was given'),
  PREFERRED_LEADER_NOT_AVAILABLE: retry(80, 'the preferred leader cannot take over'),
  GROUP_MAX_SIZE_REACHED: final(81, 'the group has as many members as it may'),
  FENCED_INSTANCE_ID: final(82, 'another member uses the same group instance id'),
  ELIGIBLE_LEADERS_NOT_AVAILABLE: retry(83, 'no replica may become the leader'),
  ELECTION_NOT_NEEDED: retry(84, 'the leader is already the right one'),
  NO_REASSIGNMENT_IN_PROGRESS: final(85, 'the partition is not being moved'),
  GROUP_SUBSCRIBED_TO_TOPIC: final(86, 'the group still subscribes to the topic'),
  INVALID_RECORD: final(87, 'a record batch breaks the rules of the format or of the topic'),
  UNSTABLE_OFFSET_COMMIT: retry(88, 'a transaction that commits offsets is still open'),
  THROTTLING_QUOTA_EXCEEDED: retry(89, 'a quota is used up'),
  PRODUCER_FENCED: final(90, 'a newer producer took over the transactional id'),
  RESOURCE_NOT_FOUND: final(91, 'what the request names does not exist'),
  DUPLICATE_RESOURCE: final(92, 'the request names the same thing twice'),
  UNACCEPTABLE_CREDENTIAL: final(93, 'the credential does not meet the rules'),
  INCONSISTENT_VOTER_SET: final(94, 'the voters on both sides differ'),
  INVALID_UPDATE_VERSION: final(95, 'the update carries a version that cannot be applied'),
  FEATURE_UPDATE_FAILED: final(96, 'the features could not be updated'),
  PRINCIPAL_DESERIALIZATION_FAILURE: final(97, 'a forwarded principal cannot be read'),
  SNAPSHOT_NOT_FOUND: final(98, 'the snapshot does not exist'),
  POSITION_OUT_OF_RANGE: final(99, 'the position is outside of the snapshot'),
  UNKNOWN_TOPIC_ID: retry(100, 'the broker does not have a topic of this id'),
  DUPLICATE_BROKER_REGISTRATION: final(101, 'another broker is registered under this id'),
  BROKER_ID_NOT_REGISTERED: final(102, 'no broker is registered under this id'),
  INCONSISTENT_TOPIC_ID: retry(103, 'the topic id is not the one in the log'),
  INCONSISTENT_CLUSTER_ID: final(104, 'the cluster id is another one'),
  TRANSACTIONAL_ID_NOT_FOUND: final(105, 'the transactional id does not exist'),
  FETCH_SESSION_TOPIC_ID_ERROR: retry(106, 'the fetch session mixes topic names and topic ids'),
  INELIGIBLE_REPLICA: final(107, 'the new replica may not join the in-sync ones'),
  NEW_LEADER_ELECTED: final(108, 'the change made another broker the leader'),
  OFFSET_MOVED_TO_TIERED_STORAGE: final(109, 'the offset lies in tiered storage'),
  FENCED_MEMBER_EPOCH: final(110, 'the member epoch is old and the member must join again'),
  UNRELEASED_INSTANCE_ID: final(111, 'the group instance id is still held by another member'),
  UNSUPPORTED_ASSIGNOR: final(
    112,
    'the group does not support the assignor that the member asked for',
  ),
  STALE_MEMBER_EPOCH: final(113, 'the member epoch is not the current one'),
  MISMATCHED_ENDPOINT_TYPE: final(114, 'the request went to an endpoint of the other type'),
  UNSUPPORTED_ENDPOINT_TYPE: final(115, 'the endpoint type is not supported yet'),
  UNKNOWN_CONTROLLER_ID: final(116, 'the controller id is not known'),
  UNKNOWN_SUBSCRIPTION_ID: final(117, 'the telemetry subscription is not known'),
  TELEMETRY_TOO_LARGE: final(118, 'the pushed telemetry is larger than the broker takes'),
  INVALID_REGISTRATION: final(119, 'the controller refused the registration of the broker'),
  TRANSACTION_ABORTABLE: final(120, 'the transaction failed and must be aborted'),
  INVALID_RECORD_STATE: final(121, 'the record is not in a state that allows this acknowledgement'),
  SHARE_SESSION_NOT_FOUND: retry(122, 'the share session does not exist'),
  INVALID_SHARE_SESSION_EPOCH: retry(123, 'the share session is at another epoch'),
  FENCED_STATE_EPOCH: final(124, 'the state epoch of the share coordinator is another one'),
  INVALID_VOTER_KEY: final(125, 'the voter key is not the one of the replica'),
  DUPLICATE_VOTER: final(126, 'the voter is part of the set already'),
  VOTER_NOT_FOUND: final(127, 'the voter is not part of the set'),
  INVALID_REGULAR_EXPRESSION: final(128, 'the regular expression cannot be read'),
  REBOOTSTRAP_REQUIRED: final(129, 'the client must start again from its bootstrap addresses'),
  STREAMS_INVALID_TOPOLOGY: final(130, 'the topology is not valid'),
  STREAMS_INVALID_TOPOLOGY_EPOCH: final(131, 'the topology epoch is not valid'),
  STREAMS_TOPOLOGY_FENCED: final(132, 'the topology epoch is old'),
  SHARE_SESSION_LIMIT_REACHED: retry(133, 'the broker holds as many share sessions as it may'),
} as const satisfies Record<string, KafkaErrorKind>

/** An error of Kafka by its name. */
export type KafkaErrorName = keyof typeof kafkaErrorTable

/** What the wire may carry: a name, or the number of an error that this version does not know. */
export type KafkaErrorCode = KafkaErrorName | `UNKNOWN_${number}`

const namesByCode: ReadonlyMap<number, KafkaErrorName> = new Map(
  (Object.keys(kafkaErrorTable) as KafkaErrorName[]).map((name) => [
    kafkaErrorTable[name].code,
    name,
  ]),
)

export function isKafkaErrorName(name: string): name is KafkaErrorName {
  return Object.hasOwn(kafkaErrorTable, name)
}

/** The name of a number on the wire. */
export function kafkaErrorOf(code: number): KafkaErrorCode {
  return namesByCode.get(code) ?? `UNKNOWN_${code}`
}

/** The number of a name; `undefined` for what is neither a name nor `UNKNOWN_<int16>`. */
export function kafkaErrorNumber(name: KafkaErrorCode): number | undefined {
  if (isKafkaErrorName(name)) return kafkaErrorTable[name].code
  const number = /^UNKNOWN_(-?\d{1,5})$/.exec(name)?.[1]
  return number === undefined ? undefined : Number(number)
}

/** Whether a client may try the same request again. */
export function isRetriable(name: KafkaErrorCode): boolean {
  return isKafkaErrorName(name) && kafkaErrorTable[name].retriable
}

/** What an error means, in words. */
export function kafkaErrorSentence(name: KafkaErrorCode): string {
  return isKafkaErrorName(name)
    ? kafkaErrorTable[name].sentence
    : `an error that is not known here (${name})`
}
