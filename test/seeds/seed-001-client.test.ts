/**
 * Seed 001, lines 174-187 and 386-452: the configuration file, and the page's program in TypeScript.
 */

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { newConsumer, readConsumerYaml, type PollingConsumer } from 'shoal/client'
import { Program } from '../real/program.ts'
import { ROOT } from '../real/services.ts'
import { HttpStage } from './http-stage.ts'
import { once } from './waiting.ts'

const EXAMPLES = join(ROOT, 'examples/seed-001')

describe('seed 001, the client', { concurrency: 4 }, () => {
  let stage: HttpStage
  before(async () => {
    stage = await HttpStage.open()
  })
  after(async () => stage[Symbol.asyncDispose]())

  /** The page's program on two orders of which one fails at first, until SIGTERM. */
  const program = once(async () => {
    await stage.topic('orders', 1, 'order-1', 'flaky')
    await using running = new Program(
      process.execPath,
      ['--conditions=@shoal/source', join(EXAMPLES, 'order-processor.ts')],
      { env: { SHOAL_BROKERS: stage.address } },
    )
    await running.until(({ stdout }) => stdout.includes('flaky, delivery 2'))
    running.kill('SIGTERM')
    return running.finished()
  })

  test('S001-30 takes the YAML of the page as printed', async () => {
    const settings = readConsumerYaml(await readFile(join(EXAMPLES, 'consumer.yaml'), 'utf8'))
    assert.deepEqual(settings, { sessionTimeout: '30s', heartbeatInterval: '10s' })
    await using consumer = await consumerOf('s001-30', settings)
    assert.equal(consumer.assignment.length, 1)
  })

  test('S001-31 CONTRADICTION: 10 s is not less than a third of 30 s; it is accepted, more is warned of', async () => {
    const warnings: string[] = []
    const logger = {
      log: (level: string, message: string) => void (level === 'warn' && warnings.push(message)),
    }
    await using _ = await consumerOf('s001-31', {
      sessionTimeout: '30s',
      heartbeatInterval: '10s',
      logger,
    })
    assert.deepEqual(warnings, [])
    await using __ = await consumerOf('s001-31-more', {
      sessionTimeout: '30s',
      heartbeatInterval: '10001ms',
      logger,
    })
    assert.match(warnings[0]!, /more than a third of sessionTimeout/)
  })

  test('S001-55 IMPOSSIBLE as printed: the same shape in TypeScript processes, nacks and acks', async () => {
    const { stdout } = await program()
    assert.match(stdout, /^Processed order-1, delivery 1$/m)
    assert.match(stdout, /^Process error: no stock$/m)
    assert.match(stdout, /^Processed flaky, delivery 2$/m)
    assert.equal(await stage.committed('order-processor', 'orders'), 2)
  })

  test('S001-56 polls at most a hundred messages over all partitions', async () => {
    await stage.topic('s001-56', 2)
    const values = Array.from({ length: 120 }, (_, index) => `${index}`)
    for (const partition of [0, 1]) await stage.publish('s001-56', values, partition)
    await using consumer = await consumerOf('s001-56', {}, { exists: true })
    for (let left = 240; left > 0;) {
      const { length } = await consumer.poll(100)
      assert.ok(length <= 100, `${length}`)
      left -= length
    }
  })

  test('S001-59 ends the loop by SIGTERM, leaves the group and exits with 0', async () => {
    const { exitCode, stdout, stderr } = await program()
    assert.equal(exitCode, 0, stderr)
    assert.match(stdout, /Left the group\n$/)
    assert.deepEqual((await stage.get('/groups/order-processor')).members, [])
  })

  async function consumerOf(
    name: string,
    settings: object,
    { exists = false }: { readonly exists?: boolean } = {},
  ): Promise<PollingConsumer> {
    if (!exists) await stage.topic(name, 1)
    const base = { brokers: stage.address, groupId: name, topics: [name] }
    return newConsumer({ ...base, ...settings })
  }
})
