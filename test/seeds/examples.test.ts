/**
 * Every code block of seeds 000 and 003 as a program of `examples/`: run as a user would, its output compared with the file
 * beside it, byte for byte.
 *
 * Each gets a broker of its own with the records that the page has in its topic. A loop that goes on is asked to stop
 * (SIGINT) when it has printed what comes before its last words. Blocks of output whose order the page leaves open (the
 * order of two partitions) are compared in any order.
 */

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { KafkaProducer } from 'shoal/kafka'
import { TestBroker, waitFor, type TestRecord } from 'shoal/testing'
import { Program } from '../real/program.ts'
import { ROOT } from '../real/services.ts'
import { shoal, startShoal } from '../real/shoal.ts'

interface Example {
  readonly topics: Readonly<Record<string, number>>
  readonly records?: Readonly<Record<string, readonly TestRecord[]>>
  /** Asked to stop when so many lines stand there; default: it ends by itself. */
  readonly stopAfterLines?: number
  /** Asked to stop when this group has committed all of this topic. */
  readonly stopAfterCommitted?: readonly [group: string, topic: string]
  /** Lines of several partitions, each with the lines indented below it, in any order. */
  readonly anyOrder?: boolean
  /** Runs before: killed when it has printed so many lines. */
  readonly crash?: { readonly env: Readonly<Record<string, string>>; readonly afterLines: number }
}

/** The message that the page of seed 004 sends. */
const TASK =
  '{"scenario": "run-analysis", "parameters": {"analysisType": "quick", "threshold": 10}, "timestamp": 1673456734}'

const values = (...texts: readonly unknown[]): readonly TestRecord[] =>
  texts.map((value) => ({ value, partition: 0 }))

const examples: Readonly<Record<string, Example>> = {
  'seed-000/poll-loop': {
    topics: { InputTopicName: 1 },
    records: { InputTopicName: values('first', 'second', 'third') },
    stopAfterLines: 3,
  },
  'seed-000/internal-queue': {
    topics: { topic: 1 },
    records: { topic: values('1', '2', '3') },
    stopAfterLines: 3,
  },
  'seed-000/over-provisioning': { topics: { 'two-partitions': 2 } },
  'seed-000/auto-commit': {
    topics: { payments: 1 },
    records: { payments: values('10', '20', '30') },
  },
  'seed-000/slow-handler': { topics: { requests: 1 }, records: { requests: values('slow') } },
  'seed-003/basic-consumer': { topics: { 'task-created': 1 } },
  'seed-003/poll-pattern': {
    topics: { 'task-created': 1 },
    records: { 'task-created': values('one', 'two') },
    stopAfterLines: 2,
  },
  'seed-003/offset-reset': {
    topics: { 'task-created': 1 },
    records: { 'task-created': values('old', 'older') },
  },
  'seed-003/complete-loop': {
    topics: { 'task-created': 2 },
    records: {
      'task-created': [
        { key: 'task-123', value: { title: 'Buy groceries' } },
        { key: 'task-456', value: { title: 'Complete report' } },
      ],
    },
    stopAfterLines: 9,
    anyOrder: true,
  },
  'seed-003/auto-commit': {
    topics: { timeline: 1 },
    records: { timeline: values(...Array.from({ length: 101 }, (_, index) => index)) },
  },
  'seed-003/manual-commit': {
    topics: { 'task-created': 1 },
    records: { 'task-created': values({ id: 1 }, { id: 2 }, { id: 3 }, { id: 4 }) },
    crash: { env: { DATABASE: 'down' }, afterLines: 4 },
    stopAfterLines: 1,
  },
  'seed-003/manual-timeline': { topics: { timeline: 1 }, records: { timeline: values('one') } },
  'seed-003/at-least-once': {
    topics: { 'task-created': 1 },
    records: { 'task-created': values({ id: 'a' }, { id: 'b' }, { id: 'a' }) },
    stopAfterLines: 3,
  },
  'seed-003/sync-async-commit': {
    topics: { 'task-created': 1 },
    records: { 'task-created': values('one', 'two') },
  },
  'seed-003/losing-messages': {
    topics: { 'task-created': 1, 'task-created.dlq': 1 },
    records: { 'task-created': values('first', 'flaky', 'last') },
    stopAfterLines: 5,
  },
  'seed-003/idempotent-mail': {
    topics: { 'task-created': 1 },
    records: {
      'task-created': [
        mail('task-1', 'ann@example.com', 'Buy groceries'),
        mail('task-1', 'ann@example.com', 'Buy groceries'),
        mail('task-2', 'ben@example.com', 'Complete report'),
      ],
    },
    stopAfterCommitted: ['mail', 'task-created'],
    anyOrder: true,
  },
  'seed-003/three-strategies': {
    topics: { 'task-events': 1 },
    records: { 'task-events': values('a', 'b', 'c', 'd') },
  },
}

