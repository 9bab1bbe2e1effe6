import assert from 'node:assert/strict'
import { test } from 'node:test'
import { advertisedMin, allApis, servedApis } from './index.ts'

test('the versions are those that were decided on', () => {
  const versions = allApis.map(({ key, name, versions: [first, last] }) => [key, name, first, last])

  assert.deepEqual(versions, [
    [0, 'Produce', 3, 12],
    [1, 'Fetch', 4, 17],
    [2, 'ListOffsets', 1, 11],
    [3, 'Metadata', 0, 13],
    [8, 'OffsetCommit', 2, 9],
    [9, 'OffsetFetch', 1, 9],
    [10, 'FindCoordinator', 0, 6],
    [11, 'JoinGroup', 0, 9],
    [12, 'Heartbeat', 0, 4],
    [13, 'LeaveGroup', 0, 5],
    [14, 'SyncGroup', 0, 5],
    [15, 'DescribeGroups', 0, 6],
    [16, 'ListGroups', 0, 5],
    [17, 'SaslHandshake', 0, 1],
    [18, 'ApiVersions', 0, 4],
    [19, 'CreateTopics', 2, 7],
    [20, 'DeleteTopics', 1, 6],
    [21, 'DeleteRecords', 0, 2],
    [22, 'InitProducerId', 0, 5],
    [23, 'OffsetForLeaderEpoch', 2, 4],
    [24, 'AddPartitionsToTxn', 0, 5],
    [25, 'AddOffsetsToTxn', 0, 4],
    [26, 'EndTxn', 0, 5],
    [28, 'TxnOffsetCommit', 0, 5],
    [32, 'DescribeConfigs', 1, 4],
    [33, 'AlterConfigs', 0, 2],
    [35, 'DescribeLogDirs', 1, 4],
    [36, 'SaslAuthenticate', 0, 2],
    [37, 'CreatePartitions', 0, 3],
    [42, 'DeleteGroups', 0, 2],
    [44, 'IncrementalAlterConfigs', 0, 1],
    [46, 'ListPartitionReassignments', 0, 0],
    [47, 'OffsetDelete', 0, 0],
    [60, 'DescribeCluster', 0, 2],
    [68, 'ConsumerGroupHeartbeat', 0, 1],
    [69, 'ConsumerGroupDescribe', 0, 1],
    [76, 'ShareGroupHeartbeat', 1, 1],
    [77, 'ShareGroupDescribe', 1, 1],
    [78, 'ShareFetch', 1, 2],
    [79, 'ShareAcknowledge', 1, 2],
    [90, 'DescribeShareGroupOffsets', 0, 1],
    [91, 'AlterShareGroupOffsets', 0, 0],
    [92, 'DeleteShareGroupOffsets', 0, 0],
  ])
})

test('SASL and transactions have schemas and are not served', () => {
  const served = new Set<number>(servedApis.map(({ key }) => key))

  assert.deepEqual(
    allApis.filter(({ key }) => !served.has(key)).map(({ key }) => key),
    [17, 24, 25, 26, 28, 36],
  )
})

test('librdkafka before 2.11.1 is shown a Produce from version 0', () => {
  assert.deepEqual([...advertisedMin], [[0, 0]])
})
