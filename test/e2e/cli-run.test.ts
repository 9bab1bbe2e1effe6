/**
 * `shoal run` as a stranger uses it: the service of the examples takes malformed messages, five-second tasks and Ctrl-C;
 * a handler that throws and a dead-letter topic that is not there lose nothing, and nothing is committed past them.
 */

import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { batchesIn, decodeRecords, incrementalAlterConfigs } from '../../src/protocol/index.ts'
import { ROOT } from '../real/services.ts'
import { shoal, ShoalProcess, startShoal } from '../real/shoal.ts'
import { RawClient } from './raw-client.ts'
import {
  batchOf,
  committed,
  createTopic,
  fetched,
  fetchFrom,
  offsetAt,
  produceTo,
  record,
} from './raw-requests.ts'

const EXAMPLE = join(ROOT, 'examples/seed-004/worker.ts')

/** A handler that neither ends nor hears that it should. */
const ENDLESS = `export function handle(message, ctx, { log }) {
  log('working')
  return new Promise(() => setInterval(() => {}, 60_000))
}`

let folder: string
let broker: ShoalProcess
let client: RawClient

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-run-'))
  broker = await ShoalProcess.start({ settings: { 'auto.create.topics.enable': 'false' } })
  client = await RawClient.connect(broker.port)
})

