/**
 * The runtime over a real Redis: what happens when the server, the keys or other members are not as they should be.
 */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Redis } from 'ioredis'
import { consumer } from 'shoal'
import { redisStreams, type RedisStreamsOptions } from 'shoal/redis-streams'
import { RecordingMember, waitUntil } from '../conformance/recording-member.ts'
import type { Seen } from '../conformance/recording-member.ts'
import { RedisServer, redisMissing } from '../real/redis-server.ts'
import { freePort, needs } from '../real/services.ts'
import { TcpRelay } from '../real/tcp-relay.ts'

const KILLS = 5
const KEYS = 40
const RECORDS_PER_KILL = 400

describe('Redis Streams: hard cases', needs(redisMissing()), () => {
  let server: RedisServer
  let redis: Redis
  let names = 0

  before(async () => {
    server = await RedisServer.start()
    redis = new Redis(server.url)
  })
  after(async () => {
    redis.disconnect()
    await server[Symbol.asyncDispose]()
  })

  const fresh = () => `orders-${names++}`
  const source = (topic: string, options: Partial<RedisStreamsOptions> = {}) =>
    redisStreams({ url: server.url, topics: [topic], ...options })

  test('a server that is away at the start: one sentence with its address, in time', async () => {
    const port = await freePort()
    const away = redisStreams({
      url: `redis://127.0.0.1:${port}`,
      topics: ['orders'],
      bootstrapTimeoutMs: 300,
    })
    await assert.rejects(RecordingMember.join(away, 'g'), {
      code: 'SHOAL_BROKER_UNREACHABLE',
      message: new RegExp(`redis at 127.0.0.1:${port}: Redis did not answer`),
    })
  })

  test('a wrong password is told as such, and not tried again', async () => {
    await using locked = await RedisServer.start(['--requirepass', 'right'])
    const url = `redis://:wrong@127.0.0.1:${locked.port}`
    await assert.rejects(RecordingMember.join(redisStreams({ url, topics: ['orders'] }), 'g'), {
      code: 'SHOAL_REQUEST_FAILED',
      message: /refused the user name or the password/,
    })
  })

  test('a key that is no stream is named, and left as it is', async () => {
    const topic = fresh()
    await redis.set(topic, 'a text')
    await assert.rejects(RecordingMember.join(source(topic), 'g'), {
      code: 'SHOAL_REQUEST_FAILED',
      message: new RegExp(`stream ${topic}, group g: the key is not a stream`),
    })
    assert.equal(await redis.get(topic), 'a text')
  })

  test('entries trimmed while they were pending are reported with their number', async () => {
    const topic = fresh()
    for (let value = 0; value < 10; value++) await redis.xadd(topic, '*', 'value', value)
    await using first = await RecordingMember.join(source(topic), 'g')
    await first.until('ten', () => first.seen.length === 10)
    await first.session.close()
    await redis.xtrim(topic, 'MAXLEN', 4)
    await using second = await RecordingMember.join(source(topic), 'g')
    await second.until('four', () => second.seen.length === 4)
    const skipped = second.notices.filter(({ kind }) => kind === 'records-skipped')
    assert.deepEqual(
      skipped.map((notice) => (notice.kind === 'records-skipped' ? notice.count : 0)),
      [6],
    )
    assert.ok(second.seen.every(({ record }) => record.deliveryCount === 2))
  })

  test('a group that vanishes under its members stops them, and is not made anew', async () => {
    const topic = fresh()
    await redis.xadd(topic, '*', 'value', 'v')
    await using member = await RecordingMember.join(source(topic), 'g')
    await member.until('one', () => member.seen.length === 1)
    await redis.xgroup('DESTROY', topic, 'g')
    await redis.xadd(topic, '*', 'value', 'w')
    await member.until('the end', () => member.errors.length > 0)
    assert.match(String(member.errors[0]), /is gone from Redis.*not made anew/)
    assert.deepEqual(await redis.xinfo('GROUPS', topic), [])
    await assert.rejects(RecordingMember.join(source(topic), 'g'), { code: 'SHOAL_UNKNOWN_GROUP' })
  })

  test('a second member of the same name takes over; the first is fenced and commits nothing', async () => {
    const topic = fresh()
    await redis.xadd(topic, '*', 'value', 'v')
    const named = { consumerName: 'consumer-1', heartbeatIntervalMs: 100, sessionTimeoutMs: 60_000 }
    await using first = await RecordingMember.join(source(topic, named), 'g')
    await first.until('one', () => first.seen.length === 1)
    const { epoch } = first.assignment(topic, 0)
    await using second = await RecordingMember.join(source(topic, named), 'g')
    await second.until('one', () => second.seen.length === 1)
    const offset = (second.seen[0]?.record.offset ?? 0) + 1
    const outcomes = await first.commit([{ topic, partition: 0, epoch, offset, metadata: '' }])
    assert.equal(outcomes.get(`${topic}/0`), 'stale')
    assert.equal((await redis.xpending(topic, 'g'))[0], 1)
    await first.until('the end', () => first.errors.length > 0)
    assert.match(String(first.errors[0]), /took the name consumer-1/)
  })

  test('a member whose lease is another’s reads nothing, though nobody told it', async () => {
    const topic = fresh()
    const silent = { heartbeatIntervalMs: 60_000, sessionTimeoutMs: 200_000 }
    await redis.xadd(topic, '*', 'value', 'v')
    await using member = await RecordingMember.join(source(topic, silent), 'g')
    await member.until('one', () => member.seen.length === 1)
    const lease = `shoal:{${topic}}:g:lease`
    const [guard = '', ...more] = await redis.keys(`${lease}:*`)
    assert.deepEqual([guard.startsWith(`${lease}:1:`), more], [true, []])
    // As the claim of another member, whose leave to wake others is lost.
    await redis.hset(lease, 'owner', 'other', 'epoch', 2, 'until', 2 ** 52)
    await redis.del(guard)
    await redis.xadd(topic, '*', 'value', 'w')
    await member.until('the loss', () => member.losses.length === 1)
    assert.equal(member.seen.length, 1)
    assert.equal((await redis.xpending(topic, 'g'))[0], 1)
    const taken = await redis.xreadgroup('GROUP', 'g', 'other', 'STREAMS', topic, '>')
    assert.match(JSON.stringify(taken), /"w"/)
    assert.deepEqual(member.errors, [])
  })

  test('a topic that was given another number of shards keeps the first one', async () => {
    const topic = fresh()
    await using first = await RecordingMember.join(source(topic, { shards: 3 }), 'g')
    await first.until('three shards', () => first.owned.size === 3)
    await using second = await RecordingMember.join(source(topic, { shards: 8 }), 'other')
    await second.until('three shards', () => second.owned.size === 3)
  })

  test('competing members share one stream: each entry to one of them, work of a dead one to the others', async () => {
    const topic = fresh()
    // Longer than this process, where all members live, may stand still.
    const competing = { sharing: 'competing', count: 5, claimIdleMs: 9_000 } as const
    const names = ['consumer-0', 'consumer-1', 'consumer-2']
    const members = await Promise.all(
      names.map((consumerName) =>
        RecordingMember.join(source(topic, { ...competing, consumerName }), 'g'),
      ),
    )
    await using ending = new AsyncDisposableStack()
    for (const member of members) ending.use(member)
    const seen = () => members.flatMap((member) => member.seen)
    const until = (what: string, holds: () => boolean) =>
      waitUntil(what, holds, (wake) => {
        for (const member of members) member.onNextEvent(wake)
      })
    await until('the stream', () => members.every((member) => member.owned.size === 1))
    for (let value = 0; value < 30; value++) await redis.xadd(topic, '*', 'value', value)
    await until('thirty', () => seen().length === 30)
    assert.equal(new Set(seen().map(({ record }) => text(record.value))).size, 30)

    // What a member of another program took and never finished.
    await redis
      .multi()
      .xadd(topic, '*', 'value', 'orphan')
      .xreadgroup('GROUP', 'g', 'stranger', 'COUNT', 50, 'STREAMS', topic, '>')
      .exec()
    for (const [id] of (await redis.xpending(topic, 'g', '-', '+', 1, 'stranger')) as [string][])
      await redis.xclaim(topic, 'g', 'stranger', 0, id, 'IDLE', 3_600_000, 'JUSTID')
    await until('the orphan', () => seen().some(({ record }) => text(record.value) === 'orphan'))
    // Unfinished work of the living stayed theirs meanwhile.
    assert.equal(new Set(seen().map(({ record }) => text(record.value))).size, seen().length)
    for (const member of members) {
      const { epoch } = member.assignment(topic, 0)
      await member.commit([
        { topic, partition: 0, epoch, offset: member.seen.length, metadata: '' },
      ])
    }
    assert.equal((await redis.xpending(topic, 'g'))[0], 0)
  })

  test('members of one process share connections: one more each, for the read that waits', async () => {
    await using own = await RedisServer.start()
    const observer = new Redis(own.url)
    await using ending = new AsyncDisposableStack()
    ending.defer(() => observer.disconnect())
    const shared = redisStreams({ url: own.url, topics: ['orders'], shards: 3 })
    for (let count = 0; count < 3; count++) {
      const member = ending.use(await RecordingMember.join(shared, 'g'))
      await member.until('its share', () => member.owned.size > 0)
    }
    const limit = performance.now() + 60_000
    // Commands and channels for all, a waiting read for each; and the observer.
    while ((await clients(observer)) < 2 + 3 + 1) assert.ok(performance.now() < limit)
    assert.equal(await clients(observer), 2 + 3 + 1)
  })

  test('a connection that goes before it listens again ends nothing, and the next one listens', async () => {
    const topic = fresh()
    await using relay = await TcpRelay.listen(server.port)
    // So rare heartbeats that others are heard by the channel alone.
    const rare = { shards: 2, heartbeatIntervalMs: 100_000, sessionTimeoutMs: 300_000 }
    const url = `redis://127.0.0.1:${relay.port}`
    await using first = await RecordingMember.join(source(topic, { ...rare, url }), 'g')
    await first.until('both shards', () => first.owned.size === 2)
    const again = Promise.withResolvers<void>()
    let subscriptions = 0
    relay.onRequest = (bytes) => {
      if (!/subscribe/i.test(bytes.toString('latin1'))) return true
      if (++subscriptions === 2) again.resolve()
      if (subscriptions === 1) relay.cut()
      return subscriptions > 1
    }
    relay.cut()
    await again.promise
    await using second = await RecordingMember.join(source(topic, rare), 'g')
    await second.until('its share', () => second.owned.size === 1)
    assert.deepEqual([first.errors, first.losses], [[], []])
  })

  test('what a competing member leaves behind is taken at once by those who stay', async () => {
    const topic = fresh()
    const competing = { sharing: 'competing', claimIdleMs: 600 } as const
    for (let value = 0; value < 5; value++) await redis.xadd(topic, '*', 'value', value)
    await using first = await RecordingMember.join(source(topic, competing), 'g')
    await first.until('five', () => first.seen.length === 5)
    const { epoch } = first.assignment(topic, 0)
    await first.commit([{ topic, partition: 0, epoch, offset: 2, metadata: '' }])
    await first.session.close()
    await using second = await RecordingMember.join(source(topic, competing), 'g')
    await second.until('three', () => second.seen.length === 3)
    assert.deepEqual(
      second.seen.map(({ record }) => [text(record.value), record.deliveryCount]),
      [
        ['2', 2],
        ['3', 2],
        ['4', 2],
      ],
    )
  })

  test('an entry that Redis gave to a connection that was gone comes all the same', async () => {
    const topic = fresh()
    const competing = { sharing: 'competing', claimIdleMs: 300, consumerName: 'named' } as const
    await redis.xadd(topic, '*', 'value', 'v')
    await using member = await RecordingMember.join(source(topic, competing), 'g')
    await member.until('one', () => member.seen.length === 1)
    await redis
      .multi()
      .xadd(topic, '*', 'value', 'unheard of')
      .xreadgroup('GROUP', 'g', 'named', 'STREAMS', topic, '>')
      .exec()
    await member.until('the other', () => member.seen.length === 2)
    const { epoch } = member.assignment(topic, 0)
    await member.commit([{ topic, partition: 0, epoch, offset: 2, metadata: '' }])
    assert.equal((await redis.xpending(topic, 'g'))[0], 0)
    assert.deepEqual(
      member.seen.map(({ record }) => text(record.value)),
      ['v', 'unheard of'],
    )
  })

  test('a dead letter that cannot be written ends nothing; once it can be, there is one', async () => {
    for (const sharing of ['ordered', 'competing'] as const) {
      const topic = fresh()
      const letters = `${topic}-dlq`
      await redis.xadd(topic, '*', 'value', 'v')
      await redis.set(letters, 'no stream')
      await using member = await RecordingMember.join(source(topic, { sharing }), 'g')
      await member.until('one', () => member.seen.length === 1)
      const [seen] = member.seen as [Seen]
      const letter = { topic: letters, partition: null, key: null, value: null, headers: [] }
      const bury = async () => member.session.deadLetter?.(letter, seen)
      await assert.rejects(bury(), {
        message: new RegExp(`topic ${letters}: the key is not a stream`),
      })
      assert.equal((await redis.xpending(topic, 'g'))[0], 1)
      await redis.del(letters)
      assert.equal(await bury(), 'done')
      assert.equal((await redis.xpending(topic, 'g'))[0], 0)
      assert.equal(await redis.xlen(letters), 1)
    }
  })

  test("a dead letter of an entry whose lease, or which itself, is another member's is not written", async () => {
    for (const sharing of ['ordered', 'competing'] as const) {
      const topic = fresh()
      const letters = `${topic}-dlq`
      await redis.xadd(topic, '*', 'value', 'v')
      await using member = await RecordingMember.join(source(topic, { sharing }), 'g')
      await member.until('one', () => member.seen.length === 1)
      const [seen] = member.seen as [Seen]
      // Nothing tells the member.
      if (sharing === 'ordered') await redis.hincrby(`shoal:{${topic}}:g:lease`, 'epoch', 1)
      else await redis.call('XAUTOCLAIM', topic, 'g', 'stranger', 0, '0-0')
      const letter = { topic: letters, partition: null, key: null, value: null, headers: [] }
      assert.equal(await member.session.deadLetter?.(letter, seen), 'stale')
      assert.equal(await redis.xlen(letters), 0)
      assert.equal((await redis.xpending(topic, 'g'))[0], 1)
    }
  })

  test('what was taken twice and never finished is handed out few at a time, then alone, and only that is counted', async () => {
    const topic = fresh()
    for (let value = 0; value < 66; value++) await redis.xadd(topic, '*', 'value', value)
    await using member = await RecordingMember.join(source(topic), 'g')
    await member.until('all', () => member.seen.length === 66)
    const counted = ({ record }: Seen) => [text(record.value), record.deliveryCount]
    for (const [index, count] of [66, 64, 8, 1].entries()) {
      const before = member.seen.length
      // As a member that died: the next epoch of its shard finds everything pending.
      await redis
        .multi()
        .hincrby(`shoal:{${topic}}:g:lease`, 'epoch', 1)
        .hset(`shoal:{${topic}}:g:lease`, 'owner', '', 'until', '0')
        .publish('shoal:{g}:wake', 'test')
        .exec()
      await member.until(`${count} of them`, () => member.seen.length > before)
      const expected = Array.from({ length: count }, (_, value) => [`${value}`, 2 + index])
      assert.deepEqual(member.seen.slice(before).map(counted), expected)
    }
    await redis.xadd(topic, '*', 'value', 'new')
    const first = member.seen.length - 1
    const { epoch } = member.assignment(topic, 0)
    for (let ended = 1; ended < 67; ended = member.seen.length - first) {
      const offset = (member.seen.at(-1) as Seen).record.offset + 1
      await member.commit([{ topic, partition: 0, epoch, offset, metadata: '' }])
      await member.until('what comes next', () => member.seen.length - first > ended)
      if (ended < 8) assert.equal(member.seen.length - first, ended + 1)
    }
    const all = member.seen.slice(first).map(counted)
    assert.deepEqual(all.slice(0, 2).concat(all.slice(7, 9), all.slice(63)), [
      ['0', 5],
      ['1', 5],
      ['7', 5],
      ['8', 4],
      ['63', 4],
      ['64', 3],
      ['65', 3],
      ['new', undefined],
    ])
  })

  test('shared entries that members died with are handed out few at a time, the most suspicious alone', async () => {
    const topic = fresh()
    for (let value = 0; value < 66; value++) await redis.xadd(topic, '*', 'value', value)
    await redis.xgroup('CREATE', topic, 'g', '0')
    // A process of our member's own name died with them.
    await redis.xreadgroup('GROUP', 'g', 'named', 'STREAMS', topic, '>')
    const entries = await redis.xrange(topic, '-', '+')
    for (const [index, [id]] of entries.entries()) {
      const count = index === 65 ? 4 : 2
      await redis.xclaim(topic, 'g', 'named', 0, id, 'RETRYCOUNT', count, 'JUSTID')
    }
    const competing = { sharing: 'competing', claimIdleMs: 300, consumerName: 'named' } as const
    await using member = await RecordingMember.join(source(topic, competing), 'g')
    await member.until('64 of them', () => member.seen.length > 0)
    const { epoch } = member.assignment(topic, 0)
    for (const [seen, next] of [
      [64, 10],
      [65, 65],
    ] as const) {
      assert.equal(member.seen.length, seen)
      await member.commit([{ topic, partition: 0, epoch, offset: next, metadata: '' }])
      await member.until('what comes next', () => member.seen.length > seen)
    }
    assert.equal(member.seen.length, 66)
    assert.deepEqual(
      member.seen.slice(-2).map(({ record }) => [text(record.value), record.deliveryCount]),
      [
        ['64', 3],
        ['65', 5],
      ],
    )
    await member.commit([{ topic, partition: 0, epoch, offset: 66, metadata: '' }])
    assert.equal((await redis.xpending(topic, 'g'))[0], 0)
  })

  test(`${KILLS} kills of the server under load: nothing lost, every key in order`, async () => {
    await using crashing = await RedisServer.start()
    const topic = 'load'
    const seen = new Map<string, number[]>()
    const handle = (value: unknown, { key }: { readonly key: string | null }) => {
      const list = seen.get(key ?? '') ?? []
      seen.set(key ?? '', list)
      list.push(Number(value))
    }
    const declared = consumer({
      group: 'g',
      source: redisStreams({ url: crashing.url, topics: [topic], shards: 4, blockMs: 500 }),
      decode: 'text',
      handle,
    })
    const first = await declared.start()
    const second = await declared.start()
    const producer = new Producer(crashing.url)
    let sent = 0
    for (let kill = 0; kill < KILLS; kill++) {
      await producer.send(topic, sent, RECORDS_PER_KILL)
      sent += RECORDS_PER_KILL
      await crashing.kill()
      await crashing.restart()
    }
    await producer.send(topic, sent, RECORDS_PER_KILL)
    sent += RECORDS_PER_KILL
    const limit = performance.now() + 60_000
    const missing = () => sent - new Set([...seen.values()].flat()).size
    while (missing() > 0 && performance.now() < limit)
      await new Promise((resolve) => setImmediate(resolve))
    const reports = await Promise.all([first.drain(), second.drain()])
    producer.close()
    assert.equal(missing(), 0)
    for (const [key, values] of seen) assert.deepEqual(violations(values), [], `key ${key}`)
    const handled = reports.reduce((sum, report) => sum + report.handled, 0)
    console.log(
      `redis: ${KILLS} kills, ${sent} entries, 0 lost, 0 out of order, repeated ${handled - sent}`,
    )
  })
})

