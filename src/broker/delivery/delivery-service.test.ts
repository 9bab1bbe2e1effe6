import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { startSharePartition } from '../../group/index.ts'
import { SimDisk } from '../../log/index.ts'
import { deleteTopics } from '../../protocol/index.ts'
import { DeliveryFixture, refusalsOf, settled, valuesOf } from './delivery-fixture.test.ts'

const ACK = { kind: 'acknowledge' } as const

describe('a poll', () => {
  test('delivers each record to one member, counted and locked', async () => {
    await using fixture = await withRecords(3)
    const [first, ...others] = await fixture.poll('a', { maxRecords: 2 })
    assert.deepEqual(valuesOf([first!, ...others]), ['v0 1', 'v1 1'])
    assert.equal(first?.topic, 'orders')
    assert.equal(first?.lockedUntilMs, fixture.broker.clock.wallMs() + 30_000)
    assert.deepEqual(valuesOf(await fixture.poll('b')), ['v2 1'])
    assert.deepEqual(await fixture.poll('b'), [])
  })

  test('waits for a record, and is woken by one that is published', async () => {
    await using fixture = await withRecords(0)
    const polled = fixture.poll('a', { maxWaitMs: 10_000 })
    await fixture.turn()
    await fixture.publish('late')
    assert.deepEqual(valuesOf(await polled), ['late 1'])
  })

  test('is woken by a record that another member gives back', async () => {
    await using fixture = await withRecords(1)
    const held = await fixture.poll('a')
    const polled = fixture.poll('b', { maxWaitMs: 10_000 })
    await fixture.turn()
    await fixture.settle(held, { kind: 'release', delayMs: 0 })
    assert.deepEqual(valuesOf(await polled), ['v0 2'])
  })

  test('ends with nothing when its time is over, and when its client is gone', async () => {
    await using fixture = await withRecords(0)
    const timed = fixture.poll('a', { maxWaitMs: 1_000 })
    await fixture.turn()
    await fixture.broker.clock.advance(1_000)
    assert.deepEqual(await timed, [])
    const client = new AbortController()
    const aborted = fixture.poll('a', { maxWaitMs: 60_000, signal: client.signal })
    await fixture.turn()
    client.abort()
    assert.deepEqual(await aborted, [])
  })

  test('begins where the policy says, and with the committed offset where there is one', async () => {
    await using fixture = await withRecords(3)
    assert.deepEqual(await fixture.poll('a', { start: 'latest' }), [])
    assert.equal(fixture.committed(), 3)
    await fixture.publish('new')
    assert.deepEqual(valuesOf(await fixture.poll('a', { start: 'latest' })), ['new 1'])

    await using other = await withRecords(3)
    await other.commit(2)
    assert.deepEqual(valuesOf(await other.poll('a', { start: 'none' })), ['v2 1'])
  })

  test('names partitions that are not there, and those without a position', async () => {
    await using fixture = await withRecords(1)
    const { topicId } = fixture.topic()
    const ask = (partition: number) =>
      fixture.context.deliveries.poll({
        groupId: 'g',
        memberId: 'a',
        partitions: [{ topicId, partition }],
        start: 'none',
        maxRecords: 1,
        maxBytes: 1,
        maxWaitMs: 1_000,
        signal: new AbortController().signal,
      })
    assert.deepEqual((await ask(7)).problems, [
      { topicId, partition: 7, problem: 'UNKNOWN_TOPIC_OR_PARTITION' },
    ])
    assert.deepEqual((await ask(0)).problems, [{ topicId, partition: 0, problem: 'NO_OFFSET' }])
  })
})

