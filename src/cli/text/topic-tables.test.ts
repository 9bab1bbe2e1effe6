import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { topicDescription } from './topic-tables.ts'

test('a topic is described as Kafka describes it', () => {
  const partition = (index: number) => ({
    partition: index,
    leader: 1,
    replicas: [1],
    inSyncReplicas: [1],
  })
  const common = { internal: false, replicationFactor: 1 }
  const orders = topicDescription({
    ...common,
    name: 'orders',
    topicId: 'NuwMu_FVQc6i1eONArm0wA',
    partitionCount: 3,
    configs: [['min.insync.replicas', '1']],
    partitions: [0, 1, 2].map(partition),
  })
  const fresh = topicDescription({
    ...common,
    name: 'fresh_topic',
    topicId: '1jmu852aQRqoc1vK-WqyqA',
    partitionCount: 2,
    configs: [
      ['min.insync.replicas', '1'],
      ['retention.ms', '60000'],
    ],
    partitions: [0, 1].map(partition),
  })
  assert.equal(orders, printed('topics-describe'))
  assert.equal(fresh, printed('topics-describe-config'))
})

function printed(name: string): string {
  return readFileSync(new URL(`../../../test/printed/${name}.txt`, import.meta.url), 'utf8')
}
