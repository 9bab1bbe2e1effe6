import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ShoalError, VirtualClock, seededRandom } from '../../core/index.ts'
import { batchesIn, decodeRecords, initProducerId, produce } from '../../protocol/index.ts'
import type { KafkaErrorCode, ProduceRequest } from '../../protocol/index.ts'
import { clusterScript } from './cluster-script.test.ts'
import { KafkaClient } from './kafka-client.ts'
import { KafkaProducer } from './kafka-producer.ts'
import type { KafkaProducerSettings } from './kafka-producer.ts'
import { NO_ERROR } from './scripted-transport.test.ts'

describe('sending', () => {
  test('gathers what comes together in one batch, in order, and tells each record its offset', async () => {
    const { send, log, clock } = await fixture()
    const sending = Promise.all(['a', 'b', 'c'].map((value) => send(value)))
    await clock.advance(5)
    assert.deepEqual(
      (await sending).map(({ partition, offset }) => [partition, offset]),
      [
        [0, 0],
        [0, 1],
        [0, 2],
      ],
    )
    assert.deepEqual(log, ['p0 #0 abc'])
  })

  test('while a batch is under way the next one grows, and follows with the next numbers', async () => {
    const { send, log, clock, hold } = await fixture()
    const release = hold()
    const first = send('a')
    await clock.advance(5)
    const others = Promise.all(['b', 'c'].map((value) => send(value)))
    await clock.advance(50)
    assert.deepEqual(log, ['p0 #0 a'])
    release()
    await clock.advance(5)
    await first
    await others
    assert.deepEqual(log, ['p0 #0 a', 'p0 #1 bc'])
  })

  test('chooses by key as Java does, and obeys a partition that is given', async () => {
    const { producer, clock } = await fixture()
    const of = (key: string | null, partition: number | null) =>
      producer.send({
        topic: 't',
        partition,
        key: key === null ? null : Buffer.from(key),
        value: null,
        headers: [],
      })
    const sending = Promise.all([of('foo', null), of('foo', null), of('foo', 1), of(null, 0)])
    await clock.advance(5)
    const [first, second, third, fourth] = await sending
    assert.equal(first?.partition, second?.partition)
    assert.deepEqual([third?.partition, fourth?.partition], [1, 0])
  })
})

describe('a batch whose answer was lost', () => {
  test('is sent again with the same bytes, and what the broker has already counts as sent', async () => {
    const { send, log, clock, answers } = await fixture()
    answers.push('lost', 'DUPLICATE_SEQUENCE_NUMBER')
    const sending = send('a')
    await clock.advance(1_000)
    assert.deepEqual(log, ['p0 #0 a', 'p0 #0 a'])
    assert.equal((await sending).offset, -1)
  })
})

describe('a refusal', () => {
  test('that passes is tried again', async () => {
    const { send, log, clock, answers } = await fixture()
    answers.push('NOT_LEADER_OR_FOLLOWER', 'NOT_ENOUGH_REPLICAS')
    const sending = send('a')
    await clock.advance(2_000)
    await sending
    assert.equal(log.length, 3)
  })

  test('that does not pass rejects the record with its name, and the next one goes under a new identity', async () => {
    const { send, log, clock, answers, script } = await fixture()
    answers.push('INVALID_RECORD')
    const refused = assert.rejects(send('a'), {
      code: 'SHOAL_REQUEST_FAILED',
      details: { topic: 't', partition: 0, error: 'INVALID_RECORD' },
    })
    await clock.advance(5)
    await refused
    const sending = send('b')
    await clock.advance(5)
    await sending
    assert.deepEqual(log, ['p0 #0 a', 'p0 #0 b'])
    assert.equal(script.transport.asked(initProducerId).length, 2)
  })

  test('for its size splits the batch, and only a record that is too large alone is refused', async () => {
    const { send, log, clock, answers } = await fixture()
    answers.push('MESSAGE_TOO_LARGE', 'MESSAGE_TOO_LARGE', 'MESSAGE_TOO_LARGE')
    const outcomes = Promise.allSettled(['a', 'b', 'c'].map((value) => send(value)))
    await clock.advance(100)
    assert.deepEqual(
      (await outcomes).map(({ status }) => status),
      ['rejected', 'fulfilled', 'fulfilled'],
    )
    assert.deepEqual(log, ['p0 #0 abc', 'p0 #0 ab', 'p0 #0 a', 'p0 #0 b', 'p0 #1 c'])
  })

  test('of the numbers of a batch that was never sent before is mended by a new identity', async () => {
    const { send, log, clock, answers } = await fixture()
    answers.push('OUT_OF_ORDER_SEQUENCE_NUMBER')
    const sending = send('a')
    await clock.advance(1_000)
    await sending
    assert.deepEqual(log, ['p0 #0 a', 'p0 #0 a'])
  })
})

