/**
 * Resets and deletions of groups by the command line: the offsets are those that Apache Kafka's own tool would set, what
 * must be refused is refused with its reason and changes nothing, and a real Kafka is served like Shoal's broker.
 *
 * The commands run in this process; Kafka's tool starts a Java machine each time, so it only plans (`--dry-run`), two at
 * a time. What a target means in every odd case: src/admin/plan-reset.test.ts.
 */

import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import kafkajs from 'kafkajs'
import { runHere } from '../../src/cli/run-fixture.test.ts'
import { deleteRecords } from '../../src/protocol/index.ts'
import { KafkaClient } from '../../src/sources/kafka/index.ts'
import { ApacheKafka, apacheKafkaMissing, kafkaTool } from '../real/apache-kafka.ts'
import { needs } from '../real/services.ts'
import { ShoalProcess } from '../real/shoal.ts'

const GROUPS = 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand'
const PARTITIONS = [0, 1, 2]
const RECORDS = 20
const LOG_START = 5
/** One record a minute in each partition, ending two hours ago. */
const LAST_MS = Date.now() - 2 * 3_600_000
const COMMITTED = 'orders,0,8\norders,1,12\norders,2,20\n'

interface Lag {
  readonly records: number
  readonly seconds: number | null
  readonly drainSeconds: number | null
  readonly partitions: readonly (Omit<Lag, 'partitions'> & { readonly partition: number })[]
}

type Cluster = Pick<ShoalProcess, 'bootstrap'> & AsyncDisposable

const clusters: readonly { name: string; missing: string | null; start(): Promise<Cluster> }[] = [
  { name: "Shoal's broker", missing: null, start: () => ShoalProcess.start() },
  {
    name: 'Apache Kafka',
    missing: apacheKafkaMissing(),
    start: () => ApacheKafka.start(),
  },
]

