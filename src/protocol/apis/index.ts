/**
 * The Kafka APIs that Shoal has a schema for, one file each, and which of them a broker serves.
 *
 * Adding one: its file here (versions and changes in the header), its line below, its handler in the broker.
 * Not served yet: SASL (17, 36), transactions (24-26, 28).
 */

import { produce } from './00-produce.ts'
import { fetch } from './01-fetch.ts'
import { listOffsets } from './02-list-offsets.ts'
import { metadata } from './03-metadata.ts'
import { offsetCommit } from './08-offset-commit.ts'
import { offsetFetch } from './09-offset-fetch.ts'
import { findCoordinator } from './10-find-coordinator.ts'
import { joinGroup } from './11-join-group.ts'
import { heartbeat } from './12-heartbeat.ts'
import { leaveGroup } from './13-leave-group.ts'
import { syncGroup } from './14-sync-group.ts'
import { describeGroups } from './15-describe-groups.ts'
import { listGroups } from './16-list-groups.ts'
import { saslHandshake } from './17-sasl-handshake.ts'
import { apiVersions } from './18-api-versions.ts'
import { createTopics } from './19-create-topics.ts'
import { deleteTopics } from './20-delete-topics.ts'
import { deleteRecords } from './21-delete-records.ts'
import { initProducerId } from './22-init-producer-id.ts'
import { offsetForLeaderEpoch } from './23-offset-for-leader-epoch.ts'
import { addPartitionsToTxn } from './24-add-partitions-to-txn.ts'
import { addOffsetsToTxn } from './25-add-offsets-to-txn.ts'
import { endTxn } from './26-end-txn.ts'
import { txnOffsetCommit } from './28-txn-offset-commit.ts'
import { describeConfigs } from './32-describe-configs.ts'
import { alterConfigs } from './33-alter-configs.ts'
import { describeLogDirs } from './35-describe-log-dirs.ts'
import { saslAuthenticate } from './36-sasl-authenticate.ts'
import { createPartitions } from './37-create-partitions.ts'
import { deleteGroups } from './42-delete-groups.ts'
import { incrementalAlterConfigs } from './44-incremental-alter-configs.ts'
import { listPartitionReassignments } from './46-list-partition-reassignments.ts'
import { offsetDelete } from './47-offset-delete.ts'
import { describeCluster } from './60-describe-cluster.ts'
import { consumerGroupHeartbeat } from './68-consumer-group-heartbeat.ts'
import { consumerGroupDescribe } from './69-consumer-group-describe.ts'
import { shareGroupHeartbeat } from './76-share-group-heartbeat.ts'
import { shareGroupDescribe } from './77-share-group-describe.ts'
import { shareFetch } from './78-share-fetch.ts'
import { shareAcknowledge } from './79-share-acknowledge.ts'
import { describeShareGroupOffsets } from './90-describe-share-group-offsets.ts'
import { alterShareGroupOffsets } from './91-alter-share-group-offsets.ts'
import { deleteShareGroupOffsets } from './92-delete-share-group-offsets.ts'

export * from './00-produce.ts'
export * from './01-fetch.ts'
export * from './02-list-offsets.ts'
export * from './03-metadata.ts'
export * from './08-offset-commit.ts'
export * from './09-offset-fetch.ts'
export * from './10-find-coordinator.ts'
export * from './11-join-group.ts'
export * from './12-heartbeat.ts'
export * from './13-leave-group.ts'
export * from './14-sync-group.ts'
export * from './15-describe-groups.ts'
export * from './16-list-groups.ts'
export * from './17-sasl-handshake.ts'
export * from './18-api-versions.ts'
export * from './19-create-topics.ts'
export * from './20-delete-topics.ts'
export * from './21-delete-records.ts'
export * from './22-init-producer-id.ts'
export * from './23-offset-for-leader-epoch.ts'
export * from './24-add-partitions-to-txn.ts'
export * from './25-add-offsets-to-txn.ts'
export * from './26-end-txn.ts'
export * from './28-txn-offset-commit.ts'
export * from './32-describe-configs.ts'
export * from './33-alter-configs.ts'
export * from './35-describe-log-dirs.ts'
export * from './36-sasl-authenticate.ts'
export * from './37-create-partitions.ts'
export * from './42-delete-groups.ts'
export * from './44-incremental-alter-configs.ts'
export * from './46-list-partition-reassignments.ts'
export * from './47-offset-delete.ts'
export * from './60-describe-cluster.ts'
export * from './68-consumer-group-heartbeat.ts'
export * from './69-consumer-group-describe.ts'
export * from './76-share-group-heartbeat.ts'
export * from './77-share-group-describe.ts'
export * from './78-share-fetch.ts'
export * from './79-share-acknowledge.ts'
export * from './90-describe-share-group-offsets.ts'
export * from './91-alter-share-group-offsets.ts'
export * from './92-delete-share-group-offsets.ts'
export { NO_OPERATIONS } from './no-operations.ts'
export { ZERO_UUID } from './zero-uuid.ts'

/** Every API with a schema, by key. */
export const allApis = [
  produce,
  fetch,
  listOffsets,
  metadata,
  offsetCommit,
  offsetFetch,
  findCoordinator,
  joinGroup,
  heartbeat,
  leaveGroup,
  syncGroup,
  describeGroups,
  listGroups,
  saslHandshake,
  apiVersions,
  createTopics,
  deleteTopics,
  deleteRecords,
  initProducerId,
  offsetForLeaderEpoch,
  addPartitionsToTxn,
  addOffsetsToTxn,
  endTxn,
  txnOffsetCommit,
  describeConfigs,
  alterConfigs,
  describeLogDirs,
  saslAuthenticate,
  createPartitions,
  deleteGroups,
  incrementalAlterConfigs,
  listPartitionReassignments,
  offsetDelete,
  describeCluster,
  consumerGroupHeartbeat,
  consumerGroupDescribe,
  shareGroupHeartbeat,
  shareGroupDescribe,
  shareFetch,
  shareAcknowledge,
  describeShareGroupOffsets,
  alterShareGroupOffsets,
  deleteShareGroupOffsets,
] as const

/** The APIs that a broker answers. `ApiVersions` advertises these, from their handlers. */
export const servedApis = [
  produce,
  fetch,
  listOffsets,
  metadata,
  offsetCommit,
  offsetFetch,
  findCoordinator,
  joinGroup,
  heartbeat,
  leaveGroup,
  syncGroup,
  describeGroups,
  listGroups,
  apiVersions,
  createTopics,
  deleteTopics,
  deleteRecords,
  initProducerId,
  offsetForLeaderEpoch,
  describeConfigs,
  alterConfigs,
  describeLogDirs,
  createPartitions,
  deleteGroups,
  incrementalAlterConfigs,
  listPartitionReassignments,
  offsetDelete,
  describeCluster,
  consumerGroupHeartbeat,
  consumerGroupDescribe,
  shareGroupHeartbeat,
  shareGroupDescribe,
  shareFetch,
  shareAcknowledge,
  describeShareGroupOffsets,
  alterShareGroupOffsets,
  deleteShareGroupOffsets,
] as const

/**
 * Where `ApiVersions` names a smaller version than is served: Produce, from 0, because librdkafka before 2.11.1 does not
 * compress unless a broker knows v0. Such a request is refused by closing, as Kafka does.
 */
export const advertisedMin: ReadonlyMap<number, number> = new Map([[produce.key, 0]])
