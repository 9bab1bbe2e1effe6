import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { VirtualClock, seededRandom } from '../../../core/index.ts'
import { listGroups, listOffsets } from '../../../protocol/index.ts'
import type { KafkaErrorCode } from '../../../protocol/index.ts'
import { clusterScript } from '../cluster-script.test.ts'
import { KafkaClient } from '../kafka-client.ts'
import { NO_ERROR } from '../scripted-transport.test.ts'
import { allGroups, partitionOffsets } from './cluster-reads.ts'

describe('the groups of a cluster', () => {
  test('are those of every broker, each once', async () => {
    const { client, script } = await cluster()
    script.transport.on(listGroups, (_request, { address }) =>
      groups(address.host === 'b1' ? ['one', 'moving'] : ['two', 'moving']),
    )
    const found = await allGroups(client)
    assert.deepEqual(found.map(({ groupId }) => groupId).sort(), ['moving', 'one', 'two'])
    await client.close()
  })

  test('are asked for again while a coordinator loads: an answer without its groups would be wrong', async () => {
    const { client, clock, script } = await cluster()
    let asked = 0
    script.transport.on(listGroups, (_request, { address }) => {
      if (address.host === 'b1') return groups(['one'])
      return ++asked < 3 ? groups([], 'COORDINATOR_LOAD_IN_PROGRESS') : groups(['two'])
    })
    const finding = allGroups(client)
    await clock.advance(5_000)
    assert.deepEqual((await finding).map(({ groupId }) => groupId).sort(), ['one', 'two'])
    await client.close()
  })
})

describe('offsets in a cluster', () => {
  test('are asked of each leader, and a partition without one has none', async () => {
    const { client, script } = await cluster()
    script.leaders.set('t', [1, 2, -1])
    script.partition('t', 0).logEndOffset = 5
    script.partition('t', 1).logEndOffset = 7
    const found = await partitionOffsets(client, partitions, 'latest')
    assert.deepEqual(
      found.map(({ offset }) => offset),
      [5, 7, null],
    )
    const asked = script.transport.log.filter(({ name }) => name === listOffsets.name)
    assert.deepEqual(asked.map(({ asked: { address } }) => address.host).sort(), ['b1', 'b2'])
    await client.close()
  })

  test('are asked for again when a leader has moved', async () => {
    const { client, clock, script } = await cluster()
    script.partition('t', 0).logEndOffset = 5
    const usual = script.transport.answerTo(listOffsets)
    const moved: KafkaErrorCode = 'NOT_LEADER_OR_FOLLOWER'
    script.transport.on(listOffsets, async (request, asked) => {
      const answer = await usual(request, asked)
      if (asked.address.host === 'b2') return answer
      script.leaders.set('t', [2, 2])
      const topics = answer.topics.map((topic) => ({
        ...topic,
        partitions: topic.partitions.map((one) => ({ ...one, errorCode: moved })),
      }))
      return { ...answer, topics }
    })
    const finding = partitionOffsets(client, [{ topic: 't', partition: 0 }], 'latest')
    await clock.advance(5_000)
    assert.deepEqual(await finding, [{ topic: 't', partition: 0, offset: 5 }])
    await client.close()
  })
})

const partitions = [0, 1, 2].map((partition) => ({ topic: 't', partition }))

async function cluster() {
  const clock = new VirtualClock()
  const script = clusterScript({ timers: clock, brokers: ['b1', 'b2'], topics: { t: [1, 2] } })
  const client = await KafkaClient.open(
    { brokers: 'b1:9092' },
    { transport: script.transport, clock, timers: clock, random: seededRandom(1) },
  )
  return { clock, script, client }
}

function groups(ids: readonly string[], errorCode: KafkaErrorCode = NO_ERROR) {
  return {
    throttleTimeMs: 0,
    errorCode,
    groups: ids.map((groupId) => ({
      groupId,
      protocolType: 'consumer',
      groupState: 'Stable',
      groupType: 'classic',
    })),
  }
}