for (const { name, missing, start } of clusters)
  describe(`groups on ${name}`, needs(missing), () => {
    let cluster: Cluster
    let folder: string
    let client: kafkajs.Kafka

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'shoal-groups-'))
      cluster = await start()
      client = new kafkajs.Kafka({
        clientId: 'worker',
        brokers: [cluster.bootstrap],
        logLevel: kafkajs.logLevel.NOTHING,
      })
      await fill(cluster, client)
      await writeFile(join(folder, 'committed.csv'), COMMITTED)
    })
    after(async () => {
      await cluster[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    })

    test('a reset shows its plan, changes nothing without --execute, and with it exactly what it showed', async () => {
      await commit('moved')
      const plan = await shoal('groups reset moved --to +3')
      assert.equal(plan.exitCode, 4)
      assert.equal(
        plan.out,
        `GROUP  TOPIC   PARTITION  CURRENT-OFFSET  NEW-OFFSET  DELTA  RECORDS  NOTE
moved  orders  0          8               11          +3     3
moved  orders  1          12              15          +3     3
moved  orders  2          20              20          0      0        clamped to log end
`,
      )
      assert.match(plan.err, /\n6 records will be skipped\nshoal: nothing changed; say --execute/)
      assert.equal(await exported('moved'), COMMITTED)
      const looked = await shoal('groups reset moved --to +3 --dry-run --json')
      const done = await shoal('groups reset moved --to +3 --execute --json')
      assert.deepEqual([looked.exitCode, done.exitCode], [0, 0], looked.err + done.err)
      const documents = [looked, done].map(({ out }) => JSON.parse(out) as { executed: boolean })
      assert.deepEqual(
        documents.map(({ executed }) => executed),
        [false, true],
      )
      assert.deepEqual({ ...documents[1], executed: false }, documents[0])
      assert.equal(await exported('moved'), 'orders,0,11\norders,1,15\norders,2,20\n')
      const copied = await shoal('groups reset copy --to group:moved --execute')
      assert.match(copied.err, /3 partitions will get a first offset; the group does not exist yet/)
      assert.equal(await exported('copy'), await exported('moved'))
    })

    test('the same columns as on every other broker, and dead letters sent back to their partition', async () => {
      await commit('slow')
      const backlog = await shoal('groups describe slow --backlog')
      assert.match(
        backlog.out,
        /^GROUP +TOPIC +PARTITION +POSITION +END +LAG +PENDING .*\nslow +orders +0 +8 +20 +12 +- +2h\d+m +- +-\n/,
      )
      const admin = client.admin()
      const topics = [{ topic: 'letters' }, { topic: 'letters-dlq', numPartitions: 2 }]
      await admin.createTopics({ topics })
      const producer = client.producer()
      await producer.connect()
      const of = (partition: string) => ({
        'shoal-dlq-origin-topic': 'letters',
        'shoal-dlq-origin-partition': partition,
        'shoal-dlq-reason': `Reason${partition}`,
      })
      const messages = [
        { value: 'stays', partition: 0, headers: of('1') },
        { value: 'goes', partition: 0, headers: of('0') },
        { value: 'behind', partition: 0, headers: of('1') },
        { value: 'elsewhere', partition: 1, headers: of('1') },
      ]
      await producer.send({ topic: 'letters-dlq', messages })
      await producer.disconnect()
      assert.match((await shoal('dlq list')).out, /^letters-dlq +4 +\S+$/m)
      const done = await shoal('dlq redrive letters --reason Reason0 --execute')
      assert.equal(done.out, 'letters-dlq: 1 letter sent back\n', done.err)
      assert.match((await shoal('consume letters -f %s')).out, /^goes$/)
      const left = await shoal('dlq show letters --json')
      const { letters } = JSON.parse(left.out) as { letters: { place: string; value: string }[] }
      assert.deepEqual(
        letters.map(({ place, value }) => `${place} ${value}`).toSorted(),
        // What stood before it was written again behind the others; what stood behind was left alone.
        ['letters-dlq/0@2 behind', 'letters-dlq/0@3 stays', 'letters-dlq/1@0 elsewhere'],
        left.out,
      )
      assert.equal((await shoal('dlq purge letters --yes')).out, 'letters-dlq: 3 letters deleted\n')
      assert.match((await shoal('dlq list')).out, /^letters-dlq +0 +-$/m)
      await admin.disconnect()
    })

    test('lag is told in records and seconds, with rates and who is most behind first', async () => {
      await commit('slow')
      const told = await shoal('groups lag slow --sample 100ms --json')
      assert.equal(told.exitCode, 0, told.err)
      const { records, seconds, drainSeconds, partitions } = JSON.parse(told.out) as Lag
      assert.deepEqual([records, drainSeconds], [20, null])
      // One record a minute up to two hours ago: twelve are unread in the first partition.
      const oldest = (Date.now() - LAST_MS) / 1_000 + 11 * 60
      assert.ok(Math.abs((seconds ?? 0) - oldest) < 60, `${seconds} is not about ${oldest}`)
      assert.deepEqual(
        partitions.map((row) => [row.partition, row.records, row.drainSeconds]),
        [
          [0, 12, null],
          [1, 8, null],
          [2, 0, 0],
        ],
      )
      const text = await shoal('groups lag slow --sample 100ms --time')
      assert.match(
        text.out,
        /^TOPIC +P +LAG +BEHIND +RATE +DRAINS-IN +MEMBER\norders +0 +12 +2h\d+m +0\/s +never/,
      )
      assert.match(text.out, /\ntotal +20 +2h\d+m +0\/s +never\n$/)
      assert.equal((await shoal('groups lag nosuch')).exitCode, 3)
    })

    test('what cannot be planned is refused, and nothing changes', async () => {
      await commit('kept')
      const refusals: readonly (readonly [string, number, RegExp])[] = [
        ['kept --to earliest --topic nosuch', 3, /topic nosuch does not exist/],
        ['kept --to earliest --topic orders:0,3', 3, /no partition 3: it has 3, counted from 0/],
        ['nosuch --to earliest', 3, /group nosuch does not exist and has no offsets/],
        ['kept --to group:nosuch', 3, /group nosuch does not exist or has committed nothing/],
        ['fresh --to -1 --topic orders', 4, /orders\/0: nothing is committed that could be shif/],
      ]
      for (const [args, exitCode, words] of refusals) {
        const refused = await shoal(`groups reset ${args} --execute`)
        assert.equal(refused.exitCode, exitCode, args)
        assert.match(refused.err, words)
      }
      assert.equal(await exported('kept'), COMMITTED)
      assert.equal((await shoal('groups describe fresh')).exitCode, 3)
    })

    test('a group with members is neither reset nor deleted: they are named, and may stop first', async () => {
      await commit('busy')
      const { memberId, consumer } = await member(client, 'busy')
      try {
        const refusals: readonly (readonly [string, RegExp])[] = [
          [
            'reset busy --to earliest --execute',
            /, then reset its offsets; on Shoal.s own broker --pause .*\. Nothing changed$/m,
          ],
          ['delete busy --yes', /, then delete it\. Nothing changed$/m],
          ['delete-offsets busy --topic orders:0 --yes', /still reads the topic; stop its members/],
        ]
        for (const [args, words] of refusals) {
          const { exitCode, err } = await shoal(`groups ${args}`)
          assert.equal(exitCode, 4, err)
          assert.match(err, words)
          if (!args.startsWith('delete-offsets'))
            assert.ok(
              err.includes(`group busy is Stable with 1 member: ${memberId} (client worker at /`),
            )
        }
        assert.equal(await exported('busy'), COMMITTED)
        const remembered = { topic: 'orders', partition: 0, offset: '9', metadata: 'remembered' }
        await consumer.commitOffsets([remembered])
        assert.deepEqual(await metadata('busy'), ['remembered', '', ''])
      } finally {
        await consumer.disconnect()
      }
      assert.equal((await shoal('groups reset busy --to earliest --execute')).exitCode, 0)
      assert.equal(await exported('busy'), 'orders,0,5\norders,1,5\norders,2,5\n')
      assert.deepEqual(await metadata('busy'), ['', '', ''], 'what a member remembered is void')
    })

    test('offsets and whole groups are deleted when that is said twice', async () => {
      await commit('gone')
      for (const args of ['delete gone', 'delete-offsets gone --topic orders']) {
        const { exitCode, err } = await shoal(`groups ${args}`)
        assert.deepEqual([exitCode, /say --yes to do it/.test(err)], [4, true], args)
      }
      assert.equal(await exported('gone'), COMMITTED)
      const forgotten = await shoal('groups delete-offsets gone --topic orders:0,2 --yes --json')
      assert.deepEqual(JSON.parse(forgotten.out), {
        schema: 'shoal.groups.delete-offsets/1',
        groupId: 'gone',
        partitions: [0, 2].map((partition) => ({ topic: 'orders', partition })),
      })
      assert.equal(await exported('gone'), 'orders,1,12\n')
      const deleted = await shoal('groups delete nosuch gone --yes')
      assert.deepEqual([deleted.exitCode, deleted.out], [1, 'Deleted group gone.\n'])
      assert.match(deleted.err, /^shoal: group nosuch does not exist$/m)
      for (const args of ['describe gone', 'delete gone --yes'])
        assert.equal((await shoal(`groups ${args}`)).exitCode, 3, args)
    })

    if (name === "Shoal's broker")
      test(
        "every target means what it means to Kafka's own tool",
        needs(apacheKafkaMissing()),
        async () => {
          await commit('both')
          const file = join(folder, 'asked.csv')
          await writeFile(file, 'orders,0,1\norders,1,13\norders,2,900\n')
          const utc = new Date(LAST_MS - 5.5 * 60_000).toISOString().slice(0, -1)
          const targets: readonly (readonly string[])[] = [
            ['--to-earliest', '--topic=orders'],
            ['--to-latest', '--topic=orders:0,2'],
            ['--to-current', '--all-topics'],
            ['--to-offset=7', '--topic=orders'],
            ['--to-offset=1', '--topic=orders:1'],
            ['--shift-by=-4', '--all-topics'],
            [`--to-datetime=${utc}`, '--topic=orders'],
            ['--by-duration=PT1H', '--topic=orders'],
            [`--from-file=${file}`],
          ]
          const differing: string[] = []
          const queue = [...targets]
          const compare = async () => {
            for (let target = queue.shift(); target !== undefined; target = queue.shift()) {
              const [theirs, ours] = await Promise.all([kafkaPlan(target), shoalPlan(target)])
              if (theirs !== ours)
                differing.push(`${target.join(' ')}\nKafka\n${theirs}\nours\n${ours}`)
              assert.match(ours, /^orders,\d,\d+$/m)
            }
          }
          await Promise.all([compare(), compare()])
          assert.deepEqual(differing, [])
          const executed = await kafka([
            '--reset-offsets',
            '--group=both',
            ...targets[6]!,
            '--execute',
          ])
          assert.equal(await exported('both'), rowsOf(executed))
        },
      )

    /** Commits COMMITTED for a group that does not exist yet. */
    async function commit(group: string): Promise<void> {
      const file = join(folder, 'committed.csv')
      const { exitCode, err } = await shoal(`groups reset ${group} --from-file ${file} --execute`)
      assert.equal(exitCode, 0, err)
    }

    /** What the group has committed, as lines. */
    async function exported(group: string): Promise<string> {
      const { exitCode, out, err } = await shoal(`groups reset ${group} --to current --export`)
      assert.equal(exitCode, 0, err)
      return out.slice(0, -1)
    }

    /** What is committed beside the offsets, by partition. */
    async function metadata(group: string): Promise<readonly string[]> {
      const { exitCode, out, err } = await shoal(`groups describe ${group} --json`)
      assert.equal(exitCode, 0, err)
      const { groups } = JSON.parse(out) as {
        groups: { partitions: { partition: number; metadata: string }[] }[]
      }
      const partitions = groups[0]?.partitions ?? []
      return partitions
        .toSorted((left, right) => left.partition - right.partition)
        .map((row) => row.metadata)
    }

    async function shoalPlan(target: readonly string[]): Promise<string> {
      const { exitCode, out, err } = await runHere([
        'groups',
        'reset',
        'both',
        ...target,
        '--export',
        '-b',
        cluster.bootstrap,
      ])
      assert.equal(exitCode, 0, err)
      return out.slice(0, -1)
    }

    async function kafkaPlan(target: readonly string[]): Promise<string> {
      return rowsOf(await kafka(['--reset-offsets', '--group=both', ...target, '--dry-run']))
    }

    async function kafka(args: readonly string[]): Promise<string> {
      const { exitCode, stdout, stderr } = await kafkaTool(GROUPS, [
        `--bootstrap-server=${cluster.bootstrap}`,
        ...args,
      ])
      assert.equal(exitCode, 0, stdout + stderr)
      return stdout
    }

    function shoal(args: string) {
      return runHere([...args.split(' '), '-b', cluster.bootstrap])
    }
  })

