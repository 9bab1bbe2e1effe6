/**
 * Topics as `kafka-topics.sh` of Kafka 4.3.1 prints them, byte for byte.
 */

import type { TopicDescription } from '../../admin/index.ts'

export function topicDescription(topic: TopicDescription): string {
  const configs = topic.configs.map(([name, value]) => `${name}=${value}`).join(',')
  const head = [
    `Topic: ${topic.name}`,
    `TopicId: ${topic.topicId}`,
    `PartitionCount: ${topic.partitionCount}`,
    `ReplicationFactor: ${topic.replicationFactor}`,
    `Configs: ${configs}`,
  ].join('\t')
  const rows = topic.partitions.map(({ partition, leader, replicas, inSyncReplicas }) =>
    [
      '',
      `Topic: ${topic.name}`,
      `Partition: ${partition}`,
      `Leader: ${leader}`,
      `Replicas: ${replicas.join(',')}`,
      `Isr: ${inSyncReplicas.join(',')}`,
      'Elr: ',
      'LastKnownElr: ',
    ].join('\t'),
  )
  return [head, ...rows].map((line) => `${line}\n`).join('')
}
