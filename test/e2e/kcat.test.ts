/**
 * kcat (librdkafka 2.0.2): produce, consume, group, metadata, offsets by time.
 */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Program, run } from '../real/program.ts'
import { missingFile, needs } from '../real/services.ts'
import { ShoalProcess } from '../real/shoal.ts'

const CODECS = ['none', 'gzip', 'snappy', 'lz4'] as const

describe('kcat', needs(missingFile('/usr/bin/kcat', 'kcat')), () => {
  let broker: ShoalProcess

  before(async () => {
    broker = await ShoalProcess.start({ settings: { 'num.partitions': '2' } })
  })
  after(async () => broker[Symbol.asyncDispose]())

  for (const codec of CODECS)
    test(`produces and reads back records with headers, compression ${codec}`, async () => {
      const topic = `codec-${codec}`
      const input = Array.from({ length: 100 }, (_, index) => `k${index}:value ${index}\n`).join('')
      const produced = await kcat(
        ['-P', '-t', topic, '-p', '0', '-z', codec, '-K:', '-H', 'origin=kcat'],
        input,
      )
      assert.deepEqual([produced.exitCode, produced.stderr], [0, ''])
      const consumed = await kcat(['-C', '-t', topic, '-p', '0', '-e', '-q', '-f', '%o %k=%s %h\n'])
      assert.equal(consumed.exitCode, 0, consumed.stderr)
      const expected = Array.from(
        { length: 100 },
        (_, index) => `${index} k${index}=value ${index} origin=kcat\n`,
      ).join('')
      assert.equal(consumed.stdout, expected)
    })

  test('lists brokers, topics and partitions', async () => {
    await kcat(['-P', '-t', 'listed', '-p', '1'], 'one\n')
    const { stdout } = await kcat(['-L', '-t', 'listed'])
    assert.match(stdout, new RegExp(`broker 1 at 127.0.0.1:${broker.port}`))
    assert.match(stdout, /topic "listed" with 2 partitions:/)
  })

  test('finds the offset of a moment', async () => {
    await kcat(['-P', '-t', 'timed', '-p', '0'], 'before\n')
    const { stdout } = await kcat(['-Q', '-t', 'timed:0:-1'])
    assert.match(stdout, /timed \[0\] offset 1/)
    const first = await kcat(['-Q', '-t', 'timed:0:1000'])
    assert.match(first.stdout, /timed \[0\] offset 0/)
  })

  test('consumes in a group and goes on behind its commit', async () => {
    await kcat(['-P', '-t', 'grouped', '-p', '0'], 'one\ntwo\n')
    await consumeInGroup(2, ['one', 'two'])
    await kcat(['-P', '-t', 'grouped', '-p', '0'], 'three\n')
    await consumeInGroup(1, ['three'])
  })

  async function consumeInGroup(count: number, values: readonly string[]): Promise<void> {
    const args = [
      '-b',
      broker.bootstrap,
      '-G',
      'kcat-group',
      '-c',
      String(count),
      '-q',
      '-X',
      'auto.offset.reset=earliest',
      'grouped',
    ]
    await using program = new Program('kcat', args)
    const { stdout } = await program.finished()
    assert.deepEqual(stdout.trimEnd().split('\n'), values)
  }

  function kcat(args: readonly string[], input = '') {
    return run('kcat', ['-b', broker.bootstrap, ...args], { input })
  }
})
