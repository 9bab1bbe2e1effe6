/**
 * The workbench's commands over a real Redis and a real RabbitMQ: what an operator sees, what he may change, and what is said
 * when something is not as it should be. The commands run in this process, against servers of their own.
 */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { connect } from 'amqplib'
import { Redis } from 'ioredis'
import { open } from 'shoal/open'
import { waitFor } from 'shoal/testing'
import { runHere } from '../../src/cli/run-fixture.test.ts'
import { RabbitMqServer, rabbitmqMissing } from '../real/rabbitmq-server.ts'
import { RedisServer, redisMissing } from '../real/redis-server.ts'
import { freePort, needs } from '../real/services.ts'

interface Backlog {
  readonly groups: readonly {
    readonly groupId: string
    readonly state: string
    readonly lag: number
    readonly lagIsAtLeast: boolean
    readonly pending: number | null
    readonly oldestUnreadSeconds: number | null
    readonly members: readonly { readonly pending: number | null }[]
    readonly partitions: readonly {
      readonly topic: string
      readonly partition: number
      readonly lag: number
      readonly pending: number | null
      readonly memberIds: readonly string[]
    }[]
    readonly notes: readonly string[]
  }[]
  readonly missing: readonly string[]
}

const LETTER = {
  'shoal-dlq-origin-topic': 'orders',
  'shoal-dlq-origin-partition': '0',
  'shoal-dlq-reason': 'RangeError',
  'shoal-dlq-error': 'too much',
  'shoal-dlq-group': 'billing',
  'shoal-dlq-attempts': '3',
}

describe('the workbench over Redis', needs(redisMissing()), () => {
  let server: RedisServer
  let redis: Redis
  const shoal = (line: string) =>
    runHere([...line.split(' '), '--broker', server.url, '--timeout', '30s'])

  before(async () => {
    server = await RedisServer.start()
    redis = new Redis(server.url)
  })
  after(async () => {
    redis.disconnect()
    await server[Symbol.asyncDispose]()
  })

  test('describes groups that any program made: lag, pending, members', async () => {
    for (let value = 0; value < 10; value++) await redis.xadd('orders', '*', 'value', `v${value}`)
    await redis.xgroup('CREATE', 'orders', 'billing', '0')
    await redis.xreadgroup('GROUP', 'billing', 'worker-1', 'COUNT', 4, 'STREAMS', 'orders', '>')
    const listed = await shoal('groups list --state --type')
    assert.equal(listed.exitCode, 0, listed.err)
    assert.match(listed.out, /^billing +Stream +Stable/m)
    const text = await shoal('groups describe billing')
    assert.equal(text.exitCode, 0, text.err)
    assert.match(
      text.out,
      /^GROUP +TOPIC +PARTITION +POSITION +END +LAG +PENDING +OLDEST-UNREAD +OLDEST-PENDING +MEMBERS\nbilling +orders +0 +\d+-\d+ +\d+-\d+ +6 +4 +\S+ +\S+ +worker-1\n\nGROUP +MEMBER +HOST +IDLE +PENDING +PARTITIONS\nbilling +worker-1 +- +\S+ +4 +orders:0\n$/,
    )
    const lag = await shoal('groups lag billing --sample 50ms')
    assert.equal(lag.exitCode, 0, lag.err)
    assert.match(lag.out, /^orders +0 +6 +\S+ +0\/s +never +worker-1$/m)
  })

  test('counts a lag that Redis cannot tell, and tells what was trimmed while it was pending', async () => {
    const ids: string[] = []
    for (let value = 0; value < 8; value++)
      ids.push((await redis.xadd('parcels', '*', 'value', `v${value}`)) ?? '')
    await redis.xgroup('CREATE', 'parcels', 'shipping', '0')
    await redis.xreadgroup('GROUP', 'shipping', 'w', 'COUNT', 2, 'STREAMS', 'parcels', '>')
    // A deletion behind the position: from then on XINFO GROUPS tells no lag.
    await redis.xdel('parcels', ids[4] ?? '')
    await redis.xdel('parcels', ids[0] ?? '')
    const described = await shoal('groups describe shipping --json')
    const [group] = (JSON.parse(described.out) as Backlog).groups
    assert.deepEqual([group?.lag, group?.lagIsAtLeast, group?.pending], [5, false, 2])
    assert.match(described.err, /the lag of parcels was counted: Redis does not tell it there/)
    assert.match(described.err, /parcels: entries that were handed out .* are gone/)
  })

  test('shows dead letters, plans, sends back what is asked for, and deletes after a word', async () => {
    await using letters = await open(server.url, { topic: 'orders-dlq' })
    for (const value of ['a', 'b']) await letters.send({ key: value, value, headers: LETTER })
    await letters.send({ value: 'stranger' })
    const listed = await shoal('dlq list')
    assert.match(listed.out, /^TOPIC +LETTERS +OLDEST\norders-dlq +3 +\S+\n$/)
    const shown = await shoal('dlq show orders -n 1')
    assert.match(
      shown.out,
      /^orders-dlq@\d+-\d+ {2}\S+Z {2}from orders\/0 {2}group billing {2}3 attempts\n {2}reason {2}RangeError\n {2}error {3}too much\n/,
    )
    const plan = await shoal('dlq redrive orders')
    assert.equal(plan.exitCode, 4)
    assert.equal(
      plan.out,
      'FROM        TO      LETTERS  REASON\norders-dlq  orders  2        RangeError\n',
    )
    assert.match(plan.err, /2 letters go back; what stays: 1 letter without an origin/)
    assert.match(plan.err, /nothing changed; say --execute/)
    assert.equal(await redis.xlen('orders-dlq'), 3)
    const before = await redis.xlen('orders')
    const done = await shoal('dlq redrive orders --execute --json')
    assert.equal(done.exitCode, 0, done.err)
    assert.equal((JSON.parse(done.out) as { moved: number }).moved, 2)
    assert.deepEqual([await redis.xlen('orders-dlq'), await redis.xlen('orders')], [1, before + 2])
    assert.equal((await shoal('dlq purge orders')).exitCode, 4)
    assert.equal(await redis.xlen('orders-dlq'), 1)
    const purged = await shoal('dlq purge orders --yes')
    assert.equal(purged.out, 'orders-dlq: 1 letter deleted\n')
    assert.equal(await redis.xlen('orders-dlq'), 0)
  })

  test('says in one sentence what is wrong or cannot be done', async () => {
    await redis.set('text-dlq', 'no stream')
    const port = await freePort()
    await using locked = await RedisServer.start(['--requirepass', 'right'])
    const away = `groups list --broker redis://127.0.0.1:${port} --timeout 300ms`
    const wrong = `groups list --broker redis://:wrong@127.0.0.1:${locked.port}`
    await told([
      [shoal('groups describe nobody'), 3, /group nobody does not exist: no stream has/],
      [shoal('dlq show none'), 3, /stream none-dlq does not exist/],
      [shoal('dlq show text'), 4, /stream text-dlq: the key is not a stream/],
      [shoal('groups reset billing --to earliest'), 4, /Redis Streams has no topics with partit/],
      [runHere(away.split(' ')), 5, /redis at 127\.0\.0\.1:\d+: Redis did not answer/],
      [runHere(wrong.split(' ')), 4, /refused the user name or the password/],
    ])
  })
})