describe('the examples of the seeds', { concurrency: 4 }, () => {
  for (const [name, example] of Object.entries(examples))
    test(`${name} prints what stands beside it`, async () => {
      const printed = await output(name, example)
      const expected = readFileSync(join(ROOT, 'examples', `${name}.out`), 'utf8')
      if (example.anyOrder === true)
        assert.deepEqual(blocksOf(printed).toSorted(), blocksOf(expected).toSorted())
      else assert.equal(printed, expected)
    })

  test('seed-004/worker, the service of the page, prints what stands beside it', async () => {
    await using broker = await TestBroker.start({ topics: { 'Scenario-Execute': 1 } })
    const folder = await mkdtemp(join(tmpdir(), 'shoal-seed-004-'))
    try {
      const env = readFileSync(join(ROOT, 'examples/seed-004/.env.example'), 'utf8')
      await writeFile(join(folder, '.env'), env.replace('localhost:9092', broker.bootstrap))
      await copyFile(join(ROOT, 'examples/seed-004/shoal.yaml'), join(folder, 'shoal.yaml'))
      const worker = join(ROOT, 'examples/seed-004/worker.ts')
      await using service = startShoal(['run', worker], { cwd: folder })
      await service.until(({ stderr }) => stderr.includes('listening to the topic'))
      const flags = ['--broker-list', broker.bootstrap, '--topic', 'Scenario-Execute']
      const sent = await shoal(['produce', ...flags], { input: `${TASK}\n` })
      assert.equal(sent.exitCode, 0, sent.stderr)
      await service.until(({ stderr }) => stderr.includes('Finished processing'))
      service.kill('SIGTERM')
      const { exitCode, stderr } = await service.finished()
      assert.equal(exitCode, 0)
      const shown = stderr
        .replaceAll(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} /gm, 'TIME ')
        .replace(/Using \d+ workers?/, 'Using N workers')
      assert.equal(shown, readFileSync(join(ROOT, 'examples/seed-004/worker.out'), 'utf8'))
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  test('are all run: no output without an example, no example without output', () => {
    const found = ['seed-000', 'seed-003'].flatMap((folder) =>
      readdirSync(join(ROOT, 'examples', folder))
        .filter((file) => file.endsWith('.out'))
        .map((file) => `${folder}/${file.slice(0, -'.out'.length)}`),
    )
    assert.deepEqual(found.toSorted(), Object.keys(examples).toSorted())
  })
})

async function output(name: string, example: Example): Promise<string> {
  await using broker = await TestBroker.start({ topics: example.topics })
  await fill(broker, example)
  const crashed = example.crash === undefined ? '' : await crash(broker, name, example.crash)
  await using program = start(broker, name)
  const { stopAfterLines, stopAfterCommitted } = example
  if (stopAfterLines !== undefined)
    await program.until(({ stdout }) => linesOf(stdout).length >= stopAfterLines)
  if (stopAfterCommitted !== undefined) await broker.waitUntilConsumed(...stopAfterCommitted)
  if (stopAfterLines !== undefined || stopAfterCommitted !== undefined) program.kill('SIGINT')
  const { exitCode, stdout, stderr } = await program.finished()
  assert.equal(exitCode, 0, `${stdout}\n${stderr}`)
  return crashed + stdout
}

/** Killed like a crash: its group has to notice by itself. */
async function crash(
  broker: TestBroker,
  name: string,
  { env, afterLines }: NonNullable<Example['crash']>,
): Promise<string> {
  const program = start(broker, name, env)
  await program.until(({ stdout }) => linesOf(stdout).length >= afterLines)
  program.kill('SIGKILL')
  return (await program.finished()).stdout
}

function start(
  broker: TestBroker,
  name: string,
  env: Readonly<Record<string, string>> = {},
): Program {
  const flags = ['--disable-warning=ExperimentalWarning', '--conditions=@shoal/source']
  return new Program(process.execPath, [...flags, join(ROOT, 'examples', `${name}.ts`)], {
    env: { KAFKA_BOOTSTRAP_SERVERS: broker.bootstrap, ...env },
  })
}

/** Keys choose their partition as librdkafka does: the page's producer is a Python one. */
async function fill(broker: TestBroker, { records = {} }: Example): Promise<void> {
  await using producer = await KafkaProducer.open({
    brokers: broker.bootstrap,
    partitioner: 'crc32',
  })
  const text = new TextEncoder()
  const bytes = (value: unknown) =>
    text.encode(typeof value === 'string' ? value : JSON.stringify(value))
  for (const [topic, list] of Object.entries(records))
    await Promise.all(
      list.map(({ key = null, value, partition = null }) =>
        producer.send({
          topic,
          partition,
          key: key === null ? null : bytes(key),
          value: bytes(value),
          headers: [],
        }),
      ),
    )
  await waitFor(async () => {
    for (const [topic, list] of Object.entries(records))
      if ((await broker.records(topic)).length < list.length) return false
    return true
  })
}

function mail(taskId: string, owner: string, title: string): TestRecord {
  const value = { task_id: taskId, title, owner_email: owner, created_at: '2026-01-01T00:00:00Z' }
  return { key: taskId, value }
}

function linesOf(text: string): readonly string[] {
  return text.split('\n').slice(0, -1)
}

/** A line and the indented ones below it. */
function blocksOf(text: string): readonly string[] {
  return text.split(/\n(?! )/)
}
