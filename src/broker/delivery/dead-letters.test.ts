import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { SimDisk } from '../../log/index.ts'
import {
  BatchPosition,
  compressionCodeOf,
  encodeRecordBatch,
  RecordBatch,
} from '../../protocol/index.ts'
import { DeliveryFixture, refusalsOf, settled, valuesOf } from './delivery-fixture.test.ts'

const RELEASE = { kind: 'release', delayMs: 0 } as const

describe('a dead letter', () => {
  test('is written after the last attempt, with the record as it was and what went wrong', async () => {
    await using fixture = await withRecords('k:v0', 'k:v1')
    const { clock } = fixture.broker
    const firstFailureMs = clock.wallMs()
    for (const reason of ['too busy', 'still busy', 'broken']) {
      const [held, ...others] = await fixture.poll()
      await fixture.settle(others, { kind: 'acknowledge' })
      const result = settled(await fixture.settle([held!], { ...RELEASE, reason }))
      assert.equal(result.outcome, reason === 'broken' ? 'dead-lettered' : 'released')
      assert.equal(result.deadLetterTopic, reason === 'broken' ? 'orders-dlq' : null)
      await clock.advance(10)
    }
    const letters = await fixture.letters(1)
    assert.deepEqual(letters, [
      {
        key: 'k',
        value: 'v0',
        headers: {
          'shoal-dlq-id': 'g/orders/0/0',
          'shoal-dlq-reason': 'delivery-limit',
          'shoal-dlq-error': 'broken',
          'shoal-dlq-attempts': '3',
          'shoal-dlq-group': 'g',
          'shoal-dlq-origin-topic': 'orders',
          'shoal-dlq-origin-partition': '0',
          'shoal-dlq-origin-offset': '0',
          'shoal-dlq-origin-timestamp': '5',
          'shoal-dlq-first-failure': String(firstFailureMs),
          'shoal-dlq-last-failure': String(firstFailureMs + 20),
        },
      },
    ])
    assert.equal(fixture.committed(), 2)
    assert.deepEqual(await fixture.poll(), [])
  })

  test('follows a rejection at once; the record holds the commit back until it is written', async () => {
    await using fixture = await withRecords('v0', 'v1')
    const [held] = await fixture.poll()
    const reject = { kind: 'reject', reason: 'no such customer' } as const
    const result = settled(await fixture.settle([held!], reject))
    assert.deepEqual([result.outcome, result.committedOffset], ['dead-lettered', 0])
    const [letter] = await fixture.letters(1)
    assert.equal(letter?.headers['shoal-dlq-reason'], 'rejected')
    assert.equal(letter?.headers['shoal-dlq-error'], 'no such customer')
    assert.equal(fixture.committed(), 1)
    assert.deepEqual(refusalsOf(await fixture.settle([held!], reject)), ['EXPIRED'])
  })

  test('follows locks that end too often, though nobody said a word', async () => {
    await using fixture = await withRecords('v0')
    for (let attempt = 0; attempt < 3; attempt++) {
      assert.equal((await fixture.poll('b')).length, 1)
      await fixture.broker.clock.advance(30_000)
    }
    const [letter] = await fixture.letters(1)
    assert.equal(letter?.headers['shoal-dlq-error'], 'not acknowledged in its last delivery')
    assert.equal(letter?.headers['shoal-dlq-attempts'], '3')
  })

  test('that cannot be written is tried again, and nothing is committed past it', async () => {
    await using fixture = await withRecords('v0')
    fixture.createTopic('orders-dlq', { 'max.message.bytes': '10' })
    const held = await fixture.poll()
    await fixture.settle(held, { kind: 'reject', reason: 'bad' })
    await fixture.broker.clock.advance(5_000)
    assert.equal(fixture.committed(), 0)
    assert.deepEqual(await fixture.poll(), [])
    fixture.context.topics.decide({
      kind: 'configure-topic',
      name: 'orders-dlq',
      changes: { kind: 'replace', entries: [] },
    })
    await fixture.broker.clock.advance(1_000)
    assert.equal((await fixture.letters(1)).length, 1)
    assert.equal(fixture.committed(), 1)
  })

  test('that a crash kept from being written is written by the next start, once', async () => {
    const disk = new SimDisk()
    const before = await withRecordsOn(disk, 'v0')
    before.createTopic('orders-dlq', { 'max.message.bytes': '10' })
    await before.settle(await before.poll(), { kind: 'reject', reason: 'bad' })
    {
      await using fixture = await DeliveryFixture.reopen(disk.afterCrash('nothing', 1))
      fixture.context.topics.decide({
        kind: 'configure-topic',
        name: 'orders-dlq',
        changes: { kind: 'replace', entries: [] },
      })
      await fixture.broker.clock.advance(1_000)
      const [letter] = await fixture.letters(1)
      assert.equal(letter?.headers['shoal-dlq-error'], 'bad')
      assert.equal(fixture.committed(), 1)
      assert.equal((await fixture.letters(1)).length, 1)
    }
    await before[Symbol.asyncDispose]()
  })

  test('keeps the first origin of a record that was redriven', async () => {
    await using fixture = await withRecords()
    const header = (name: string, value: string) => ({
      key: `shoal-dlq-origin-${name}`,
      value: Buffer.from(value),
    })
    const headers = [
      header('topic', 'first'),
      header('partition', '3'),
      header('offset', '7'),
      header('timestamp', '9'),
    ]
    await fixture.append(encodeRecordBatch([{ timestampMs: 1, value: Buffer.from('v'), headers }]))
    await fixture.settle(await fixture.poll(), { kind: 'reject', reason: 'again' })
    const [letter] = await fixture.letters(1)
    assert.equal(letter?.headers['shoal-dlq-id'], 'g/first/3/7')
  })

  test('stands for a batch that nobody can read, and what follows goes on', async () => {
    await using fixture = await withRecords()
    await fixture.append(unreadableBatch(3))
    await fixture.publish('after')
    const delivered = await fixture.poll('a', { maxRecords: 2_000 })
    const rest = delivered.length > 0 ? delivered : await fixture.poll('a', { maxWaitMs: 1_000 })
    assert.deepEqual(valuesOf(rest), ['after 1'])
    const [letter] = await fixture.letters(1)
    assert.equal(letter?.value, null)
    assert.equal(letter?.headers['shoal-dlq-error'], 'the batch of the record cannot be read')
  })

  test('is not written where the topic wants none', async () => {
    await using fixture = await DeliveryFixture.open({ 'shoal.delivery.dead.letters': 'false' })
    await fixture.join('a')
    await fixture.publish('v0')
    const result = settled(
      await fixture.settle(await fixture.poll(), { kind: 'reject', reason: 'bad' }),
    )
    assert.deepEqual([result.deadLetterTopic, result.committedOffset], [null, 1])
    assert.equal(fixture.context.topics.table.byName('orders-dlq'), undefined)
  })
})

async function withRecords(...values: readonly string[]): Promise<DeliveryFixture> {
  return withRecordsOn(new SimDisk(), ...values)
}

async function withRecordsOn(
  files: SimDisk,
  ...values: readonly string[]
): Promise<DeliveryFixture> {
  const fixture = await DeliveryFixture.open({}, { files })
  await fixture.join('a')
  if (values.length > 0) await fixture.publish(...values)
  return fixture
}

/** A batch whose header is right and whose inside is no gzip. */
function unreadableBatch(recordCount: number): Uint8Array {
  const bytes = encodeRecordBatch([{ timestampMs: 1, value: Buffer.from('not compressed') }])
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  view.setInt16(BatchPosition.attributes, compressionCodeOf('gzip'))
  view.setInt32(BatchPosition.recordCount, recordCount)
  view.setInt32(BatchPosition.lastOffsetDelta, recordCount - 1)
  view.setUint32(BatchPosition.crc, new RecordBatch(bytes).computeCrc())
  return bytes
}