describe('an acknowledged record', () => {
  test('moves the committed offset, whatever the order, and never comes back', async () => {
    await using fixture = await withRecords(4)
    const [first, second, third] = await fixture.poll()
    const later = settled(await fixture.settle([second!], ACK))
    assert.deepEqual([later.committedOffset, later.hasAdvanced, later.inFlightCount], [0, false, 3])
    const now = settled(await fixture.settle([first!], ACK))
    assert.deepEqual([now.committedOffset, now.hasAdvanced, now.inFlightCount], [2, true, 2])
    await fixture.settle([third!], ACK)
    assert.equal(fixture.committed(), 3)
    await fixture.broker.clock.advance(31_000)
    assert.deepEqual(valuesOf(await fixture.poll()), ['v3 2'])
  })

  test('stays so when it is acknowledged twice, in two requests or in one', async () => {
    await using fixture = await withRecords(2)
    const [first, second] = await fixture.poll()
    await fixture.settle([first!], ACK)
    assert.deepEqual(refusalsOf(await fixture.settle([first!], ACK)), ['repeated'])
    assert.deepEqual(refusalsOf(await fixture.settle([second!, second!], ACK)), [
      'acknowledged',
      'repeated',
    ])
    const release = { kind: 'release' } as const
    assert.deepEqual(refusalsOf(await fixture.settle([first!], release)), ['EXPIRED'])
  })

  test('survives a crash; what was only delivered comes back with its count', async () => {
    const disk = new SimDisk()
    await using before = await withRecords(3, {}, disk)
    const [first] = await before.poll()
    await before.settle([first!], ACK)
    await using fixture = await DeliveryFixture.reopen(disk.afterCrash('nothing', 1))
    assert.equal(fixture.committed(), 1)
    assert.deepEqual(valuesOf(await fixture.poll()), ['v1 2', 'v2 2'])
  })

  test('keeps its handle good across a restart, the lock not', async () => {
    const disk = new SimDisk()
    await using before = await withRecords(1, {}, disk)
    const held = await before.poll()
    await using fixture = await DeliveryFixture.reopen(disk.afterCrash('nothing', 1))
    assert.deepEqual(refusalsOf(await fixture.settle(held, ACK)), ['EXPIRED'])
  })
})

describe('a handle', () => {
  test('of nobody, of another member, of a lock that ended or went on to somebody is refused', async () => {
    await using fixture = await withRecords(1)
    const held = await fixture.poll()
    const forged = [{ ...held[0]!, receiptHandle: `${held[0]!.receiptHandle.slice(0, -2)}AA` }]
    assert.deepEqual(refusalsOf(await fixture.settle(forged, ACK)), ['INVALID_HANDLE'])
    const nonsense = [{ ...held[0]!, receiptHandle: 'not one' }]
    assert.deepEqual(refusalsOf(await fixture.settle(nonsense, ACK)), ['INVALID_HANDLE'])
    assert.deepEqual(refusalsOf(await fixture.settle(held, ACK, 'b')), ['HELD_BY_OTHER'])
    await fixture.broker.clock.advance(30_000)
    assert.deepEqual(refusalsOf(await fixture.settle(held, ACK)), ['EXPIRED'])
    assert.deepEqual(valuesOf(await fixture.poll('b')), ['v0 2'])
    assert.deepEqual(refusalsOf(await fixture.settle(held, ACK)), ['HELD_BY_OTHER'])
  })

  test('is settled or over when its lock ends while it is decided, at whatever look at the clock', async () => {
    for (let looksBefore = 0; looksBefore < 12; looksBefore++) {
      await using fixture = await withRecords(1)
      const held = await fixture.poll('a')
      const { clock } = fixture.broker
      await clock.advance(29_999)
      const endMs = clock.monotonicMs() + 1
      let looks = 0
      clock.monotonicMs = () => endMs + looks++ - looksBefore
      const [result] = await fixture.settle(held, ACK)
      assert.ok(result?.kind === 'settled' || result?.refusal === 'EXPIRED')
    }
  })

  test('of an earlier delivery does not settle the next one to the same member', async () => {
    await using fixture = await withRecords(1)
    const earlier = await fixture.poll()
    await fixture.settle(earlier, { kind: 'release', delayMs: 0 })
    assert.equal((await fixture.poll()).length, 1)
    assert.deepEqual(refusalsOf(await fixture.settle(earlier, ACK)), ['EXPIRED'])
  })

  test('of a topic or group that is gone is unknown', async () => {
    await using fixture = await withRecords(1)
    const held = await fixture.poll()
    await fixture.broker.ask(deleteTopics, 5, { topics: [], topicNames: ['orders'], timeoutMs: 1 })
    assert.deepEqual(refusalsOf(await fixture.settle(held, ACK)), ['UNKNOWN'])
  })
})

