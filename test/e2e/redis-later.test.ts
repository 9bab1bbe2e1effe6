/**
 * Retries after longer waits over a stream that members share (`retry.later`, `sharing: 'competing'`): over SIGKILLs, in the
 * order in which they are due, seen by nobody else. Some 4 s.
 */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Redis } from 'ioredis'
import { consumer } from 'shoal'
import { redisStreams } from 'shoal/redis-streams'
import { openRedisAdmin } from '../../src/sources/redis-streams/admin/index.ts'
import { keysOf } from '../../src/sources/redis-streams/keys.ts'
import { LaterEntries } from '../../src/sources/redis-streams/later-entries.ts'
import { redisSettings } from '../../src/sources/redis-streams/options.ts'
import { RedisLink } from '../../src/sources/redis-streams/redis-link.ts'
import { RecordingMember } from '../conformance/recording-member.ts'
import type { Seen } from '../conformance/recording-member.ts'
import { Program } from '../real/program.ts'
import { RedisServer, redisMissing } from '../real/redis-server.ts'
import { needs } from '../real/services.ts'
import { eventually } from '../seeds/waiting.ts'

/** More than one step moves. */
const PUT_OFF = 130
const HOUR_MS = 3_600_000
const SOON_MS = 1_000

describe('retries after longer waits over a shared stream', needs(redisMissing()), () => {
  let server: RedisServer
  let redis: Redis

  before(async () => {
    server = await RedisServer.start()
    redis = new Redis(server.url)
  })
  after(async () => {
    redis.disconnect()
    await server[Symbol.asyncDispose]()
  })

  const waitingOf = (topic: string) => `shoal:{${topic}}:billing:waiting`
  const retriesOf = (topic: string) => `shoal:{${topic}}:billing:retries`
  const pendingOf = async (stream: string) => Number((await redis.xpending(stream, 'billing'))[0])
  const placesOf = async (topic: string) => ({
    pending: await pendingOf(topic),
    waiting: await redis.zcard(waitingOf(topic)),
    retries: await redis.xlen(retriesOf(topic)),
  })
  const worker = (topic: string, mode: string) =>
    new Program(process.execPath, [
      '--disable-warning=ExperimentalWarning',
      '--conditions=@shoal/source',
      join(import.meta.dirname, 'redis-later-worker.ts'),
      server.url,
      topic,
      mode,
    ])

  test('a member is killed between failing and retry, another with the retry in hand: it comes when it is due, and ends once', async () => {
    const topic = 'orders'
    await redis.xgroup('CREATE', topic, 'billing', '0', 'MKSTREAM')
    for (const value of ['good', 'bad', 'fine']) await redis.xadd(topic, '*', 'value', value)
    await using first = worker(topic, 'fails')
    await eventually(
      () => placesOf(topic),
      ({ pending, waiting }) => pending === 0 && waiting === 1,
    )
    first.kill('SIGKILL')
    await first.finished()
    const [, bad = ''] = /^bad (\S+) 1$/m.exec(first.stdout) ?? []
    assert.equal(first.stdout.split('\n').length, 4, first.stdout)

    // It waits its hour, by the server's time; the rest of it is not waited for here.
    const [waiting, due] = await redis.zrangeBuffer(waitingOf(topic), '0', '0', 'WITHSCORES')
    const failedMs = Number(/(\d+)-\d+$/.exec(bad)?.[1])
    assert.ok(Number(due) >= failedMs + HOUR_MS)
    const dueMs = Date.now() + SOON_MS
    await redis.zadd(waitingOf(topic), String(dueMs), waiting!)

    // What waits is on the disk.
    await server.kill()
    await server.restart()
    await using second = worker(topic, 'holds')
    await second.until(({ stdout }) => stdout.includes('\n'))
    assert.equal(second.stdout, `bad ${bad} 1\n`)
    // Moved when it was due: its id has the time of the server.
    const [entry] = await redis.xrange(retriesOf(topic), '-', '+')
    assert.ok(Number(entry?.[0].split('-')[0]) >= dueMs)
    second.kill('SIGKILL')
    await second.finished()

    const handled: [string | null, string, number][] = []
    await using third = await consumer({
      group: 'billing',
      source: redisStreams({
        url: server.url,
        topics: [topic],
        sharing: 'competing',
        claimIdleMs: 500,
      }),
      decode: 'text',
      // Without the option: what was put off before comes all the same.
      handle: (value: string | null, { id, attempt }) => void handled.push([value, id, attempt]),
    }).start()
    await eventually(
      () => placesOf(topic),
      ({ pending, waiting, retries }) => pending + waiting + retries === 0,
    )
    await third.drain()
    assert.deepEqual(
      handled.map(([value, id]) => [value, id]),
      [['bad', bad]],
    )
    assert.ok((handled[0]?.[2] ?? 0) >= 2)
    assert.equal(third.report().deadLettered, 0)
  })

  test('what is put off comes back in the order in which it is due, to its group alone; nothing of it is listed', async () => {
    const topic = 'deliveries'
    for (const value of ['a', 'b', 'c', 'd']) await redis.xadd(topic, '*', 'value', value)
    const source = redisStreams({
      url: server.url,
      topics: [topic],
      sharing: 'competing',
      heartbeatIntervalMs: 100,
    })
    await using member = await RecordingMember.join(source, 'billing')
    await member.until('four', () => member.seen.length === 4)
    const delay = (seen: Seen, afterMs: number, attempts: number) =>
      member.session.delay?.(placeOf(seen), afterMs, { attempts, firstFailureMs: 77 })
    // Due an hour apart, so that no stall changes their order; then their time is made to have come.
    const waits = [3, 1, 2, 1]
    for (const [index, hours] of waits.entries())
      assert.equal(await delay(member.seen[index]!, hours * HOUR_MS, index), 'done')
    assert.equal(await delay(member.seen[0]!, 1, 0), 'stale')
    assert.deepEqual(await placesOf(topic), { pending: 0, waiting: 4, retries: 0 })
    const admin = await openRedisAdmin({ url: server.url })
    const backlog = JSON.stringify(await admin.groupBacklog('billing'))
    await admin.close()
    assert.ok(backlog.includes(`${topic}: 4 put off`) && !backlog.includes(':retries'), backlog)
    const due = redis.multi()
    for (const each of await redis.zrangeBuffer(waitingOf(topic), '0', '-1'))
      due.call('ZINCRBY', waitingOf(topic), String(-4 * HOUR_MS), each)
    await due.exec()
    await member.until('all again', () => member.seen.length === 8)
    const again = member.seen.slice(4).map(({ record }) => record)
    const before = member.seen.slice(0, 4).map(({ record }) => record)
    assert.deepEqual(
      again.map(({ id, key, value, timestampMs, retried }) => ({
        id,
        key,
        value,
        timestampMs,
        retried,
      })),
      [1, 3, 2, 0].map((index) => ({
        id: before[index]?.id,
        key: null,
        value: before[index]?.value,
        timestampMs: before[index]?.timestampMs,
        retried: { attempts: index, firstFailureMs: 77 },
      })),
    )
    // Put off again, ended with a letter, and done: each leaves the stream of the retries.
    assert.equal(await delay(member.seen[4]!, HOUR_MS, 9), 'done')
    const letter = { topic: 'letters', partition: null, key: null, value: null, headers: [] }
    assert.equal(await member.session.deadLetter?.(letter, placeOf(member.seen[5]!)), 'done')
    const { epoch } = member.seen[0]!
    await member.session.commit([{ topic, partition: 0, epoch, offset: 8, metadata: '' }])
    assert.deepEqual(await placesOf(topic), { pending: 0, waiting: 1, retries: 0 })
    assert.equal(await pendingOf(retriesOf(topic)), 0)
    await using other = await RecordingMember.join(source, 'audit')
    await other.until('four', () => other.seen.length === 4)
    assert.equal(await redis.xlen(topic), 4)
  })

  test('putting off again after a lost answer changes nothing, nor does a member that lost the entry; many that are due are moved in order', async () => {
    const topic = 'many'
    await redis.xgroup('CREATE', topic, 'billing', '0', 'MKSTREAM')
    const [members, group] = [['here', 'gone'], 'billing'] as const
    const settings = redisSettings(
      { url: server.url, topics: [topic], heartbeatIntervalMs: 100, consumerName: members[0] },
      {},
    )
    const events = new RecordingMember()
    const link = await RedisLink.open(settings)
    const context = { group, events, delays: true, drainTimeoutMs: 1_000 }
    const later = await LaterEntries.open(link, settings, context, keysOf('shoal', group), [topic])
    const put = async (member: string, index: number, afterMs: number) => {
      const entry = (await redis.xadd(topic, '*', 'value', 'v')) ?? ''
      await redis.xreadgroup('GROUP', group, member, 'STREAMS', topic, '>')
      const record = {
        offset: 0,
        timestampMs: 1,
        key: null,
        value: null,
        headers: [],
        id: `${index}`,
      }
      const of = { stream: topic, entry, isRetry: false, record }
      const delay = () => later?.delay(of, afterMs, { attempts: 0, firstFailureMs: 1 })
      return [await delay(), await delay()]
    }
    assert.deepEqual(await put(members[1], 0, 1), [false, false])
    assert.deepEqual(await placesOf(topic), { pending: 1, waiting: 0, retries: 0 })
    for (let index = 1; index <= PUT_OFF; index++)
      assert.deepEqual(await put(members[0], index, 0), [true, true])
    later?.start()
    const places = await eventually(
      () => placesOf(topic),
      ({ waiting }) => waiting === 0,
    )
    await later?.close()
    link.close()
    assert.deepEqual(places, { pending: 1, waiting: 0, retries: PUT_OFF })
    const moved = await redis.xrange(retriesOf(topic), '-', '+')
    assert.deepEqual(
      moved.map(([, [, facts = '']]) => Number((JSON.parse(facts) as { id: string }).id)),
      Array.from({ length: PUT_OFF }, (_, index) => index + 1),
    )
    assert.deepEqual(events.notices, [])
  })

  test('nothing is made for retries where none are asked for', async () => {
    const topic = 'plain'
    await redis.xadd(topic, '*', 'value', 'v')
    let isDone = false
    await using running = await consumer({
      group: 'billing',
      source: redisStreams({ url: server.url, topics: [topic], sharing: 'competing' }),
      handle: () => void (isDone = true),
    }).start()
    await eventually(
      async () => isDone,
      (done) => done,
    )
    await running.drain()
    assert.deepEqual(await redis.keys(`shoal:{${topic}}:billing:*`), [])
  })
})

function placeOf({ topic, partition, epoch, record }: Seen) {
  return { topic, partition, epoch, record }
}