/** A value may come again; what may not happen is to come before an earlier one of its key ever came. */
function violations(values: readonly number[]): number[] {
  let latest = -1
  return values.filter((value) => {
    if (value <= latest) return false
    const isNext = latest === -1 || value === latest + KEYS
    latest = value
    return !isNext
  })
}

/** Sends each entry once it is known that it is not there: an answer may be lost with the server. */
class Producer {
  readonly #redis: Redis

  constructor(url: string) {
    this.#redis = new Redis(url, { maxRetriesPerRequest: null, retryStrategy: () => 20 })
    this.#redis.on('error', () => {})
  }

  /** Ids count up, so an entry that was sent twice is refused the second time. */
  async send(topic: string, from: number, count: number): Promise<void> {
    for (let value = from; value < from + count; value++) {
      const key = `k${value % KEYS}`
      const shard = value % 4
      const id = `0-${Math.floor(value / 4) + 1}`
      try {
        await this.#redis.xadd(`${topic}:${shard}`, id, 'key', key, 'value', value)
      } catch (error) {
        if (!String(error).includes('equal or smaller')) throw error
      }
    }
  }

  close(): void {
    this.#redis.disconnect()
  }
}

function text(bytes: Uint8Array | null): string {
  return new TextDecoder().decode(bytes ?? undefined)
}

async function clients(redis: Redis): Promise<number> {
  return String(await redis.client('LIST'))
    .trim()
    .split('\n').length
}
