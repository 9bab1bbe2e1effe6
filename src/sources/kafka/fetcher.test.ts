import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fetch } from '../../protocol/index.ts'
import type { KafkaErrorCode } from '../../protocol/index.ts'
import type { clusterScript } from './cluster-script.test.ts'
import { EpochTrail } from './epoch-trail.ts'
import { batchAt, fixture, owned, refused } from './fetcher-fixture.test.ts'

describe('reading', () => {
  test('goes on after each batch, and says once that the end is reached', async () => {
    const { fetcher, append, settle, seen, ends } = await fixture()
    append(0, 'a', 'b')
    append(0, 'c')
    fetcher.add(owned(0), 0)
    await settle()
    assert.deepEqual(seen(0), ['0 a', '1 b', '2 c'])
    assert.deepEqual(ends, [[0, 3]])
    append(0, 'd')
    await settle()
    assert.deepEqual(seen(0), ['0 a', '1 b', '2 c', '3 d'])
    assert.deepEqual(ends, [
      [0, 3],
      [0, 4],
    ])
  })

  test('asks for the next records before it decodes those that came', async () => {
    const { fetcher, append, settle, events, script } = await fixture()
    append(0, 'a')
    append(0, 'b')
    const askedWhenDelivered: number[] = []
    events.records = () => askedWhenDelivered.push(script.transport.asked(fetch).length)
    fetcher.add(owned(0), 0)
    await settle()
    assert.deepEqual(askedWhenDelivered, [2, 3])
  })

  test('asks each leader for its own partitions', async () => {
    const { fetcher, append, settle, seen, script } = await fixture()
    append(0, 'one')
    append(1, 'two')
    fetcher.add(owned(0), 0)
    fetcher.add(owned(1), 0)
    await settle()
    assert.deepEqual([seen(0), seen(1)], [['0 one'], ['0 two']])
    const hosts = script.transport.log
      .filter(({ name }) => name === 'Fetch')
      .map(({ request, asked }) => {
        const { topics } = request as { topics: { partitions: { partition: number }[] }[] }
        return `${asked.address.host} ${topics[0]?.partitions.map(({ partition }) => partition).join()}`
      })
    assert.deepEqual([...new Set(hosts)].sort(), ['b1 0', 'b2 1'])
  })
})

describe('a pause', () => {
  test('leaves the partition out of later fetches while others flow, and a resume does not wait for them', async () => {
    const { fetcher, append, settle, seen } = await fixture({ leaders: [1, 1] })
    fetcher.add(owned(0), 0)
    fetcher.add(owned(1), 0)
    await settle()
    fetcher.pause(owned(0))
    // The fetch that was under way when it paused may still bring something.
    append(1, 'a')
    await settle()
    append(0, 'x')
    append(1, 'b')
    await settle()
    assert.deepEqual([seen(0), seen(1)], [[], ['0 a', '1 b']])
    // A fetch for partition 1 waits at the broker now: the resumed partition is asked for beside it.
    fetcher.resume(owned(0))
    await settle()
    assert.deepEqual(seen(0), ['0 x'])
  })
})

describe('a partition that is behind', () => {
  test('is read on when each of its batches is larger than an answer may be', async () => {
    const { fetcher, append, settle, batches } = await fixture({ maxBytes: 100 })
    for (let count = 0; count < 3; count++) append(0, 'x'.repeat(200))
    fetcher.add(owned(0), 0)
    await settle()
    assert.deepEqual(
      batches.map(({ nextOffset }) => nextOffset),
      [1, 2, 3],
    )
  })

  test('is held back for a moment while more than an answer waits undelivered, and then goes on all the same', async () => {
    const { clock, fetcher, append, settle, seen, events } = await fixture({
      leaders: [1, 1],
      maxBytes: 300,
    })
    append(0, 'x'.repeat(100))
    append(0, 'x'.repeat(400))
    append(1, 'a')
    append(1, 'b')
    // What was under way when it paused waits packed.
    events.records = () => fetcher.pause(owned(0))
    fetcher.add(owned(0), 0)
    await settle()
    const delivered: number[] = []
    events.records = ({ nextOffset }) => delivered.push(nextOffset)
    fetcher.add(owned(1), 0)
    await settle()
    assert.deepEqual(delivered, [1])
    await clock.advance(10)
    assert.deepEqual(delivered, [1, 2])
    assert.deepEqual(seen(0), [])
  })

  test('does not wait for the fetches of those that are at their end', async () => {
    const { fetcher, append, settle, seen, events, batches, script } = await fixture({
      leaders: [1, 1, 1],
    })
    append(2, 'a')
    append(2, 'b')
    append(2, 'c')
    events.records = (batch) => {
      batches.push(batch)
      if (batch.partition === 2 && batches.length === 1) fetcher.pause(owned(2))
    }
    fetcher.add(owned(2), 0)
    await settle()
    assert.deepEqual(seen(2), ['0 a'])
    // Two fetches wait at the broker, and no time goes by.
    fetcher.add(owned(0), 0)
    fetcher.add(owned(1), 0)
    await settle()
    fetcher.resume(owned(2))
    await settle()
    assert.deepEqual(seen(2), ['0 a', '1 b', '2 c'])
    // At its end it waits its turn like the others: at most two fetches wait at a broker.
    const asked = script.transport.asked(fetch).length
    await settle()
    assert.equal(script.transport.asked(fetch).length, asked)
    append(0, 'x')
    append(2, 'd')
    await settle()
    assert.deepEqual([seen(0), seen(2).at(-1)], [['0 x'], '3 d'])
  })
})

