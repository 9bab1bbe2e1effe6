/**
 * Rows of the checklist that show in the command line and in a service run by it: each on a broker of its own, in a process
 * of its own. `product-rows.tsv` lists them, with those that other tests show.
 */

import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { consumer } from 'shoal'
import { TestBroker, waitFor } from 'shoal/testing'
import type { Program } from '../real/program.ts'
import { shoal, startShoal } from '../real/shoal.ts'

let folder: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-product-'))
})

after(() => rm(folder, { recursive: true, force: true }))

describe('shoal doctor', () => {
  test('S000-18 names idle members, and the fix', async () => {
    await using broker = await TestBroker.start({ topics: { orders: 2 } })
    const definition = consumer({
      group: 'crowded',
      source: broker.source('orders'),
      handle: () => {},
    })
    const members = await Promise.all([1, 2].map(() => definition.start()))
    await waitFor(async () => {
      const { stdout } = await shoal(['doctor', 'crowded', '-b', broker.bootstrap])
      return stdout === 'nothing is wrong\n'
    })
    const place = await mkdtemp(join(folder, 'idle-'))
    await writeFile(join(place, 'worker.mjs'), 'export function handle() {}\n')
    const settings = ['-b', broker.bootstrap, '-g', 'crowded', '-t', 'orders']
    await using third = startShoal(['run', 'worker.mjs', ...settings], {
      cwd: place,
      env: { SHOAL_CONSUMER_CLIENT_ID: 'third' },
    })
    const said = await waitFor(async () => {
      const { exitCode, stdout } = await shoal(['doctor', 'crowded', '-b', broker.bootstrap])
      return exitCode === 1 && stdout
    })
    assert.match(said, /^WARN {2}crowded: 3 members for 2 partitions: 1 idle .* \[idle-members\]$/m)
    assert.match(said, /^ +fix: at most as many members as partitions/m)
    // A service says it by itself: the last to come takes nothing from those that are there.
    assert.match(said, /1 idle \(third\)/)
    await third.until(({ stderr }) => stderr.includes('This member has no partition: '))
    for (const member of members) await member.drain()
  })

  test('S000-25 names the three anti-patterns of the page, each with its fix', async () => {
    // Twenty consumers for ten partitions are S000-18; the other two stand in the settings and in the handler.
    const findings = await advice(
      'critical',
      'enable.auto.commit=true\nauto.offset.reset=earliest\n',
    )
    assert.deepEqual(
      findings.filter(({ severity }) => severity === 'warn').map(({ rule }) => rule),
      ['auto-commit', 'blocked-poll-loop'],
    )
    for (const { fix } of findings) assert.ok(fix.length > 0)
  })

  test('S003-34 warns of auto-commit where handlers are slow, and not where they are fast', async () => {
    const settings = 'enable.auto.commit=true\nauto.commit.interval.ms=1000\n'
    const rules = async (time: string) =>
      (await advice('auto', settings, time)).filter(({ severity }) => severity === 'warn')
    assert.deepEqual(
      (await rules('7s')).map(({ rule, problem }) => [rule, /loses it for good/.test(problem)]),
      [['auto-commit', true]],
    )
    assert.deepEqual(await rules('50ms'), [])
  })

  test('S001-54 names what can be seen of the do’s and don’ts', async () => {
    const settings =
      'session.timeout.ms=1000\nheartbeat.interval.ms=500\npartition.assignment.strategy=range\n'
    const rules = (await advice('dont', settings)).map(({ rule }) => rule)
    for (const rule of [
      'tiny-session-timeout',
      'heartbeat-interval',
      'stop-the-world',
      'auto-commit',
    ])
      assert.ok(rules.includes(rule), `${rule}: ${rules.join(', ')}`)
  })

  test('S003-57 detects the mistakes of the table: uncommitted work, nobody at work', async () => {
    await using broker = await TestBroker.start({ topics: { tasks: 1 } })
    await broker.produce('tasks', [{ value: 1 }, { value: 2 }])
    const running = await consumer({
      group: 'gone',
      source: broker.source('tasks'),
      handle: () => {},
    }).start()
    await broker.waitUntilConsumed('gone', 'tasks')
    await running.drain()
    await broker.produce('tasks', [{ value: 3 }])
    const { exitCode, stdout } = await shoal(['doctor', '-b', broker.bootstrap, '--json'])
    assert.equal(exitCode, 1)
    const { findings } = JSON.parse(stdout) as { findings: readonly Finding[] }
    assert.deepEqual(
      findings.map(({ rule, subject, problem }) => [rule, subject, problem]),
      [['no-members', 'gone', 'nobody is in the group and 1 records wait']],
    )
  })

  test('S001-31 takes the printed YAML: 10 s of 30 s is a third, not more', async () => {
    const place = await mkdtemp(join(folder, 'yaml-'))
    const printed =
      'consumer:\n  # How long before consumer is considered dead\n  sessionTimeout: "30s"\n  \n  # How often to send heartbeats (should be < sessionTimeout/3)\n  heartbeatInterval: "10s"\n'
    await writeFile(join(place, 'shoal.yaml'), printed)
    await writeFile(
      join(place, '.env'),
      'KAFKA_BOOTSTRAP_SERVERS=b:1\nKAFKA_GROUP_ID=g\nKAFKA_TOPIC=t\n',
    )
    const valid = await shoal(['config', 'validate'], { cwd: place })
    assert.deepEqual([valid.exitCode, valid.stdout], [0, 'the configuration is valid\n'])
    await writeFile(join(place, 'shoal.yaml'), printed.replace('10s', '11s'))
    const refused = await shoal(['config', 'validate'], { cwd: place })
    assert.equal(refused.exitCode, 78)
    assert.match(refused.stderr, /consumer\.heartbeatInterval +11000 ms is more than a third/)
  })
})

