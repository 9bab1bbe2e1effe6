/**
 * Offsets of groups with members that work: paused, reset and resumed by the command line. Members of every kind stay in the
 * group and go on at the new offsets; a commit from before never counts.
 *
 * Some 10 s. What each request is answered in each state: src/group/pause.test.ts; crashes: test/simulation.
 */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { Broker } from '../../src/broker/index.ts'
import { runHere } from '../../src/cli/run-fixture.test.ts'
import { KafkaProducer } from '../../src/sources/kafka/index.ts'
import { pythonMissing, startPython } from '../real/python.ts'
import { needs } from '../real/services.ts'
import { eventually } from '../seeds/waiting.ts'
import { kinds, startMember } from './group-members.ts'
import type { GroupMember } from './group-members.ts'
import { OwnershipJournal } from './ownership-journal.ts'

const PARTITIONS = 4
const RECORDS = 40
const RESET_TO = 15
const TOPIC = 'orders'

describe('a live group', needs(pythonMissing('2.16.1')), () => {
  for (const kind of kinds)
    test(`of ${kind} members goes on at the offsets that it is reset to, and its sessions stay`, async () => {
      await using cluster = await Cluster.open()
      const seen = new Map<string, number>()
      const journal = new OwnershipJournal()
      const place = {
        bootstrap: cluster.bootstrap,
        url: cluster.url,
        group: 'billing',
        topic: TOPIC,
        sessionTimeoutMs: 60_000,
        heartbeatIntervalMs: 200,
        commit: 'interval',
        journal,
        processed: (_: string, partition: number, offset: number) => {
          const id = `${partition}/${offset}`
          seen.set(id, (seen.get(id) ?? 0) + 1)
        },
      } as const
      const members: GroupMember[] = []
      try {
        for (const name of ['a', 'b'])
          members.push(await startMember(kind, `${kind}-${name}`, place))
        await reaches(() => new Set([...journal.owners().values()].flat()).size, 2)
        await cluster.stable()
        await cluster.produce()
        await reaches(() => seen.size, PARTITIONS * RECORDS)
        await cluster.committed(RECORDS)
        const before = await cluster.memberIds()
        assert.equal(before.length, 2)

        const live = await cluster.shoal(`groups reset billing --to ${RESET_TO} --execute`)
        assert.equal(live.exitCode, 4)
        assert.match(
          live.err,
          /is Stable with 2 members: .* --pause holds delivery while they move/,
        )

        const reset = await cluster.shoal(`groups reset billing --to ${RESET_TO} --execute --pause`)
        assert.equal(reset.exitCode, 0, reset.err)
        assert.match(reset.out, /billing {2}orders {2}3 {10}40 {14}15 {10}-25 {4}25/)
        await reaches(() => repeated(seen), PARTITIONS * (RECORDS - RESET_TO))
        await cluster.committed(RECORDS)
        for (const [id, count] of seen)
          assert.equal(count, Number(id.split('/')[1]) >= RESET_TO ? 2 : 1, id)
        assert.deepEqual(await cluster.memberIds(), before)
        assert.deepEqual(journal.overlaps().violations, [])
        const { out } = await cluster.shoal('groups timeline billing --json', { backend: false })
        const { rebalances } = JSON.parse(out) as { rebalances: { reason: string }[] }
        const reasons = rebalances.map(({ reason }) => reason)
        assert.ok(reasons.includes('paused') && reasons.includes('resumed'), reasons.join())
      } finally {
        await Promise.all(members.map((member) => member.leave()))
      }
    })

  for (const strategy of ['range', 'cooperative-sticky'])
    test(`of librdkafka by the classic protocol (${strategy}) stops while it is paused, and loses nothing`, async () => {
      await using cluster = await Cluster.open()
      const settings = [
        `partition.assignment.strategy=${strategy}`,
        'heartbeat.interval.ms=200',
        'session.timeout.ms=60000',
        'fetch.wait.max.ms=100',
      ]
      const program = join(import.meta.dirname, 'consumer-member.py')
      const args = [program, cluster.bootstrap, 'billing', TOPIC, ...settings]
      await using member = startPython('2.16.1', args)
      await cluster.produce()
      const lines = () => member.stdout.split('\n').filter((line) => /^\d+ /.test(line))
      await reaches(() => lines().length, PARTITIONS * RECORDS)
      await cluster.committed(RECORDS)

      const paused = await cluster.shoal('groups pause billing --reason test', { backend: false })
      assert.equal(paused.exitCode, 0, paused.err)
      assert.match(paused.out, /billing is paused, no member has a partition/)
      await cluster.produce()
      const reset = await cluster.shoal(`groups reset billing --to ${RESET_TO} --execute --pause`)
      assert.equal(reset.exitCode, 0, reset.err)
      const expected = PARTITIONS * (RECORDS + 2 * RECORDS - RESET_TO)
      await reaches(() => lines().length, expected)
      await cluster.committed(2 * RECORDS)
      assert.equal(lines().length, expected)
      assert.equal(member.stdout.includes('lost'), false)
    })

  test('that is paused keeps still until it is resumed', async () => {
    await using cluster = await Cluster.open()
    const seen: number[] = []
    const journal = new OwnershipJournal()
    const member = await startMember('consumer', 'only', {
      bootstrap: cluster.bootstrap,
      group: 'billing',
      topic: TOPIC,
      sessionTimeoutMs: 60_000,
      heartbeatIntervalMs: 200,
      commit: 'interval',
      journal,
      processed: (_, __, offset) => seen.push(offset),
    })
    await reaches(() => journal.owners().size, PARTITIONS)
    assert.equal((await cluster.shoal('groups pause billing', { backend: false })).exitCode, 0)
    assert.equal(journal.owners().size, 0)
    await cluster.produce()
    const lag = await cluster.get('/groups/billing/pause')
    assert.deepEqual([lag['paused'], lag['held']], [true, true])
    assert.deepEqual(seen, [])
    assert.equal((await cluster.shoal('groups resume billing', { backend: false })).exitCode, 0)
    await reaches(() => seen.length, PARTITIONS * RECORDS)
    await member.leave()
  })
})