describe('an answer that unpacks to much', () => {
  const packed = (offset: number) => batchAt(offset, ['x'.repeat(1_000)], { compression: 'gzip' })
  const answerOf = (...batches: ReturnType<typeof batchAt>[]) => ({
    baseOffset: batches[0]!.baseOffset,
    nextOffset: batches.at(-1)!.nextOffset,
    bytes: Buffer.concat(batches.map(({ bytes }) => bytes)),
  })

  test('is handed over in pieces, and waits packed while its partition is paused', async () => {
    const { fetcher, settle, seen, script, events, batches } = await fixture({ maxBytes: 1_500 })
    const log = script.partition('t', 0)
    log.batches.push(answerOf(packed(0), packed(1), packed(2), packed(3)), packed(4))
    log.logEndOffset = 5
    events.records = (batch) => {
      batches.push(batch)
      fetcher.pause(owned(0))
    }
    fetcher.add(owned(0), 0)
    await settle()
    assert.deepEqual(offsetsOf(seen(0)), [0, 1])
    fetcher.resume(owned(0))
    await settle()
    assert.deepEqual(offsetsOf(seen(0)), [0, 1, 2, 3])
    fetcher.resume(owned(0))
    await settle()
    assert.deepEqual(offsetsOf(seen(0)), [0, 1, 2, 3, 4])
  })

  test('lets the others have their turn between its pieces', async () => {
    const { fetcher, append, settle, seen, script, batches } = await fixture({
      leaders: [1, 1],
      maxBytes: 1_500,
    })
    const log = script.partition('t', 0)
    log.batches.push(answerOf(packed(0), packed(1), packed(2), packed(3)))
    log.logEndOffset = 4
    append(1, 'other')
    fetcher.add(owned(0), 0)
    fetcher.add(owned(1), 0)
    await settle()
    assert.deepEqual(offsetsOf(seen(0)), [0, 1, 2, 3])
    const order = batches.map(({ partition }) => partition)
    assert.ok(order.indexOf(1) < order.lastIndexOf(0), order.join())
  })

  test('is dropped with its partition', async () => {
    const { fetcher, settle, seen, script, events, batches } = await fixture({ maxBytes: 1_500 })
    const log = script.partition('t', 0)
    log.batches.push(answerOf(packed(0), packed(1), packed(2), packed(3)))
    log.logEndOffset = 4
    events.records = (batch) => {
      batches.push(batch)
      fetcher.remove(owned(0))
    }
    fetcher.add(owned(0), 0)
    await settle()
    assert.deepEqual(offsetsOf(seen(0)), [0, 1])
  })

  test('keeps what is not handed over yet when the position behind it is refused', async () => {
    const { fetcher, settle, seen, script, events, batches, outOfRange } = await fixture({
      maxBytes: 1_500,
    })
    const log = script.partition('t', 0)
    log.batches.push(answerOf(packed(0), packed(1), packed(2), packed(3)))
    log.logEndOffset = 4
    events.records = (batch) => {
      batches.push(batch)
      if (batches.length === 1) fetcher.pause(owned(0))
    }
    fetcher.add(owned(0), 0)
    // The next fetch is under way already: its position is gone when it arrives.
    await withNextRefused(script, settle)
    assert.deepEqual([outOfRange.length, offsetsOf(seen(0))], [1, [0, 1]])
    fetcher.resume(owned(0))
    await settle()
    assert.deepEqual(offsetsOf(seen(0)), [0, 1, 2, 3])
  })
})