describe('a service', () => {
  test('S004-38 scales out: two instances split the partitions', async () => {
    await using broker = await TestBroker.start({ topics: { tasks: 4 } })
    const module = `export function handle(message, { partition }, { log }) { log('partition ' + partition) }\n`
    const [first, second] = [
      await service(broker, 'tasks', module),
      await service(broker, 'tasks', module),
    ]
    const partitions = ({ stderr }: Program) =>
      new Set([...stderr.matchAll(/INFO - partition (\d)/g)].map(([, index]) => index))
    // Each round reaches every partition; after the rebalance both have a half.
    await waitFor(async () => {
      await broker.produce(
        'tasks',
        [0, 1, 2, 3].map((partition) => ({ partition, value: 1 })),
      )
      return partitions(first).size >= 2 && partitions(second).size === 2
    })
    const described = await shoal(['groups', 'describe', 'g', '-b', broker.bootstrap])
    const owners = described.stdout
      .split('\n')
      .slice(2, -1)
      .map((line) => line.split(/\s+/)[6])
    assert.equal(new Set(owners).size, 2, described.stdout)
    assert.equal((await first.stop()).exitCode, 0)
    assert.equal((await second.stop()).exitCode, 0)
    assert.equal(await broker.lag('g', 'tasks'), 0)
  })

  test('S004-39 recovers from a broker that crashes under it: goes on where it was', async () => {
    await using broker = await TestBroker.start({ topics: { tasks: 1 } })
    const program = await service(
      broker,
      'tasks',
      `export function handle(message, ctx, { log }) { log('done ' + message) }\n`,
    )
    await broker.produce('tasks', [{ value: 1 }])
    await program.until(({ stderr }) => stderr.includes('done 1'))
    await broker.waitUntilConsumed('g', 'tasks')

    await broker.crash()

    await broker.produce('tasks', [{ value: 2 }])
    await program.until(({ stderr }) => stderr.includes('done 2'))
    await broker.waitUntilConsumed('g', 'tasks')
    const { exitCode, stderr } = await program.stop()
    assert.equal(exitCode, 0)
    assert.equal(stderr.match(/done 1/g)?.length, 1, 'what was committed does not come again')
  })

  test('S004-32 validates its messages: what does not fit goes to the dead letters with its bytes', async () => {
    await using broker = await TestBroker.start({ topics: { tasks: 1, 'tasks.dlq': 1 } })
    const module = `import { z } from '${import.meta.resolve('zod')}'
export const schema = z.object({ scenario: z.string() })
export function handle({ scenario }, ctx, { log }) { log('runs ' + scenario) }\n`
    const program = await service(broker, 'tasks', module)
    await broker.produce('tasks', [{ value: { scenario: 7 } }, { value: { scenario: 'a' } }])
    await broker.waitUntilConsumed('g', 'tasks')
    await program.stop()
    assert.match(program.stderr, /runs a/)
    const [letter] = await broker.records('tasks.dlq')
    assert.equal(new TextDecoder().decode(letter?.value ?? undefined), '{"scenario":7}')
    const reason = letter?.headers.find(({ key }) => key === 'shoal-dlq-reason')
    assert.equal(new TextDecoder().decode(reason?.value ?? undefined), 'invalid-payload')
  })

  test('S003-09 says which group it is created for', async () => {
    await using broker = await TestBroker.start({ topics: { tasks: 1 } })
    const program = await service(broker, 'tasks', 'export function handle() {}\n')
    assert.match(program.stderr, /INFO - Consumer created with group\.id: g\n/)
    await program.stop()
  })
})

interface Finding {
  readonly rule: string
  readonly severity: string
  readonly subject: string
  readonly problem: string
  readonly fix: string
}

/** What the doctor says of settings, for handlers of 30 s. */
async function advice(
  name: string,
  properties: string,
  handlerTime = '30s',
): Promise<readonly Finding[]> {
  const file = join(folder, `${name}.properties`)
  await writeFile(file, properties)
  const flags = ['--no-groups', '--properties', file, '--handler-time', handlerTime, '--json']
  const { stdout, stderr } = await shoal(['doctor', ...flags])
  assert.equal(stderr, '')
  return (JSON.parse(stdout) as { findings: readonly Finding[] }).findings
}

/** A service in group `g`; resolves when it listens. */
async function service(broker: TestBroker, topic: string, module: string): Promise<Program> {
  const place = await mkdtemp(join(folder, 'service-'))
  await writeFile(join(place, 'worker.mjs'), module)
  const flags = ['-b', broker.bootstrap, '-g', 'g', '-t', topic]
  const program = startShoal(['run', 'worker.mjs', ...flags], { cwd: place })
  await program.until(({ stderr }) => stderr.includes('listening to the topic'))
  return program
}