after(async () => {
  client[Symbol.dispose]()
  await broker[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

describe('the service of the examples', () => {
  test('handles what is JSON, sends what is not to the dead letters, and finishes its tasks on Ctrl-C', async () => {
    await topicWith('Scenario-Execute', [
      '{"scenario": "first"}',
      '{"broken',
      '{"scenario": "third"}',
    ])
    await createTopic(client, 'Scenario-Execute.dlq')
    await writeFile(
      join(folder, '.env'),
      `KAFKA_BOOTSTRAP_SERVERS=${broker.bootstrap}\nKAFKA_GROUP_ID=scenarios\nKAFKA_TOPIC=Scenario-Execute\n`,
    )

    const program = startShoal(['run', EXAMPLE, '--concurrency', '2'], { cwd: folder })
    // Both tasks run, and the message between them was put aside: five seconds are not waited for.
    await program.until(({ stderr }) => count(stderr, /Processing message/g) === 2)
    await program.until(({ stderr }) => stderr.includes('a record went to the dead letters'))
    program.kill('SIGINT')
    const { exitCode, stdout, stderr } = await program.finished()

    assert.deepEqual([exitCode, stdout], [0, ''])
    assert.match(stderr, /INFO - Consumer created with group\.id: scenarios\n/)
    assert.match(stderr, /INFO - Using 2 workers for concurrent processing\.\n/)
    assert.match(stderr, /INFO - Finished processing message: \{'scenario': 'first'\}\n/)
    assert.match(stderr, /INFO - Finished processing message: \{'scenario': 'third'\}\n/)
    assert.match(
      stderr,
      /INFO - Consumer closed\. {2}handled=2 failed=0 deadLettered=1 abandoned=0\n$/,
    )
    const others = linesOf(stderr).filter((line) => !/ - INFO - /.test(line))
    assert.deepEqual(others.length, 1, stderr)
    assert.match(
      others[0] ?? '',
      /WARN - a record went to the dead letters .*id=Scenario-Execute\/0\/1/,
    )
    assert.deepEqual(await valuesOf('Scenario-Execute.dlq'), ['{"broken'])
    assert.equal(await committedBy('scenarios', 'Scenario-Execute'), 3)
  })

  test('says what is missing, all of it, and ends with 78', async () => {
    const empty = await mkdtemp(join(folder, 'empty-'))
    const nothing = await shoal(['run', EXAMPLE], { cwd: empty })
    assert.deepEqual([nothing.exitCode, nothing.stdout], [78, ''])
    for (const name of ['KAFKA_BOOTSTRAP_SERVERS', 'KAFKA_GROUP_ID', 'KAFKA_TOPIC'])
      assert.match(nothing.stderr, new RegExp(`^  ${name} +required: `, 'm'))

    await writeFile(join(folder, 'no-handle.mjs'), 'export function handler() {}\n')
    await writeFile(join(folder, 'broken.ts'), '\nexport function handle() { 1 +* 2 }\n')
    for (const [module, words] of [
      ['absent.mjs', /absent\.mjs does not exist/],
      ['no-handle.mjs', /exports no function named handle \(it exports handler\)/],
      ['broken.ts', /broken\.ts cannot be loaded \(line 2\): /],
    ] as const) {
      const { exitCode, stderr } = await shoal(['run', module, ...settings('g', 't')], {
        cwd: folder,
      })
      assert.equal(exitCode, 78)
      assert.match(stderr, words)
    }
  })
})

describe('a handler that throws', () => {
  test('is tried again, then its record goes to the dead letters; the others are not held up', async () => {
    await topicWith('throwing', ['1', '2', '3'])
    await createTopic(client, 'throwing.dlq')
    const module = await moduleOf(
      'throwing.mjs',
      `export function handle(message, ctx, { log }) {
        log(\`attempt \${ctx.attempt} of \${message}\`)
        if (message === 2) throw new Error('two is not liked here')
      }`,
    )
    const program = startShoal(['run', module, ...settings('throwers', 'throwing')])
    await program.until(({ stderr }) => stderr.includes('a record went to the dead letters'))
    await until(async () => (await committedBy('throwers', 'throwing')) === 3)
    const { exitCode, stderr } = await program.stop()

    assert.equal(exitCode, 0)
    const attempts = linesOf(stderr).flatMap((line) => /attempt \d of \d/.exec(line) ?? [])
    assert.deepEqual(attempts.toSorted(), [
      'attempt 1 of 1',
      'attempt 1 of 2',
      'attempt 1 of 3',
      'attempt 2 of 2',
    ])
    assert.match(stderr, /handled=2 failed=\d deadLettered=1 abandoned=0/)
    assert.deepEqual(await valuesOf('throwing.dlq'), ['2'])
  })
})

describe('a dead letter that cannot be written', () => {
  test('keeps its record: nothing is committed past it until the letter is there', async () => {
    await topicWith('stuck', ['1', '2', '3'])
    await createTopic(client, 'stuck.dlq', { configs: { 'max.message.bytes': '100' } })
    const module = await moduleOf(
      'stuck.mjs',
      `export function handle(message, ctx, { log }) {
        if (message === 2) throw new Error('two is not liked here')
        log(\`done \${message}\`)
      }`,
    )
    const flags = settings('stuck-group', 'stuck')
    const first = startShoal(['run', module, ...flags])
    await first.until(({ stderr }) => /done 1[^]*done 3|done 3[^]*done 1/.test(stderr))
    await first.until(({ stderr }) => stderr.includes('a dead letter was not written'))
    const stopped = await first.stop()
    assert.match(
      stopped.stderr,
      /ERROR - a dead letter was not written, its key waits .*id=stuck\/0\/1/,
    )
    assert.equal(await committedBy('stuck-group', 'stuck'), 1, 'up to the record, not past it')

    await setTopic('stuck.dlq', 'max.message.bytes', '1000000')
    const second = startShoal(['run', module, ...flags])
    await until(async () => (await committedBy('stuck-group', 'stuck')) === 3)
    assert.equal((await second.stop()).exitCode, 0)
    assert.deepEqual(await valuesOf('stuck.dlq'), ['2'])
  })
})

describe('Ctrl-C', () => {
  test('once waits for what runs, twice leaves at once with 130; the record is not committed', async () => {
    await topicWith('endless', ['1'])
    const module = await moduleOf('endless.mjs', ENDLESS, '1m')
    const program = startShoal([
      'run',
      module,
      '--verbose',
      ...settings('endless-group', 'endless'),
    ])
    await program.until(({ stderr }) => stderr.includes('working'))
    assert.match(program.stderr, /INFO - the consumer starts /, '--verbose shows the runtime')
    program.kill('SIGINT')
    await program.until(({ stderr }) => stderr.includes('Stopping: '))
    program.kill('SIGINT')
    assert.equal((await program.finished()).exitCode, 130)
    assert.equal(await committedBy('endless-group', 'endless'), 0)

    // A time that is up ends the process as well, whatever the handler still does.
    const impatient = await moduleOf('impatient.mjs', ENDLESS)
    const again = startShoal(['run', impatient, ...settings('impatient', 'endless')])
    await again.until(({ stderr }) => stderr.includes('working'))
    assert.match((await again.stop()).stderr, /handled=0 failed=0 deadLettered=0 abandoned=1/)
    assert.equal(await committedBy('impatient', 'endless'), 0)
  })
})

function settings(group: string, topic: string): readonly string[] {
  return ['-b', broker.bootstrap, '-g', group, '-t', topic]
}

/** A module whose failures are tried once more after a moment. */
async function moduleOf(name: string, handle: string, drain = '200ms'): Promise<string> {
  const path = join(folder, name)
  const options = `export const options = { order: 'none', concurrency: 4, shutdown: { drain: '${drain}' }, retry: { attempts: 2, backoff: { kind: 'fixed', base: '10ms' } } }\n`
  await writeFile(path, options + handle)
  return path
}

async function topicWith(topic: string, values: readonly string[]): Promise<void> {
  await createTopic(client, topic)
  const { errorCode } = await produceTo(
    client,
    topic,
    batchOf(values.map((value) => record(value))),
  )
  assert.equal(errorCode, 'NONE')
}

async function setTopic(resourceName: string, name: string, value: string): Promise<void> {
  const configs = [{ name, configOperation: 0, value }]
  const { responses } = await client.request(incrementalAlterConfigs, {
    resources: [{ resourceType: 2, resourceName, configs }],
    validateOnly: false,
  })
  assert.equal(responses[0]?.errorCode, 'NONE')
}

async function valuesOf(topic: string): Promise<readonly string[]> {
  const decoder = new TextDecoder()
  if ((await offsetAt(client, topic, -1)).offset === 0) return []
  const { records } = fetched(await fetchFrom(client, topic))
  return [...batchesIn(records ?? new Uint8Array(0))].flatMap((batch) =>
    decodeRecords(batch).map(({ value }) => decoder.decode(value ?? undefined)),
  )
}

async function committedBy(group: string, topic: string): Promise<number> {
  return (await committed(client, group, topic)).committedOffset
}

/** Asks again and again; each question is a round trip to the broker. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + 60_000
  while (!(await holds())) assert.ok(performance.now() < deadlineMs, 'it does not come true')
}

function linesOf(text: string): readonly string[] {
  return text.split('\n').filter((line) => line !== '')
}

function count(text: string, pattern: RegExp): number {
  return text.match(pattern)?.length ?? 0
}