function repeated(seen: ReadonlyMap<string, number>): number {
  return [...seen.values()].filter((count) => count > 1).length
}

async function reaches(count: () => number, expected: number): Promise<void> {
  await eventually(
    async () => count(),
    (reached) => reached === expected,
  )
}

interface Described {
  readonly groups: readonly {
    readonly members: readonly { readonly memberId: string }[]
    readonly partitions: readonly { readonly committedOffset: number }[]
  }[]
}

class Cluster {
  readonly #broker: Broker
  readonly bootstrap: string
  readonly url: string

  private constructor(broker: Broker) {
    this.#broker = broker
    const { host, port } = broker.kafkaAddress
    this.bootstrap = `${host}:${port}`
    this.url = `http://${broker.httpAddress?.host}:${broker.httpAddress?.port}`
  }

  static async open(): Promise<Cluster> {
    const settings = {
      'group.initial.rebalance.delay.ms': 0,
      'group.consumer.heartbeat.interval.ms': 200,
      'num.partitions': PARTITIONS,
    }
    const broker = await Broker.open({
      data: null,
      kafka: { port: 0 },
      http: { port: 0 },
      settings,
    })
    const cluster = new Cluster(broker)
    await cluster.shoal(`topics create ${TOPIC}`)
    return cluster
  }

  /** As many records more in each partition. */
  async produce(): Promise<void> {
    await using producer = await KafkaProducer.open({ brokers: this.bootstrap })
    const value = new TextEncoder().encode('x')
    const sends = Array.from({ length: PARTITIONS * RECORDS }, (_, index) =>
      producer.send({ topic: TOPIC, partition: index % PARTITIONS, key: null, value, headers: [] }),
    )
    await Promise.all(sends)
  }

  shoal(line: string, { backend = true } = {}) {
    const backends = backend ? ['-b', this.bootstrap] : []
    const http = line.startsWith('groups') && !line.includes('describe') ? ['--http', this.url] : []
    return runHere([...line.split(' '), ...backends, ...http])
  }

  async get(path: string): Promise<Record<string, unknown>> {
    return (await (await fetch(`${this.url}${path}`)).json()) as Record<string, unknown>
  }

  /** Waits until this is committed in every partition. */
  async committed(offset: number): Promise<void> {
    await eventually(
      async () => {
        const { out } = await this.shoal('groups describe billing --json')
        const [group] = (JSON.parse(out) as Described).groups
        return group?.partitions.map(({ committedOffset }) => committedOffset) ?? []
      },
      (offsets) => offsets.length === PARTITIONS && offsets.every((each) => each === offset),
    )
  }

  async stable(): Promise<void> {
    await eventually(
      async () => (await this.shoal('groups describe billing --state')).out,
      (out) => / Stable /.test(out),
    )
  }

  async memberIds(): Promise<readonly string[]> {
    const { out } = await this.shoal('groups describe billing --json')
    const [group] = (JSON.parse(out) as Described).groups
    return group?.members.map(({ memberId }) => memberId).toSorted() ?? []
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#broker.close()
  }
}