describe('giving a partition up', () => {
  test('drops what comes for its epoch afterwards', async () => {
    const { fetcher, append, settle, seen } = await fixture()
    fetcher.add(owned(0), 0)
    await settle()
    fetcher.remove(owned(0))
    append(0, 'late')
    await settle()
    assert.deepEqual(seen(0), [])
  })

  test('and getting it back reads in the new epoch alone, from the new position', async () => {
    const { fetcher, append, settle, batches } = await fixture()
    fetcher.add(owned(0, 1), 0)
    await settle()
    fetcher.remove(owned(0, 1))
    append(0, 'a', 'b')
    fetcher.add(owned(0, 2), 1)
    await settle()
    assert.deepEqual(
      batches.map(({ epoch, records }) => [epoch, [...records].map(({ offset }) => offset)]),
      [[2, [1]]],
    )
  })

  test('while a batch of the same answer is handed over also drops the rest of the answer', async () => {
    const { fetcher, append, settle, seen, events, batches } = await fixture({ leaders: [1, 1] })
    append(0, 'a')
    append(1, 'b')
    events.records = (batch) => {
      batches.push(batch)
      fetcher.remove(owned(0))
      fetcher.remove(owned(1))
    }
    fetcher.add(owned(0), 0)
    fetcher.add(owned(1), 0)
    await settle()
    assert.equal(seen(0).length + seen(1).length, 1)
  })
})