describe('a released record', () => {
  test('comes back after the backoff, which grows, or after the delay that was asked for', async () => {
    await using fixture = await withRecords(1, { 'shoal.delivery.attempts': '5' })
    const { clock } = fixture.broker
    const waits: number[] = []
    for (const delayMs of [undefined, undefined, 5_000]) {
      const [held] = await fixture.poll()
      const settlement = { kind: 'release', ...(delayMs === undefined ? {} : { delayMs }) } as const
      const result = settled(await fixture.settle([held!], settlement))
      assert.equal(result.outcome, 'released')
      const waitMs = result.untilMs! - clock.wallMs()
      waits.push(waitMs)
      await clock.advance(waitMs - 1)
      assert.deepEqual(await fixture.poll(), [])
      await clock.advance(1)
    }
    assert.deepEqual(waits, [100, 200, 5_000])
  })

  test('is free at once when its member leaves', async () => {
    await using fixture = await withRecords(2)
    await fixture.poll('a')
    await fixture.leave('a')
    assert.deepEqual(valuesOf(await fixture.poll('b')), ['v0 2', 'v1 2'])
  })

  test('is free when its member says that it gives the partition up', async () => {
    await using fixture = await withRecords(1)
    await fixture.poll('a')
    const { topicId } = fixture.topic()
    await fixture.context.deliveries.releaseMember('g', 'a', [{ topicId, partition: 1 }])
    assert.deepEqual(await fixture.poll('b'), [])
    await fixture.context.deliveries.releaseMember('g', 'a', [{ topicId, partition: 0 }])
    assert.deepEqual(valuesOf(await fixture.poll('b')), ['v0 2'])
  })
})

test('a lock is renewed for the time asked for, and counts as one delivery', async () => {
  await using fixture = await withRecords(1)
  const { clock } = fixture.broker
  const held = await fixture.poll()
  await clock.advance(29_000)
  const renewed = settled(await fixture.settle(held, { kind: 'renew', lockDurationMs: 10_000 }))
  assert.deepEqual([renewed.outcome, renewed.untilMs], ['renewed', clock.wallMs() + 10_000])
  await clock.advance(9_000)
  assert.deepEqual(await fixture.poll('b'), [])
  assert.deepEqual(refusalsOf(await fixture.settle(held, ACK)), ['acknowledged'])
})

describe('a commit of the group', () => {
  test('acknowledges all below', async () => {
    await using fixture = await withRecords(4)
    const held = await fixture.poll()
    await fixture.commit(3)
    assert.deepEqual(refusalsOf(await fixture.settle(held, ACK)), [
      'repeated',
      'repeated',
      'repeated',
      'acknowledged',
    ])
    assert.equal(fixture.committed(), 4)
  })

  test('to an earlier position begins anew there, and ends the handles', async () => {
    await using fixture = await withRecords(4)
    const held = await fixture.poll()
    await fixture.settle(held.slice(0, 3), ACK)
    await fixture.commit(1)
    assert.deepEqual(refusalsOf(await fixture.settle(held.slice(3), ACK)), ['EXPIRED'])
    assert.deepEqual(valuesOf(await fixture.poll()), ['v1 1', 'v2 1', 'v3 1'])
  })
})

test('what retention took is done, and holds nothing back', async () => {
  await using fixture = await withRecords(4)
  await fixture.poll('a', { maxRecords: 2 })
  const log = await fixture.context.topics.log(fixture.topic(), 0)
  assert.equal(await log!.deleteRecordsBefore(3), 'NONE')
  assert.deepEqual(valuesOf(await fixture.poll('b')), ['v3 1'])
  assert.equal(fixture.committed(), 3)
})

