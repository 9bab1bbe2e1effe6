import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { SimDisk } from '../../log/index.ts'
import { BrokerFixture } from '../broker-fixture.test.ts'
import { encodeTopicRecord } from './topic-records.ts'

describe('topics on a disk', () => {
  test('that were answered are there after a crash, with their ids and the name of the cluster', async () => {
    const { disk, broker } = await opened()
    const { topics } = broker.parts.context
    const { topic } = topics.createOnDemand('orders')
    await topics.flushed()
    const { clusterId } = topics
    const again = await reopened(disk)
    assert.deepEqual(again.table.byName('orders'), topic)
    assert.equal(again.clusterId, clusterId)
    assert.match(clusterId, /^[A-Za-z0-9_-]{22}$/)
  })

  test('that were deleted take their logs with them, also when a crash came between the two', async () => {
    const { disk, broker } = await opened()
    const { topics, logs } = broker.parts.context
    const { topic } = topics.createOnDemand('orders')
    assert.ok(topic)
    await topics.log(topic, 0)
    // What a crash between the two records of a deletion leaves: the topic is gone, its log is not.
    logs.appendMetadata('topics', [
      encodeTopicRecord({ kind: 'topic-deleted', topicId: topic.topicId }),
    ])
    await logs.flushed()

    const context = await reopened(disk)
    assert.equal(context.table.byName('orders'), undefined)
    assert.deepEqual(context.logs.partitions(), [])
  })

  test('that are deleted while their log is being opened leave no log', async () => {
    const { broker } = await opened()
    const { topics, logs } = broker.parts.context
    const { topic } = topics.createOnDemand('orders')
    assert.ok(topic)
    const opening = topics.log(topic, 0)
    topics.decide({ kind: 'delete', topicId: topic.topicId })
    assert.equal(await opening, null)
    await topics.flushed()
    assert.deepEqual(logs.partitions(), [])
    assert.equal(await topics.log(topic, 0), null)
  })

  test('whose log cannot be opened tell everybody who waits, and try again with the next call', async () => {
    const { broker } = await opened()
    const { topics, logs } = broker.parts.context
    const { topic } = topics.createOnDemand('orders')
    assert.ok(topic)
    const openPartition = logs.openPartition.bind(logs)
    logs.openPartition = () => Promise.reject(new Error('no descriptors left'))
    const waiting = [topics.log(topic, 0), topics.withLog(topic, 0, () => 'used')]
    for (const each of waiting)
      await assert.rejects(Promise.resolve(each), { message: 'no descriptors left' })
    logs.openPartition = openPartition
    const use = () => {
      throw new Error('what the user of a log throws')
    }
    const failing = assert.rejects(async () => topics.withLog(topic, 0, use), {
      message: 'what the user of a log throws',
    })
    assert.equal((await topics.log(topic, 0))?.logEndOffset, 0)
    await failing
  })

  test('tell their logs when a config changes, their own or the default of the broker', async () => {
    const { broker } = await opened()
    const { topics } = broker.parts.context
    const { topic } = topics.createOnDemand('orders')
    assert.ok(topic)
    const log = await topics.log(topic, 0)
    assert.ok(log)
    const seen: number[] = []
    log.configure = (config) => void seen.push(config.maxMessageBytes)
    const set = (name: string, value: string) =>
      ({
        kind: 'incremental',
        changes: [{ name, operation: 'set', value }],
      }) as const

    topics.decide({ kind: 'configure-broker', changes: set('message.max.bytes', '2000') })
    const changes = set('max.message.bytes', '1000')
    topics.decide({ kind: 'configure-topic', name: 'orders', changes })
    topics.decide({ kind: 'configure-topic', name: 'orders', changes }, true)
    assert.deepEqual(seen, [2_000, 1_000])
  })

  test('are only questions with validateOnly', async () => {
    const { broker } = await opened()
    const { topics } = broker.parts.context
    const asked = {
      name: 'orders',
      partitionCount: 2,
      replicationFactor: 1,
      assignments: [],
      configs: [],
    }
    assert.equal(topics.create(asked, true).topic?.partitionCount, 2)
    assert.equal(topics.table.byName('orders'), undefined)
  })
})

async function opened() {
  const disk = new SimDisk()
  return { disk, broker: await BrokerFixture.open({ files: disk }) }
}

/** The process dies and loses everything that was not synced; another start finds the rest. */
async function reopened(disk: SimDisk) {
  disk.crash()
  const broker = await BrokerFixture.open({ files: disk.afterCrash('nothing', 1) })
  const { topics, logs } = broker.parts.context
  return { table: topics.table, clusterId: topics.clusterId, logs }
}
