/**
 * `shoal run` as an operator sees it: metrics, probes, alerts on lag, JSON logs, and a stop that finishes what runs.
 */

import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { TestBroker, waitFor } from 'shoal/testing'
import type { Program } from '../real/program.ts'
import { shoal, startShoal } from '../real/shoal.ts'

let broker: TestBroker
let folder: string

before(async () => {
  broker = await TestBroker.start({
    topics: { tasks: 2, 'tasks.dlq': 1, endless: 1, behind: 1, calm: 1 },
  })
  folder = await mkdtemp(join(tmpdir(), 'shoal-run-'))
})

after(async () => {
  await broker.close()
  await rm(folder, { recursive: true, force: true })
})

const HANDLER = `import { existsSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
export const options = { order: 'key', retry: { attempts: 2, backoff: { kind: 'fixed', base: '10ms' } } }
export async function handle(message, ctx, { log }) {
  log('begun ' + message.id)
  if (message.endless) await new Promise((_, reject) => {
    const alive = setInterval(() => {}, 1_000)
    ctx.signal.addEventListener('abort', () => { clearInterval(alive); reject(ctx.signal.reason) })
  })
  if (message.bad) throw new RangeError('this one is bad')
  while (message.until && !existsSync(message.until)) await setTimeout(20)
  log('done ' + message.id)
}
`