test('a process that stood still ends no lock', async () => {
  await using fixture = await withRecords(1)
  const held = await fixture.poll()
  await fixture.broker.clock.advance(1_000)
  fixture.broker.clock.stall(60_000)
  assert.deepEqual(refusalsOf(await fixture.settle(held, ACK)), ['acknowledged'])
})

test('records in flight are limited, and counted', async () => {
  await using fixture = await withRecords(5, { 'shoal.delivery.max.in.flight': '3' })
  const held = await fixture.poll()
  assert.equal(held.length, 3)
  await fixture.settle(held.slice(1, 2), { kind: 'release' })
  const { topicId } = fixture.topic()
  assert.deepEqual(fixture.context.deliveries.counts('g'), [
    {
      topicId,
      partition: 0,
      available: 0,
      acquired: 2,
      delayed: 1,
      archiving: 0,
      done: 0,
      startOffset: 0,
    },
  ])
  await fixture.settle(held.slice(0, 1), ACK)
  assert.deepEqual(valuesOf(await fixture.poll()), ['v3 1'])
})

test('with order by key, a record waits until the one before it of its key is done', async () => {
  await using fixture = await withRecords(0, { 'shoal.delivery.order': 'key' })
  await fixture.publish('x:x1', 'y:y1', 'x:x2', 'free', 'y:y2')
  const first = await fixture.poll('a')
  assert.deepEqual(valuesOf(first), ['x1 1', 'y1 1', 'free 1'])
  assert.deepEqual(await fixture.poll('b'), [])
  await fixture.settle(first.slice(0, 1), { kind: 'release' })
  assert.deepEqual(await fixture.poll('b'), [], 'x2 waits while x1 is in its backoff')
  await fixture.settle(first.slice(1, 2), ACK)
  assert.deepEqual(valuesOf(await fixture.poll('b')), ['y2 1'])
  await fixture.broker.clock.advance(100)
  const again = await fixture.poll('b')
  assert.deepEqual(valuesOf(again), ['x1 2'])
  await fixture.settle(again, ACK)
  assert.deepEqual(valuesOf(await fixture.poll('b')), ['x2 1'])
})

/** Member `a` in the group, and so many records `v0`, `v1` … in one batch. */
async function withRecords(
  count: number,
  configs: Readonly<Record<string, string>> = {},
  files?: SimDisk,
): Promise<DeliveryFixture> {
  const fixture = await DeliveryFixture.open(configs, files === undefined ? {} : { files })
  await fixture.join('a')
  if (count > 0) await fixture.publish(...Array.from({ length: count }, (_, index) => `v${index}`))
  return fixture
}

test('deliveries of a topic that is gone are forgotten by the next start, if a crash kept that from happening', async () => {
  const disk = new SimDisk()
  await using before = await withRecords(1, {}, disk)
  const id = { groupId: 'g', topicId: 'AAAAAAAAAAAAAAAAAAAAAA', partition: 0 }
  before.context.groups.recordDeliveries(id, [startSharePartition(id, null, 0)])
  await before.poll()
  await using fixture = await DeliveryFixture.reopen(disk.afterCrash('nothing', 1))
  const topicIds = Array.from(fixture.context.groups.shares.all(), ({ topicId }) => topicId)
  assert.deepEqual(topicIds, [fixture.topic().topicId])
})

test('a broker that closes while a poll and a dead letter read closes without an error', async () => {
  const fixture = await withRecords(3)
  const { deliveries, groups, logs, topics } = fixture.context
  const [held] = await fixture.poll('a', { maxRecords: 1 })
  const log = await topics.log(fixture.topic(), 0)
  const gate = Promise.withResolvers<void>()
  let reads = 0
  const read = log!.read.bind(log)
  log!.read = async (request) => {
    const result = await read(request)
    reads++
    await gate.promise
    return result
  }
  await fixture.settle([held!], { kind: 'reject', reason: 'bad' })
  const polled = fixture.poll('b')
  await fixture.until(() => reads === 2)
  deliveries.close()
  groups.close()
  await logs.close()
  gate.resolve()
  await Promise.allSettled([polled])
  await fixture.turn()
  assert.ok(!fixture.broker.parts.failure.happened)
})
