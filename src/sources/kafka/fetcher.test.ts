import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { VirtualClock, seededRandom, type ShoalError } from '../../core/index.ts'
import type { OwnedPartition, SourceBatch } from '../../consumer/index.ts'
import { encodeRecordBatch, fetch } from '../../protocol/index.ts'
import type { KafkaErrorCode } from '../../protocol/index.ts'
import { clusterScript } from './cluster-script.ts'
import { Fetcher } from './fetcher.ts'
import { KafkaClient } from './kafka-client.ts'
import { sourceSettings } from './options.ts'
import { NO_ERROR } from './scripted-transport.ts'

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
      batches.map(({ epoch, records }) => [epoch, records.map(({ offset }) => offset)]),
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
    assert.deepEqual(outOfRange, [[0, 0]])
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

const owned = (partition: number, epoch = 1): OwnedPartition => ({ topic: 't', partition, epoch })

async function fixture({ leaders = [1, 2] }: { leaders?: number[] } = {}) {
  const clock = new VirtualClock()
  const script = clusterScript({ timers: clock, brokers: ['b1', 'b2'], topics: { t: leaders } })
  const client = await KafkaClient.open(
    { brokers: 'b1:9092' },
    { transport: script.transport, clock, timers: clock, random: seededRandom(1) },
  )
  await client.refresh(['t'])
  const batches: SourceBatch[] = []
  const ends: [number, number][] = []
  const outOfRange: [number, number][] = []
  const failures: ShoalError[] = []
  const events = {
    records: (batch: SourceBatch): unknown => batches.push(batch),
    endOfPartition: ({ partition }: OwnedPartition, offset: number) =>
      void ends.push([partition, offset]),
    outOfRange: async ({ partition }: OwnedPartition, offset: number) => {
      outOfRange.push([partition, offset])
      return script.partition('t', partition).logStartOffset
    },
    failed: (error: Error) => void failures.push(error as ShoalError),
  }
  const fetcher = new Fetcher(client, sourceSettings({ brokers: 'b1:9092', topics: ['t'] }), {
    ...events,
    records: (batch) => void events.records(batch),
  })
  return {
    clock,
    script,
    fetcher,
    batches,
    ends,
    outOfRange,
    failures,
    events,
    settle: () => clock.advance(0),
    append(partition: number, ...values: string[]) {
      const log = script.partition('t', partition)
      log.batches.push(batchAt(log.logEndOffset, values))
      log.logEndOffset += values.length
      script.wake()
    },
    seen: (partition: number) =>
      batches
        .filter((batch) => batch.partition === partition)
        .flatMap(({ records }) => records)
        .map(({ offset, value }) => `${offset} ${Buffer.from(value ?? []).toString()}`),
  }
}

function batchAt(baseOffset: number, values: readonly string[]) {
  const records = values.map((value) => ({ timestampMs: 0, value: Buffer.from(value) }))
  const bytes = encodeRecordBatch(records, { baseOffset })
  return { baseOffset, nextOffset: baseOffset + values.length, bytes }
}

/** While `steps` run, one broker answers every fetched partition with an error. */
async function withError(
  error: KafkaErrorCode,
  host: string,
  steps: () => Promise<void>,
  { transport }: ReturnType<typeof clusterScript>,
): Promise<void> {
  const usual = transport.answerTo(fetch)
  transport.on(fetch, async (request, asked) => {
    if (asked.address.host !== host) return usual(request, asked)
    return {
      throttleTimeMs: 0,
      errorCode: NO_ERROR,
      sessionId: 0,
      nodeEndpoints: [],
      responses: request.topics.map(({ topicId, partitions }) => ({
        topic: '',
        topicId,
        partitions: partitions.map(({ partition }) => ({
          partitionIndex: partition,
          errorCode: error,
          highWatermark: -1,
          lastStableOffset: -1,
          logStartOffset: -1,
          divergingEpoch: { epoch: -1, endOffset: -1 },
          currentLeader: { leaderId: -1, leaderEpoch: -1 },
          snapshotId: { endOffset: -1, epoch: -1 },
          abortedTransactions: null,
          preferredReadReplica: -1,
          records: null,
        })),
      })),
    }
  })
  await steps()
}
