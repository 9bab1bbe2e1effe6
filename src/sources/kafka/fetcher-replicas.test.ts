import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fetch } from '../../protocol/index.ts'
import { EpochTrail } from './epoch-trail.ts'
import { fixture, owned, refused } from './fetcher-fixture.test.ts'

const LEADER = 'b1'
const REPLICA = 'b2'

describe('a nearer replica', () => {
  test('that the leader names is read from, and the leader is not asked again', async () => {
    const { fetcher, append, settle, seen, fetches } = await nearby()
    append(0, 'a')
    fetcher.add(owned(0), 0)
    await settle()
    assert.deepEqual(seen(0), ['0 a'])
    assert.equal(fetches(LEADER), 1)
    append(0, 'b')
    await settle()
    assert.deepEqual(seen(0), ['0 a', '1 b'])
    assert.equal(fetches(LEADER), 1)
    assert.ok(fetches(REPLICA) >= 2)
  })

  test('is asked about again when what is known of the cluster grows old', async () => {
    const { fetcher, clock, fetches } = await nearby()
    fetcher.add(owned(0), 0)
    await clock.advance(299_000)
    assert.equal(fetches(LEADER), 1)
    await clock.advance(2_000)
    assert.equal(fetches(LEADER), 2)
  })

  test('that died is left for the leader, and nothing is lost or repeated', async () => {
    const { fetcher, append, settle, seen, script, clock, fetches } = await nearby()
    append(0, 'a')
    fetcher.add(owned(0), 0)
    await settle()
    script.transport.down(`${REPLICA}:9092`)
    append(0, 'b')
    await clock.advance(1_000)
    assert.deepEqual(seen(0), ['0 a', '1 b'])
    // The leader names the dead one to everybody who says where he is; we do not say it for a while.
    const asked = fetches(LEADER)
    assert.ok(asked < 8, `the leader was asked ${asked} times`)
    script.transport.up(`${REPLICA}:9092`)
    const before = fetches(REPLICA)
    await clock.advance(11_000)
    append(0, 'c')
    await settle()
    assert.deepEqual(seen(0), ['0 a', '1 b', '2 c'])
    assert.ok(fetches(REPLICA) > before)
  })

  for (const error of [
    'OFFSET_OUT_OF_RANGE',
    'OFFSET_NOT_AVAILABLE',
    'NOT_LEADER_OR_FOLLOWER',
  ] as const)
    test(`that answers ${error} is left for the leader, whose word counts`, async () => {
      const { fetcher, append, settle, seen, script, outOfRange, clock } = await nearby()
      const usual = script.transport.answerTo(fetch)
      script.transport.on(fetch, async (request, asked) =>
        asked.address.host === REPLICA ? refused(request, error) : usual(request, asked),
      )
      append(0, 'a')
      fetcher.add(owned(0), 0)
      await settle()
      await clock.advance(1_000)
      assert.deepEqual(seen(0), ['0 a'])
      assert.deepEqual(outOfRange, [])
    })

  test('that is not among the replicas is not gone after for ever', async () => {
    const { fetcher, append, settle, seen, script, fetches } = await nearby()
    script.preferredReplica = 7
    append(0, 'a')
    fetcher.add(owned(0), 0)
    await settle()
    assert.deepEqual(seen(0), ['0 a'])
    assert.ok(fetches(LEADER) <= 3, `the leader was asked ${fetches(LEADER)} times`)
  })

  test('is not asked for by who does not say where he is', async () => {
    const world = await fixture({ leaders: [1] })
    world.script.preferredReplica = 2
    world.append(0, 'a')
    world.fetcher.add(owned(0), 0)
    await world.settle()
    assert.deepEqual(world.seen(0), ['0 a'])
    assert.ok(world.script.transport.asked(fetch).every(({ rackId }) => rackId === ''))
  })
})

describe('a topic that was deleted and made anew', () => {
  test('is not read on: its owner is told, and it rests', async () => {
    const { fetcher, append, settle, seen, script, clock, client, remade, outOfRange } =
      await fixture({ leaders: [1] })
    append(0, 'a', 'b')
    const topicId = client.cluster.topics.get('t')?.topicId ?? null
    fetcher.add(owned(0), 0, { topicId, trail: new EpochTrail() })
    await settle()
    script.remakes.set('t', 1)
    append(0, 'c')
    await clock.advance(1_000)
    assert.deepEqual(seen(0), ['0 a', '1 b'])
    assert.deepEqual([remade, outOfRange], [['t'], []])
    const fetches = script.transport.asked(fetch).length
    await clock.advance(10_000)
    assert.equal(script.transport.asked(fetch).length, fetches)
  })
})

/** One partition, led by the first broker and held by the second, which the leader names. */
async function nearby() {
  const world = await fixture({ leaders: [1], clientRack: 'here' })
  world.script.followers = [2]
  world.script.preferredReplica = 2
  await world.client.refresh(['t'])
  const fetches = (host: string) =>
    world.script.transport.log.filter(
      ({ name, asked }) => name === fetch.name && asked.address.host === host,
    ).length
  return { ...world, fetches }
}
