/**
 * What the log of a real Kafka may hold beside plain records: transactions of Java's own producer, markers between them,
 * a batch that is damaged on the broker's disk.
 */

import assert from 'node:assert/strict'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { ShoalError } from '../../src/core/index.ts'
import { kafka } from '../../src/sources/kafka/index.ts'
import type { KafkaSourceOptions } from '../../src/sources/kafka/index.ts'
import { ApacheKafka, apacheKafkaMissing, javaProgram } from '../real/apache-kafka.ts'
import { needs } from '../real/services.ts'
import { kafkaFixture } from './kafka-fixture.ts'
import { RecordingMember } from './recording-member.ts'

describe('the log of a real Apache Kafka', needs(apacheKafkaMissing()), () => {
  let node: ApacheKafka
  let fixture: Awaited<ReturnType<typeof kafkaFixture>>

  before(async () => {
    node = await ApacheKafka.start()
    fixture = await kafkaFixture(node)
  })
  after(() => fixture.close())

  const joinGroup = (topic: string, group: string, options: Partial<KafkaSourceOptions>) =>
    RecordingMember.join(kafka({ brokers: node.bootstrap, topics: [topic], ...options }), group)

  test("Java's transactions: what was committed is delivered in order, however small the answers, and nothing else", async (context) => {
    const topic = await fixture.createTopic(1)
    const { exitCode, stdout, stderr } = await javaProgram('TransactionalWriter.java', [
      node.bootstrap,
      topic,
    ])
    assert.equal(exitCode, 0, stderr)
    const committed = stdout.trim().split('\n')
    assert.equal(committed.length, 80)
    // One batch an answer: the marker that aborts it is never in the same one.
    for (const maxPartitionBytes of [1, 1_000, 1_048_576]) {
      await using member = await joinGroup(topic, `read-${maxPartitionBytes}`, {
        fetch: { maxPartitionBytes },
      })
      await member.until('the end', () => member.ends.length > 0)
      assert.deepEqual(values(member), committed)
      assert.equal(member.batches.at(-1)?.nextOffset, member.ends.at(-1)?.offset)
      await member.session.close()
    }
    await using everything = await joinGroup(topic, 'read-all', { isolation: 'read-uncommitted' })
    await everything.until('the end', () => everything.ends.length > 0)
    assert.equal(everything.seen.length, 240)
    await everything.session.close()
    context.diagnostic(
      '240 records in 12 transactions: 80 committed and delivered, 160 aborted and not',
    )
  })

  test('a batch that is damaged on disk is an error that names its place, and nothing behind it is delivered', async () => {
    const topic = await fixture.createTopic(1)
    for (const value of ['one', 'two', 'three'])
      await fixture.produce([
        { topic, partition: 0, key: null, value: Buffer.from(value), headers: [] },
      ])
    await flip(join(node.partitionFolder(topic, 0), '00000000000000000000.log'), 'two')
    await using member = await joinGroup(topic, 'damaged', {})
    await member.until('the error', () => member.errors.length > 0)
    assert.deepEqual(values(member), ['one'])
    assert.deepEqual(
      member.errors.map((error) => error instanceof ShoalError && [error.code, error.details]),
      [['SHOAL_CORRUPT_BATCH', { topic, partition: 0, offset: 1 }]],
    )
    assert.match(String(member.errors[0]), /another checksum than its bytes/)
    await member.session.close()
  })
})

/** Changes one bit of a file where it holds a word. */
async function flip(path: string, word: string): Promise<void> {
  const file = await open(path, 'r+')
  try {
    const bytes = await file.readFile()
    const at = bytes.indexOf(word)
    assert.ok(at > 0, `${path} does not hold ${word}`)
    await file.write(Uint8Array.of((bytes[at] ?? 0) ^ 1), 0, 1, at)
  } finally {
    await file.close()
  }
}

function values(member: RecordingMember): readonly string[] {
  return member.seen.map(({ record }) => Buffer.from(record.value ?? []).toString())
}
