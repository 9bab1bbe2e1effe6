/** The handlers of this broker, one for each API it serves. ApiVersions tells clients of exactly these. */

import type { BrokerContext } from '../../context.ts'
import type { Handler } from '../handler.ts'
import { handleAlterConfigs } from './alter-configs.ts'
import { apiVersionsHandler } from './api-versions.ts'
import { handleConsumerGroupDescribe } from './consumer-group-describe.ts'
import { handleConsumerGroupHeartbeat } from './consumer-group-heartbeat.ts'
import { handleCreatePartitions } from './create-partitions.ts'
import { handleCreateTopics } from './create-topics.ts'
import { handleDeleteGroups } from './delete-groups.ts'
import { handleDeleteRecords } from './delete-records.ts'
import { handleDeleteTopics } from './delete-topics.ts'
import { handleDescribeCluster } from './describe-cluster.ts'
import { handleDescribeConfigs } from './describe-configs.ts'
import { handleDescribeGroups } from './describe-groups.ts'
import { handleDescribeLogDirs } from './describe-log-dirs.ts'
import { handleFetch } from './fetch.ts'
import { handleFindCoordinator } from './find-coordinator.ts'
import { handleHeartbeat } from './heartbeat.ts'
import { handleIncrementalAlterConfigs } from './incremental-alter-configs.ts'
import { handleInitProducerId } from './init-producer-id.ts'
import { handleJoinGroup } from './join-group.ts'
import { handleLeaveGroup } from './leave-group.ts'
import { handleListGroups } from './list-groups.ts'
import { handleListOffsets } from './list-offsets.ts'
import { handleListPartitionReassignments } from './list-partition-reassignments.ts'
import { handleMetadata } from './metadata.ts'
import { handleOffsetCommit } from './offset-commit.ts'
import { handleOffsetDelete } from './offset-delete.ts'
import { handleOffsetFetch } from './offset-fetch.ts'
import { handleOffsetForLeaderEpoch } from './offset-for-leader-epoch.ts'
import { handleProduce } from './produce.ts'
import { handleShareAcknowledge } from './share-acknowledge.ts'
import { handleShareFetch } from './share-fetch.ts'
import { handleShareGroupDescribe } from './share-group-describe.ts'
import { handleShareGroupHeartbeat } from './share-group-heartbeat.ts'
import {
  handleAlterShareGroupOffsets,
  handleDeleteShareGroupOffsets,
  handleDescribeShareGroupOffsets,
} from './share-group-offsets.ts'
import { handleSyncGroup } from './sync-group.ts'

const served: readonly Handler<BrokerContext>[] = [
  handleProduce,
  handleFetch,
  handleListOffsets,
  handleMetadata,
  handleOffsetCommit,
  handleOffsetFetch,
  handleFindCoordinator,
  handleJoinGroup,
  handleHeartbeat,
  handleLeaveGroup,
  handleSyncGroup,
  handleDescribeGroups,
  handleListGroups,
  handleCreateTopics,
  handleDeleteTopics,
  handleDeleteRecords,
  handleInitProducerId,
  handleOffsetForLeaderEpoch,
  handleDescribeConfigs,
  handleAlterConfigs,
  handleDescribeLogDirs,
  handleCreatePartitions,
  handleDeleteGroups,
  handleIncrementalAlterConfigs,
  handleListPartitionReassignments,
  handleOffsetDelete,
  handleDescribeCluster,
  handleConsumerGroupHeartbeat,
  handleConsumerGroupDescribe,
  handleShareGroupHeartbeat,
  handleShareGroupDescribe,
  handleShareFetch,
  handleShareAcknowledge,
  handleDescribeShareGroupOffsets,
  handleAlterShareGroupOffsets,
  handleDeleteShareGroupOffsets,
]

export const kafkaHandlers: readonly Handler<BrokerContext>[] = [
  ...served,
  apiVersionsHandler<BrokerContext>({ served }),
]