describe('a service with a port for metrics', () => {
  test('tells Prometheus what became of its records, and probes how it is; stops at SIGTERM', async () => {
    await broker.produce('tasks', [
      { key: 'a', value: { id: 1 } },
      { key: 'b', value: { id: 2, bad: true } },
      { key: 'c', value: 'not JSON' },
    ])
    const { program, address } = await service('tasks-group', 'tasks')
    await broker.waitUntilConsumed('tasks-group', 'tasks')

    const ready = await get(`${address}/readyz?verbose`)
    assert.equal(ready.status, 200)
    const { checks } = JSON.parse(ready.text) as { checks: Record<string, { message: string }> }
    assert.deepEqual(Object.keys(checks), ['group', 'running', 'progress', 'lag'])
    assert.match(checks['progress']?.message ?? '', /^ok; /)
    for (const path of ['/livez', '/healthz', '/readyz'])
      assert.deepEqual(await get(address + path), { status: 200, text: '{"status":"pass"}' })

    // The lag is that of the last look, which may have been before the last commit.
    const metrics = await waitFor(async () => {
      const { text } = await get(`${address}/metrics`)
      return text.includes('shoal_group_lag_records{backend="kafka",group="tasks-group"} 0') && text
    })
    const labels = 'backend="kafka",group="tasks-group",topic="tasks"'
    for (const line of [
      `shoal_records_processed_total{${labels},outcome="ok"} 1`,
      `shoal_records_processed_total{${labels},outcome="dead_letter"} 2`,
      `shoal_dead_letters_total{${labels},reason="RangeError"} 1`,
      'shoal_consumer_health{backend="kafka",group="tasks-group",status="ok"} 1',
    ])
      assert.ok(metrics.includes(`${line}\n`), `${line}\n${metrics}`)
    assert.match(metrics, /^nodejs_version_info\{/m)
    assert.equal((await get(`${address}/metrix`)).status, 404)

    const { exitCode, stderr } = await program.stop()
    assert.equal(exitCode, 0)
    assert.match(stderr, /Consumer closed\. {2}handled=1 failed=0 deadLettered=2 abandoned=0\n$/)
  })

  test('is not ready while it stops: what runs is finished and committed first', async () => {
    const released = join(folder, 'calm-is-released')
    await broker.produce('calm', [{ key: 'a', value: { id: 1, until: released } }])
    const { program, address } = await service('calm-group', 'calm')
    await program.until(({ stderr }) => stderr.includes('begun 1'))
    program.kill('SIGTERM')
    const stopping = await waitFor(async () => {
      const answer = await get(`${address}/readyz`)
      return answer.status === 503 && answer
    })
    assert.match(stopping.text, /not ready: running: stopping: finishes what runs/)
    assert.equal((await get(`${address}/livez`)).status, 200)

    await writeFile(released, '')
    const { exitCode, stderr } = await program.finished()
    assert.equal(exitCode, 0)
    assert.match(stderr, /done 1/)
    assert.equal(await broker.lag('calm-group', 'calm'), 0)
  })

  test('says that it is stuck, and why: 503 for the readiness, 200 for the liveness', async () => {
    await broker.produce('endless', [
      { key: 'a', value: { id: 1, endless: true } },
      { key: 'a', value: { id: 2 } },
    ])
    const { program, address } = await service('endless-group', 'endless', {
      SHOAL_CONSUMER_STUCK_AFTER: '1s',
    })
    const answer = await waitFor(async () => {
      const { status, text } = await get(`${address}/readyz?verbose`)
      return status === 503 && text.includes('stuck') && text
    })
    assert.match(answer, /2 records wait and none has finished for \d+ s/)
    assert.match(answer, /the oldest handler has run for \d/)
    assert.equal((await get(`${address}/livez`)).status, 200)
    // A second signal ends it at once.
    program.kill('SIGTERM')
    await program.until(({ stderr }) => stderr.includes('Stopping: '))
    program.kill('SIGTERM')
    assert.equal((await program.finished()).exitCode, 130)
    assert.equal(await broker.lag('endless-group', 'endless'), 2)
  })
})

describe('alerts on lag', () => {
  test('run a program and a function when the threshold is crossed, and again when that is over', async () => {
    const file = join(folder, 'alerts')
    const yaml = `lag:
  interval: 100ms
  alerts:
    - name: behind
      records: 3
      for: 200ms
      exec: ['/bin/sh', '-c', 'cat >> ${file}; echo >> ${file}']
`
    await writeFile(join(folder, 'shoal.yaml'), yaml)
    const released = join(folder, 'behind-is-released')
    await broker.produce(
      'behind',
      [1, 2, 3, 4].map((id) => ({ key: 'a', value: { id, until: released } })),
    )
    const module = `${HANDLER}export function onAlert({ name, kind }) { process.stderr.write(name + ' is ' + kind + '\\n') }\n`
    const { program } = await service('behind-group', 'behind', {}, module)
    await program.until(({ stderr }) => stderr.includes('behind is firing'))
    await writeFile(released, '')
    await program.until(({ stderr }) => stderr.includes('behind is resolved'))
    await broker.waitUntilConsumed('behind-group', 'behind')
    const told = async () => (await readFile(file, 'utf8').catch(() => '')).trim().split('\n')
    await waitFor(async () => (await told()).length === 2)
    assert.equal((await program.stop()).exitCode, 0)

    const notices = await told()
    const [firing, resolved] = notices.map((line) => JSON.parse(line) as Record<string, unknown>)
    assert.deepEqual(
      [firing?.['kind'], resolved?.['kind'], notices.length],
      ['firing', 'resolved', 2],
    )
    assert.deepEqual([firing?.['name'], firing?.['group']], ['behind', 'behind-group'])
    assert.ok(Number(firing?.['records']) >= 3)
    await rm(join(folder, 'shoal.yaml'))
  })
})

describe('the configuration of a service', () => {
  test('is refused with every problem at once, and where each stands', async () => {
    const place = await mkdtemp(join(folder, 'bad-'))
    await writeFile(join(place, 'shoal.yaml'), 'metrics:\n  port: 80800\nconsumer:\n  order: any\n')
    await writeFile(join(place, '.env'), 'KAFKA_GROUP_ID=g\nSHOAL_LOG_LEVLE=info\n')
    for (const command of [
      ['run', 'worker.mjs'],
      ['config', 'validate'],
    ]) {
      const { exitCode, stdout, stderr } = await shoal(command, { cwd: place })
      assert.deepEqual([exitCode, stdout], [78, ''])
      assert.equal(
        stderr,
        `✖ 5 problems in configuration (shoal.yaml, .env, environment)
  SHOAL_LOG_LEVLE          unknown setting; did you mean SHOAL_LOG_LEVEL?                 .env:2
  KAFKA_BOOTSTRAP_SERVERS  required: where the broker is: host:port, several with commas
  KAFKA_TOPIC              required: the topics to consume
  consumer.order           "any": expected key, partition or none                         shoal.yaml:4
  metrics.port             80800 is above 65535                                           shoal.yaml:2
`,
      )
    }
  })

  test('is shown with its sources, and secrets masked', async () => {
    const place = await mkdtemp(join(folder, 'view-'))
    await writeFile(join(place, 'password'), 'geheim\n')
    await writeFile(
      join(place, '.env'),
      'KAFKA_BOOTSTRAP_SERVERS=b:1\nKAFKA_GROUP_ID=g\nKAFKA_TOPIC=t\nSHOAL_CONSUMER_SASL_PASSWORD_FILE=password\n',
    )
    const { stdout } = await shoal(['config', 'view'], { cwd: place })
    assert.match(stdout, /^consumer\.group +g +\.env:2$/m)
    assert.match(stdout, /^consumer\.saslPassword +\*\*\* +\.env:4$/m)
    assert.match(stdout, /^consumer\.sessionTimeout +60000ms +default$/m)
    assert.doesNotMatch(stdout, /geheim/)
    const schema = await shoal(['config', 'schema'], { cwd: place })
    assert.equal((JSON.parse(schema.stdout) as { title: string }).title, 'shoal.yaml')
  })
})

/** Starts a service on a free port for metrics; resolves when it tells which. */
async function service(
  group: string,
  topic: string,
  env: Readonly<Record<string, string>> = {},
  module = HANDLER,
): Promise<{ readonly program: Program; readonly address: string }> {
  await writeFile(join(folder, `${group}.mjs`), module)
  const settings = ['-b', broker.bootstrap, '-g', group, '-t', topic, '--metrics-port', '0']
  const program = startShoal(['run', `${group}.mjs`, ...settings, '--concurrency', '4'], {
    cwd: folder,
    env: { SHOAL_LAG_INTERVAL: '200ms', ...env },
  })
  await program.until(({ stderr }) => /Metrics and probes on \S+\n/.test(stderr))
  const [, address = ''] = /Metrics and probes on (\S+)/.exec(program.stderr) ?? []
  return { program, address }
}

async function get(url: string): Promise<{ readonly status: number; readonly text: string }> {
  const response = await fetch(url)
  return { status: response.status, text: await response.text() }
}
