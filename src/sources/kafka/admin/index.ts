export { identifyCluster, type ClusterIdentity } from './identify.ts'
export { openKafkaAdmin } from './kafka-admin.ts'
export type { PrintedRecord } from './printed-record.ts'
export { readTopic, type ReadFrom, type ReadOptions } from './topic-reader.ts'