describe('the workbench over RabbitMQ', needs(rabbitmqMissing()), () => {
  let server: RabbitMqServer
  const shoal = (line: string) => shoalOver(line, server.managementUrl)
  const shoalOver = (line: string, managementUrl: string) =>
    runHere(
      `${line} --broker ${server.url} --timeout 30s --rabbitmq-management-url ${managementUrl}`.split(
        ' ',
      ),
    )

  before(async () => {
    server = await RabbitMqServer.start({ management: true })
  })
  after(async () => {
    await server.kill()
    await server[Symbol.asyncDispose]()
  })

  test('describes the queues of a group, sharded ones too: ready, unacknowledged, ages, members', async () => {
    const options = {
      topic: 'orders',
      group: 'billing',
      shards: 2,
      queueType: 'classic',
      prefetch: 2,
    } as const
    await using member = await open(server.url, { ...options, consumerName: 'worker-1' })
    for (let key = 0; key < 40; key++) await member.send({ key: `${key}`, value: 'v' })
    const holding = Promise.withResolvers<void>()
    const release = Promise.withResolvers<void>()
    const reading = (async () => {
      for await (const _message of member.receive()) {
        holding.resolve()
        await release.promise
        break
      }
    })()
    await Promise.race([holding.promise, reading])
    const group = await waitFor(
      async () => {
        const { out } = await shoal('groups describe billing --json')
        const [seen] = out === '' ? [] : (JSON.parse(out) as Backlog).groups
        const isCounted = seen?.pending === 4 && seen.members[0]?.pending === 4
        return isCounted && seen.lag === 36 && seen.oldestUnreadSeconds !== null ? seen : null
      },
      { what: 'both shards are read, and RabbitMQ has counted', lookAgainMs: 200 },
    )
    assert.deepEqual(
      group.partitions.map((row) => [row.topic, row.partition, row.pending, row.memberIds]),
      [
        ['orders', 0, 2, ['worker-1']],
        ['orders', 1, 2, ['worker-1']],
      ],
    )
    assert.deepEqual([group.state, group.notes], ['Stable', []])
    const text = await shoal('groups describe billing --members')
    assert.match(
      text.out,
      /^GROUP +MEMBER +HOST +IDLE +PENDING +PARTITIONS\nbilling +worker-1 +127\.0\.0\.1 +\S+ +4 +orders:0,1\n$/,
    )
    assert.match((await shoal('groups list --state')).out, /^billing +Stable/m)
    const lag = await shoal('groups lag billing --sample 50ms --by topic')
    assert.match(lag.out, /^orders +36 +\S+ +\d+\/s/m)
    release.resolve()
    await reading
  })

  test('shows dead letters only where they may be taken out, and sends back what RabbitMQ buried itself', async () => {
    const connection = await connect(server.url)
    const channel = await connection.createConfirmChannel()
    await channel.assertQueue('mail-dlq')
    const dead = { deadLetterExchange: '', deadLetterRoutingKey: 'mail-dlq' }
    await channel.assertQueue('mail', { arguments: {}, ...dead })
    channel.sendToQueue('mail', Buffer.from('spoiled'))
    channel.sendToQueue('mail-dlq', Buffer.from('a stranger'))
    await channel.waitForConfirms()
    const message = await waitFor(() => channel.get('mail'), { what: 'the message' })
    channel.nack(message, false, false)
    const counts = async (queue: string) => (await channel.checkQueue(queue)).messageCount
    const areThere = () =>
      waitFor(async () => (await counts('mail-dlq')) === 2, { what: 'both letters' })
    await areThere()
    const listed = await shoal('dlq list --json')
    assert.match(listed.out, /"topic":"mail-dlq","letters":2/)
    const refused = await shoal('dlq show mail')
    assert.equal(refused.exitCode, 4)
    assert.match(refused.err, /without taking it out and putting it back/)
    const shown = await shoal('dlq show mail --requeue --json')
    assert.match(shown.out, /"reason":"rejected".*"originTopic":"mail".*"value":"spoiled"/)
    await areThere()
    const plan = await shoal('dlq redrive mail')
    assert.equal(plan.exitCode, 4)
    assert.match(plan.out, /mail-dlq: of 2 letters those that fit go to where each came from/)
    const done = await shoal('dlq redrive mail --execute')
    assert.equal(done.out, 'mail-dlq: 1 letter sent back\n', done.err)
    assert.deepEqual([await counts('mail'), await counts('mail-dlq')], [1, 1])
    const back = await channel.get('mail')
    assert.ok(back !== false)
    assert.equal(String(back.content), 'spoiled')
    assert.equal(String(back.properties.headers?.['shoal-dlq-redriven']), '1')
    channel.ack(back)
    assert.equal((await shoal('dlq purge mail --yes')).out, 'mail-dlq: 1 letter deleted\n')
    await connection.close()
  })

  test('without the management API tells what AMQP tells, and what is missing', async () => {
    const port = await freePort()
    const without = (line: string) => shoalOver(line, `http://127.0.0.1:${port}`)
    const connection = await connect(server.url)
    const channel = await connection.createConfirmChannel()
    await channel.assertQueue('parcels')
    for (let value = 0; value < 3; value++) channel.sendToQueue('parcels', Buffer.from('p'))
    await channel.waitForConfirms()
    const described = await without('groups describe parcels')
    assert.equal(described.exitCode, 0, described.err)
    assert.match(described.out, /^parcels +parcels +0 +- +- +3 +- +- +- +-$/m)
    assert.match(
      described.err,
      /the management API of RabbitMQ does not answer at .*: members, what is unacknowledged .* not known/,
    )
    await told([
      [without('groups list'), 5, /the management API of RabbitMQ does not answer/],
      [without('groups describe nobody'), 3, /there is no queue of this name; which queues/],
      [without('dlq show none'), 3, /queue none-dlq does not exist/],
    ])
    await connection.close()
  })

  test('says in one sentence what is wrong or cannot be done', async () => {
    const port = await freePort()
    const away = `groups list --broker amqp://127.0.0.1:${port} --timeout 300ms`
    const wrong = `groups list --broker amqp://guest:wrong@127.0.0.1:${server.port}`
    const reset = `groups reset orders --to earliest -b ${server.url}`
    const bad = `groups describe x --broker ${server.url} --rabbitmq-management-url ftp://x`
    await told([
      [shoal('groups describe nobody'), 3, /group nobody does not exist: there is no queue/],
      [runHere(reset.split(' ')), 4, /RabbitMQ has no topics with partitions/],
      [runHere(away.split(' ')), 5, /rabbitmq at 127\.0\.0\.1:\d+: RabbitMQ did not answer/],
      [runHere(wrong.split(' ')), 4, /RabbitMQ refused the user, the password or the vhost/],
      [runHere(bad.split(' ')), 2, /management URL of RabbitMQ must be like/],
    ])
  })
})

/** Each command ended so, with one sentence on stderr and nothing on stdout. */
async function told(
  cases: readonly (readonly [ReturnType<typeof runHere>, number, RegExp])[],
): Promise<void> {
  for (const [running, exitCode, words] of cases) {
    const ended = await running
    assert.match(ended.err, words)
    assert.equal(ended.err.trim().split('\n').length, 1, ended.err)
    assert.doesNotMatch(ended.err, /wrong@|\bat .*:\d+:\d+\)/)
    assert.deepEqual([ended.out, ended.exitCode], ['', exitCode], ended.err)
  }
}