describe('when the broker cannot serve', () => {
  test('a leader that moved is looked for, and reading goes on there', async () => {
    const { fetcher, append, settle, seen, script, clock } = await fixture()
    append(0, 'a')
    await withError(
      'NOT_LEADER_OR_FOLLOWER',
      'b1',
      async () => {
        fetcher.add(owned(0), 0)
        await settle()
        script.leaders.set('t', [2, 2])
        await clock.advance(2_000)
      },
      script,
    )
    assert.deepEqual(seen(0), ['0 a'])
  })

  test('a broker that fell is tried again with pauses, and nothing is lost or repeated', async () => {
    const { fetcher, append, settle, seen, script, clock } = await fixture()
    fetcher.add(owned(0), 0)
    await settle()
    script.transport.down('b1:9092')
    append(0, 'a')
    await clock.advance(5_000)
    const attempts = script.transport.asked(fetch).length
    assert.ok(attempts < 10, `${attempts} attempts in five seconds`)
    script.transport.up('b1:9092')
    await clock.advance(5_000)
    assert.deepEqual(seen(0), ['0 a'])
  })

  test('an offset that is not there is asked for, and reading goes on where the answer says', async () => {
    const { fetcher, append, settle, seen, script, outOfRange } = await fixture()
    append(0, 'a', 'b', 'c')
    script.partition('t', 0).logStartOffset = 2
    script.partition('t', 0).batches.splice(0, 1, batchAt(2, ['c']))
    fetcher.add(owned(0), 0)
    await settle()
    assert.deepEqual(outOfRange, [[0, 0, -1]])
    assert.deepEqual(seen(0), ['2 c'])
  })

  test('damaged bytes are fetched again, three times, then it stops with their place', async () => {
    const { fetcher, settle, seen, script, clock, failures } = await fixture()
    const damaged = batchAt(0, ['payload'])
    damaged.bytes[damaged.bytes.length - 2]! ^= 1
    Object.assign(script.partition('t', 0), { logEndOffset: 1 }).batches.push(damaged)
    fetcher.add(owned(0), 0)
    await settle()
    await clock.advance(10_000)
    assert.deepEqual(seen(0), [])
    assert.deepEqual(
      failures.map(({ code, details }) => [code, details]),
      [['SHOAL_CORRUPT_BATCH', { topic: 't', partition: 0, offset: 0 }]],
    )
  })

  test('bytes that were damaged on the way only are read at the second attempt', async () => {
    const { fetcher, append, settle, seen, script, clock, failures } = await fixture()
    append(0, 'a')
    append(0, 'b')
    const [, good] = script.partition('t', 0).batches
    const bytes = Uint8Array.from(good!.bytes)
    bytes[bytes.length - 2]! ^= 1
    script.partition('t', 0).batches[1] = { ...good!, bytes }
    fetcher.add(owned(0), 0)
    await settle()
    script.partition('t', 0).batches[1] = good!
    await clock.advance(2_000)
    assert.deepEqual(seen(0), ['0 a', '1 b'])
    assert.deepEqual(failures, [])
  })

  test('a batch that would unpack to more than the limit stops it at once, with its place and a remedy', async () => {
    const { fetcher, append, settle, seen, script, clock, failures } = await fixture({
      maxDecompressedBytes: 10_000,
    })
    append(0, 'before')
    const bomb = batchAt(1, ['x'.repeat(1_000_000)], { compression: 'gzip' })
    Object.assign(script.partition('t', 0), { logEndOffset: 2 }).batches.push(bomb)
    fetcher.add(owned(0), 0)
    await settle()
    assert.deepEqual(seen(0), ['0 before'])
    assert.deepEqual(
      failures.map(({ code, details }) => [code, details['offset']]),
      [['SHOAL_DECOMPRESSION_LIMIT', 1]],
    )
    assert.match(failures[0]!.message, /raise fetch\.maxDecompressedBytes/)
    const fetches = script.transport.asked(fetch).length
    await clock.advance(10_000)
    assert.equal(script.transport.asked(fetch).length, fetches)
  })

  test('a log that was truncated and written anew is noticed by its leader epochs', async () => {
    const { fetcher, append, settle, seen, script, clock, outOfRange } = await fixture()
    const log = script.partition('t', 0)
    log.epochs = [{ epoch: 1, from: 0 }]
    append(0, 'a', 'b', 'c')
    fetcher.add(owned(0), 0, { topicId: null, trail: new EpochTrail(1) })
    await settle()
    assert.deepEqual(seen(0), ['0 a', '1 b', '2 c'])
    // The new leader had only the first record; what it wrote since then is longer than what was read.
    log.epochs = [
      { epoch: 1, from: 0 },
      { epoch: 2, from: 1 },
    ]
    log.batches.push(batchAt(3, ['other']))
    log.logEndOffset = 4
    script.wake()
    await settle()
    await clock.advance(1_000)
    assert.deepEqual(outOfRange, [[0, 3, 1]])
  })

  test('records of several leaders are read without doubt', async () => {
    const { fetcher, settle, seen, script, outOfRange } = await fixture()
    const log = script.partition('t', 0)
    log.epochs = [
      { epoch: 1, from: 0 },
      { epoch: 4, from: 2 },
    ]
    log.batches.push(batchAt(0, ['a', 'b'], { partitionLeaderEpoch: 1 }))
    log.batches.push(batchAt(2, ['c'], { partitionLeaderEpoch: 4 }))
    log.logEndOffset = 3
    fetcher.add(owned(0), 0)
    await settle()
    assert.deepEqual(seen(0), ['0 a', '1 b', '2 c'])
    const epochs = script.transport
      .asked(fetch)
      .map(({ topics }) => topics[0]!.partitions[0]!.lastFetchedEpoch)
    assert.deepEqual(epochs, [-1, 1, 4])
    assert.deepEqual(outOfRange, [])
  })

  const passing: readonly KafkaErrorCode[] = [
    'FENCED_LEADER_EPOCH',
    'UNKNOWN_LEADER_EPOCH',
    'UNKNOWN_TOPIC_ID',
    'LEADER_NOT_AVAILABLE',
    'OFFSET_NOT_AVAILABLE',
    'KAFKA_STORAGE_ERROR',
    'UNKNOWN_SERVER_ERROR',
  ]
  for (const error of passing)
    test(`${error} is waited out, with pauses between the attempts`, async () => {
      const { fetcher, append, settle, seen, script, clock, failures } = await fixture()
      append(0, 'a')
      const usual = script.transport.answerTo(fetch)
      await withError(error, 'b1', () => Promise.resolve(), script)
      fetcher.add(owned(0), 0)
      await settle()
      await clock.advance(10_000)
      const attempts = script.transport.asked(fetch).length
      assert.ok(attempts > 3 && attempts < 25, `${attempts} attempts in ten seconds`)
      script.transport.on(fetch, usual)
      await clock.advance(2_000)
      assert.deepEqual(seen(0), ['0 a'])
      assert.deepEqual(failures, [])
    })

  test('a right that is missing stops it at once', async () => {
    const { fetcher, settle, script, failures } = await fixture()
    await withError(
      'TOPIC_AUTHORIZATION_FAILED',
      'b1',
      async () => {
        fetcher.add(owned(0), 0)
        await settle()
      },
      script,
    )
    assert.deepEqual(
      failures.map(({ code }) => code),
      ['SHOAL_REQUEST_FAILED'],
    )
  })
})

const offsetsOf = (seen: readonly string[]) => seen.map((one) => Number(one.split(' ')[0]))

/** One broker answers every fetched partition with an error from now on. */
async function withError(
  error: KafkaErrorCode,
  host: string,
  steps: () => Promise<void>,
  { transport }: ReturnType<typeof clusterScript>,
): Promise<void> {
  const usual = transport.answerTo(fetch)
  transport.on(fetch, async (request, asked) =>
    asked.address.host === host ? refused(request, error) : usual(request, asked),
  )
  await steps()
}

/** The second fetch from now on finds its position gone, once. */
async function withNextRefused(
  { transport }: ReturnType<typeof clusterScript>,
  settle: () => Promise<void>,
): Promise<void> {
  const usual = transport.answerTo(fetch)
  let count = 0
  transport.on(fetch, async (request, asked) => {
    count++
    return count === 2 ? refused(request, 'OFFSET_OUT_OF_RANGE') : usual(request, asked)
  })
  await settle()
}