/** Records with times, of which the first are deleted: a log that begins at LOG_START. */
async function fill({ bootstrap }: Cluster, client: kafkajs.Kafka): Promise<void> {
  const admin = client.admin()
  const producer = client.producer()
  await Promise.all([admin.connect(), producer.connect()])
  await admin.createTopics({ topics: [{ topic: 'orders', numPartitions: PARTITIONS.length }] })
  await producer.send({
    topic: 'orders',
    messages: PARTITIONS.flatMap((partition) =>
      Array.from({ length: RECORDS }, (_, index) => ({
        partition,
        value: `v${index}`,
        timestamp: String(LAST_MS - (RECORDS - 1 - index) * 60_000),
      })),
    ),
  })
  await using deleting = await KafkaClient.open({ brokers: bootstrap })
  for (const partition of PARTITIONS) {
    const { response } = await deleting.request(
      deleteRecords,
      {
        topics: [
          { name: 'orders', partitions: [{ partitionIndex: partition, offset: LOG_START }] },
        ],
        timeoutMs: 30_000,
      },
      { to: { topic: 'orders', partition } },
    )
    assert.equal(response.topics[0]?.partitions[0]?.errorCode, 'NONE')
  }
  await Promise.all([admin.disconnect(), producer.disconnect()])
}

/** A consumer of orders that commits nothing. */
async function member(client: kafkajs.Kafka, groupId: string) {
  const consumer = client.consumer({ groupId, maxWaitTimeInMs: 100 })
  const joined = new Promise<string>((resolve) => {
    consumer.on('consumer.group_join', ({ payload }) => resolve(payload.memberId))
  })
  await consumer.connect()
  await consumer.subscribe({ topic: 'orders' })
  await consumer.run({ autoCommit: false, eachMessage: async () => {} })
  return { memberId: await joined, consumer }
}

/** The rows of Kafka's reset table as lines of `--export`, in order; beside them it may print remarks. */
function rowsOf(table: string): string {
  return table
    .split('\n')
    .filter((line) => line.startsWith('both '))
    .map((line) => line.trim().split(/\s+/).slice(1).join(','))
    .sort()
    .map((line) => `${line}\n`)
    .join('')
}