describe('when it cannot go on', () => {
  test('a record is given up after its time, and the message says that its fate is not known', async () => {
    const { send, clock, script } = await fixture({ deliveryTimeoutMs: 3_000 })
    script.transport.down('b1:9092')
    const lost = assert.rejects(send('a'), { code: 'SHOAL_REQUEST_TIMEOUT', message: /not known/ })
    await clock.advance(10_000)
    await lost
  })

  test('a topic that does not come is told by name', async () => {
    const { producer, clock } = await fixture({ topicTimeoutMs: 1_000 })
    const record = { topic: 'none', partition: null, key: null, value: null, headers: [] }
    const refused = [producer.send(record), producer.send(record)].map((sending) =>
      assert.rejects(sending, { code: 'SHOAL_UNKNOWN_TOPIC', message: /topic none/ }),
    )
    await clock.advance(2_000)
    await Promise.all(refused)
  })

  test('a topic whose name the broker refuses is told at once', async () => {
    const { producer, script } = await fixture()
    script.missingTopicError = 'INVALID_TOPIC_EXCEPTION'
    const record = { topic: 'no/topic', partition: null, key: null, value: null, headers: [] }
    await assert.rejects(producer.send(record), {
      code: 'SHOAL_INVALID_ARGUMENT',
      message: /"no\/topic": not a legal topic name/,
    })
  })

  test('sends wait for room when too much is under way', async () => {
    const { send, clock, hold, log } = await fixture({ maxBufferedBytes: 50 })
    const release = hold()
    const sending = Promise.all(['a', 'b', 'c', 'd'].map((value) => send(value)))
    await clock.advance(50)
    assert.deepEqual(log, ['p0 #0 ab'])
    release()
    await clock.advance(50)
    await sending
    assert.equal(log.join(' ').replace(/[^a-d]/g, ''), 'abcd')
  })
})

describe('closing', () => {
  test('sends what waits first', async () => {
    const { producer, send, log, clock } = await fixture({ lingerMs: 60_000 })
    const sending = send('a')
    const closing = producer.close()
    await clock.advance(1)
    await Promise.all([sending, closing])
    assert.deepEqual(log, ['p0 #0 a'])
  })

  test('at once rejects what waits, and whatever comes later', async () => {
    const { producer, send, hold, clock } = await fixture()
    hold()
    const waiting = assert.rejects(send('a'), { code: 'SHOAL_CLOSED' })
    await clock.advance(5)
    await producer.abort()
    await waiting
    await assert.rejects(
      send('b'),
      (error) => error instanceof ShoalError && error.code === 'SHOAL_CLOSED',
    )
  })
})

async function fixture(settings: KafkaProducerSettings = {}) {
  const clock = new VirtualClock()
  const script = clusterScript({ timers: clock, brokers: ['b1'], topics: { t: [1, 1] } })
  /** What the next requests are answered, in order; then all is well. */
  const answers: (KafkaErrorCode | 'lost')[] = []
  /** Each batch that came in, as `partition #sequence values`. */
  const log: string[] = []
  let held: Promise<void> = Promise.resolve()
  let nextOffset = 0
  script.transport.on(produce, async ({ topicData }: ProduceRequest) => {
    const responses = topicData.map(({ name, partitionData }) => ({
      name,
      partitionResponses: partitionData.map(({ index, records }) => {
        const [batch] = batchesIn(records ?? new Uint8Array(0))
        const values = decodeRecords(batch!).map(({ value }) => Buffer.from(value ?? []).toString())
        log.push(`p${index} #${batch!.baseSequence} ${values.join('')}`)
        const answer = answers.shift() ?? NO_ERROR
        if (answer === 'lost') throw new Error('the answer is lost')
        const baseOffset = nextOffset
        if (answer === NO_ERROR) nextOffset += values.length
        return {
          index,
          errorCode: answer,
          baseOffset,
          logAppendTimeMs: -1,
          logStartOffset: 0,
          recordErrors: [],
          errorMessage: null,
          currentLeader: { leaderId: -1, leaderEpoch: -1 },
        }
      }),
    }))
    await held
    return { responses, throttleTimeMs: 0, nodeEndpoints: [] }
  })
  const client = await KafkaClient.open(
    { brokers: 'b1:9092' },
    { transport: script.transport, clock, timers: clock, random: seededRandom(1) },
  )
  await client.refresh(['t'])
  const producer = new KafkaProducer(client, settings)
  return {
    clock,
    script,
    producer,
    answers,
    log,
    send: (value: string) =>
      producer.send({
        topic: 't',
        partition: 0,
        key: null,
        value: Buffer.from(value),
        headers: [],
      }),
    hold: () => {
      const gate = Promise.withResolvers<void>()
      held = gate.promise
      return gate.resolve
    },
  }
}
