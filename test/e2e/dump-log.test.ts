/**
 * Apache Kafka's own `kafka-dump-log` reads the files that Shoal wrote: segments, offset indexes and time indexes.
 *
 * The tool exits 0 on damage, so its words are read; a deliberately wrong index entry shows that they would tell.
 */

import assert from 'node:assert/strict'
import { cp, mkdtemp, open, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Kafka, logLevel } from 'kafkajs'
import { apacheKafkaMissing, kafkaTool } from '../real/apache-kafka.ts'
import { needs } from '../real/services.ts'
import { ShoalProcess } from '../real/shoal.ts'

const RECORDS = 20_000
const COMPLAINTS =
  /isvalid: false|Mismatches in|not found in|invalid bytes at the end|Found timestamp mismatch|Found out of order/

describe('kafka-dump-log of Apache Kafka', needs(apacheKafkaMissing()), () => {
  let broker: ShoalProcess
  let folder: string
  let files: readonly string[]

  before(async () => {
    // Small segments, so that some are rolled and their indexes complete.
    broker = await ShoalProcess.start({
      settings: {
        'log.segment.bytes': '1048576',
        'log.index.interval.bytes': '4096',
        'shoal.direct.write.bytes': '65536',
      },
    })
    await fill(broker.bootstrap)
    await broker.stop()
    folder = join(broker.folder, 'data', 'topics')
    files = (await readdir(folder, { recursive: true }))
      .filter((name) => /\d{20}\.(log|index|timeindex)$/.test(name))
      .sort()
  })

  after(async () => broker[Symbol.asyncDispose]())

  test('finds every batch valid and every index entry right', async (context) => {
    const logs = files.filter((name) => name.endsWith('.log'))
    const indexes = files.filter((name) => !name.endsWith('.log'))
    assert.ok(logs.length >= 3, `several segments: ${files.join(' ')}`)
    assert.ok(indexes.length >= 4, `indexes of rolled segments: ${files.join(' ')}`)
    const words = await dump(files.map((name) => join(folder, name)))
    const valid = words.match(/isvalid: true/g)?.length ?? 0
    const entries = words.match(/^offset: \d+ position: \d+$/gm)?.length ?? 0
    const times = words.match(/^timestamp: \d+ offset: \d+$/gm)?.length ?? 0
    assert.doesNotMatch(words, COMPLAINTS)
    assert.ok(valid > 0 && entries > 0 && times > 0, words.slice(0, 2_000))
    context.diagnostic(
      `${logs.length} segments, ${valid} batches valid, ${entries} index and ${times} time index entries right`,
    )
  })

  test('decodes every record with its key, value and header', async () => {
    const logs = files.filter((name) => name.endsWith('.log')).map((name) => join(folder, name))
    const words = await dump(logs, ['--print-data-log'])
    assert.equal(words.match(/ key: key-\d+ payload: x+/g)?.length, RECORDS)
    assert.match(words, /headerKeys: \[origin\]/)
  })

  test('complains of an index entry that was made wrong on purpose', async () => {
    const index = files.find((name) => name.endsWith('.index'))
    assert.ok(index !== undefined)
    const damaged = await mkdtemp(join(tmpdir(), 'shoal-damaged-'))
    try {
      const name = index.slice(index.lastIndexOf('/') + 1)
      await cp(join(folder, index), join(damaged, name))
      await cp(
        join(folder, index.replace('.index', '.log')),
        join(damaged, name.replace('.index', '.log')),
      )
      const handle = await open(join(damaged, name), 'r+')
      await handle.write(Buffer.from([0, 0, 0, 1]), 0, 4, 0)
      await handle.close()
      const words = await dump([join(damaged, name)])
      assert.match(words, COMPLAINTS)
    } finally {
      await rm(damaged, { recursive: true, force: true })
    }
  })
})

async function fill(bootstrap: string): Promise<void> {
  const producer = new Kafka({ brokers: [bootstrap], logLevel: logLevel.ERROR }).producer()
  await producer.connect()
  for (let sent = 0, sends = 0; sent < RECORDS; sends++) {
    // Every fifth send is large enough to go straight to its segment.
    const count = Math.min(RECORDS - sent, sends % 5 === 4 ? 1_000 : 100)
    const first = sent
    sent += count
    const messages = Array.from({ length: count }, (_, index) => ({
      key: `key-${first + index}`,
      value: 'x'.repeat(100),
      partition: 0,
      headers: { origin: 'test' },
    }))
    await producer.send({ topic: 'dumped', messages })
  }
  await producer.disconnect()
}

/** Its words of both streams: mismatches are told on stderr. */
async function dump(paths: readonly string[], flags: readonly string[] = []): Promise<string> {
  const args = ['--deep-iteration', ...flags, '--files', paths.join(',')]
  const { stdout, stderr } = await kafkaTool('org.apache.kafka.tools.DumpLogSegments', args)
  return stdout + stderr
}
