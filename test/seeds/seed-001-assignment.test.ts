/**
 * Seed 001, lines 20-109 and 293-319: who gets which partition.
 */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { consumer } from 'shoal'
import { kafka } from 'shoal/kafka'
import { apacheKafkaMissing, startKafkaTool } from '../real/apache-kafka.ts'
import { needs } from '../real/services.ts'
import { SeedBroker, seedSuite, Stage } from './stage.ts'
import { eventually, once } from './waiting.ts'

const range = { 'partition.assignment.strategy': 'range' }

describe('seed 001, partition assignment', seedSuite, () => {
  let broker: SeedBroker
  before(async () => {
    broker = await SeedBroker.start()
  })
  after(async () => broker[Symbol.asyncDispose]())

  /** Two members on three partitions. */
  const split = (strategy: string) =>
    once(async () => {
      await using stage = await Stage.set(broker, `s001-01-${strategy}`, { partitions: 3 })
      const conf = { 'partition.assignment.strategy': strategy }
      const first = stage.member({ ...conf, 'client.id': 'A' })
      await first.untilOwns([0, 1, 2])
      const second = stage.member({ ...conf, 'client.id': 'B' })
      await second.until(() => second.owned.length > 0)
      await eventually(
        async () => first.owned.length + second.owned.length,
        (owned) => owned === 3,
      )
      const group = await stage.untilStable(2)
      return { protocol: group.protocol, A: first.owned, B: second.owned }
    })
  const splits = { range: split('range'), cooperative: split('cooperative-sticky') }

  /** A and B on six partitions, C joins, B crashes: as the page draws it. */
  const pictured = once(async () => {
    await using stage = await Stage.set(broker, 's001-11', { partitions: 6 })
    const join = (id: string) =>
      stage.member({ ...range, 'client.id': id, 'session.timeout.ms': 15_000 })
    const [a, b] = [join('A'), join('B')]
    await Promise.all([a.untilOwns([0, 1, 2]), b.untilOwns([3, 4, 5])])
    const initial = { A: a.owned, B: b.owned }
    const c = join('C')
    await Promise.all([a.untilOwns([0, 1]), b.untilOwns([2, 3]), c.untilOwns([4, 5])])
    const joined = { A: a.owned, B: b.owned, C: c.owned }
    await b.crash()
    await Promise.all([a.untilOwnsSome(3), c.untilOwnsSome(3)])
    return { initial, joined, crashed: { A: a.owned, C: c.owned } }
  })

  /** Eight members on six partitions. */
  const crowded = once(async () => {
    await using stage = await Stage.set(broker, 's001-45', { partitions: 6 })
    const members = Array.from({ length: 8 }, (_, index) =>
      stage.member({ ...range, 'client.id': `consumer-${index + 1}` }),
    )
    await stage.untilStable(8)
    await eventually(
      async () => members.flatMap(({ owned }) => owned).length,
      (owned) => owned === 6,
    )
    return { owned: members.map(({ owned }) => owned), group: await stage.untilStable(8) }
  })

  test('S001-01 gives each partition to exactly one member of the group', async () => {
    for (const found of [await splits.range(), await splits.cooperative()])
      assert.deepEqual(
        [...found.A, ...found.B].toSorted((a, b) => a - b),
        [0, 1, 2],
      )
  })

  test('S001-02 CONTRADICTION: range gives A two and B one, against the diagram; cooperative any split of one and two', async () => {
    assert.deepEqual(await splits.range(), { protocol: 'range', A: [0, 1], B: [2] })
    const { protocol, A, B } = await splits.cooperative()
    assert.equal(protocol, 'cooperative-sticky')
    assert.deepEqual(
      [A.length, B.length].toSorted((a, b) => a - b),
      [1, 2],
    )
  })

  test('S001-03 balances: sizes differ by at most one', async () => {
    for (const { A, B } of [await splits.range(), await splits.cooperative()])
      assert.ok(Math.abs(A.length - B.length) <= 1)
  })

  test('S001-11 assigns as printed when A and B start, C joins and B crashes (range)', async () => {
    assert.deepEqual(await pictured(), {
      initial: { A: [0, 1, 2], B: [3, 4, 5] },
      joined: { A: [0, 1], B: [2, 3], C: [4, 5] },
      crashed: { A: [0, 1, 2], C: [3, 4, 5] },
    })
  })

  test('S001-13 assigns as printed by KIP-848, with static members that ask for range', async () => {
    await using stage = await Stage.set(broker, 's001-13', { partitions: 6 })
    const join = (id: string) =>
      stage.member({
        'group.protocol': 'consumer',
        'group.remote.assignor': 'range',
        'client.id': id,
        'group.instance.id': id,
      })
    const a = join('A')
    await a.untilOwns([0, 1, 2, 3, 4, 5])
    const b = join('B')
    await Promise.all([a.untilOwns([0, 1, 2]), b.untilOwns([3, 4, 5])])
    const c = join('C')
    await Promise.all([a.untilOwns([0, 1]), b.untilOwns([2, 3]), c.untilOwns([4, 5])])
    assert.deepEqual(
      [a, b, c].map(({ owned }) => owned),
      [
        [0, 1],
        [2, 3],
        [4, 5],
      ],
    )
  })

  test('S001-14 assigns contiguous blocks with range', async () => {
    const blocks = Object.values(await pictured()).flatMap((owned) => Object.values(owned))
    assert.equal(blocks.length, 7)
    for (const block of blocks)
      assert.equal(block.at(-1)! - block[0]!, block.length - 1, block.join())
  })

  test('S001-15 deals partitions out evenly with roundrobin', async () => {
    await using stage = await Stage.set(broker, 's001-15', { partitions: 6 })
    const members = ['A', 'B', 'C'].map((id) =>
      stage.member({ 'partition.assignment.strategy': 'roundrobin', 'client.id': id }),
    )
    const expected = [
      [0, 3],
      [1, 4],
      [2, 5],
    ]
    await Promise.all(members.map((member, index) => member.untilOwns(expected[index]!)))
    assert.equal((await stage.untilStable(3)).protocol, 'roundrobin')
  })

  test(
    'S001-16 forms a group of two Java members with the sticky assignor, three partitions each',
    needs(apacheKafkaMissing()),
    async () => {
      await using stage = await Stage.set(broker, 's001-16', { partitions: 6 })
      for (const _ of ['A', 'B'])
        stage.take(
          startKafkaTool('org.apache.kafka.tools.consumer.ConsoleConsumer', [
            '--bootstrap-server',
            stage.bootstrap,
            '--topic',
            stage.topic,
            '--group',
            stage.group,
            '--command-property',
            'partition.assignment.strategy=org.apache.kafka.clients.consumer.StickyAssignor',
          ]),
        )
      const { protocol, members } = await stage.untilStable(2)
      assert.equal(protocol, 'sticky')
      assert.deepEqual(
        members.map(({ partitions }) => partitions.length),
        [3, 3],
      )
      assert.deepEqual(
        members.flatMap(({ partitions }) => partitions).toSorted((a, b) => a - b),
        [0, 1, 2, 3, 4, 5],
      )
    },
  )

  test("S001-18 CONTRADICTION: where members assign the runtime's default is cooperative-sticky, the printed numbers come from range", async () => {
    await using stage = await Stage.set(broker, 's001-18', { partitions: 6 })
    const app = consumer({
      // A broker with KIP-848 would assign itself.
      source: kafka({ brokers: stage.bootstrap, topics: [stage.topic], groupProtocol: 'classic' }),
      group: stage.group,
      handle: () => {},
    })
    await using _ = await app.start()
    const { protocol, members } = await stage.untilStable(1)
    assert.equal(protocol, 'cooperative-sticky')
    assert.deepEqual(members[0]!.partitions, [0, 1, 2, 3, 4, 5])
  })

  test('S001-44 moves half of the partitions to a second member (range)', async () => {
    await using stage = await Stage.set(broker, 's001-44', { partitions: 6 })
    const first = stage.member({ ...range, 'client.id': 'A' })
    await first.untilOwns([0, 1, 2, 3, 4, 5])
    assert.deepEqual(first.told('assign'), [0, 1, 2, 3, 4, 5])
    const second = stage.member({ ...range, 'client.id': 'B' })
    await Promise.all([first.untilOwns([0, 1, 2]), second.untilOwns([3, 4, 5])])
    assert.deepEqual((await stage.untilStable(2)).members.length, 2)
  })

  test('S001-45 gives six of eight members a partition each, in order (range)', async () => {
    const { owned } = await crowded()
    assert.deepEqual(owned, [[0], [1], [2], [3], [4], [5], [], []])
  })

  test('S001-46 CONTRADICTION: more members than partitions are admitted, and idle', async () => {
    const { group } = await crowded()
    assert.equal(group.state, 'Stable')
    const idle = group.members.filter(({ partitions }) => partitions.length === 0)
    assert.deepEqual(idle.map(({ clientId }) => clientId).sort(), ['consumer-7', 'consumer-8'])
  })
})
