/**
 * Every picture and command of seed 001 as a program of `examples/seed-001/`: run as a user would against a broker of its own, its
 * output compared with the file beside it. Of an answer to a command the fields count that the page prints.
 */

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { Broker } from 'shoal/broker'
import { Program, run } from '../real/program.ts'
import { ROOT } from '../real/services.ts'

const FOLDER = join(ROOT, 'examples/seed-001')
/** What the examples share. */
const SHARED = 'broker'
/** The program of the page: it goes on until it is asked to stop. */
const PROCESSOR = 'order-processor'

const names = readdirSync(FOLDER)
const programs = named('.ts').filter((name) => name !== SHARED && name !== PROCESSOR)
const commands = named('.sh')

describe('the examples of seed 001', { concurrency: 4 }, () => {
  for (const name of programs)
    test(`${name} prints what stands beside it`, async () => {
      await using broker = await open()
      await using program = start(broker, name)
      const { exitCode, stdout, stderr } = await program.finished()
      assert.equal(exitCode, 0, `${stdout}\n${stderr}`)
      assert.equal(stdout, expected(name))
    })

  for (const name of commands)
    test(`${name} is answered as the page prints it`, async () => {
      await using broker = await open()
      const answered = JSON.parse(await inShell(broker, join(FOLDER, `${name}.sh`))) as unknown
      const printed = JSON.parse(expected(name)) as unknown
      assert.deepEqual(fieldsOf(answered, printed), printed)
    })

  test('order-processor, the program of the page, processes orders until SIGTERM, and leaves', async () => {
    await using broker = await open()
    await publish(broker, 'order-1', 'flaky', 'order-2')
    await using program = start(broker, PROCESSOR)
    await program.until(({ stdout }) => stdout.includes('flaky, delivery 2'))
    program.kill('SIGTERM')
    const { exitCode, stdout, stderr } = await program.finished()
    assert.equal(exitCode, 0, stderr)
    assert.equal(stdout, expected(PROCESSOR))
    const group = (await (await fetch(`${urlOf(broker)}/groups/order-processor`)).json()) as {
      readonly members: readonly unknown[]
    }
    assert.deepEqual(group.members, [])
  })

  test('each has its output, and each output its example', () => {
    assert.deepEqual(named('.out').toSorted(), [...programs, ...commands, PROCESSOR].toSorted())
  })
})

async function open(): Promise<Broker> {
  const kafka = { host: '127.0.0.1', port: 0 }
  return Broker.open({ data: null, kafka, http: { port: 0 } })
}

function urlOf(broker: Broker): string {
  return `http://127.0.0.1:${broker.httpAddress?.port}`
}

function start(broker: Broker, name: string): Program {
  const flags = ['--disable-warning=ExperimentalWarning', '--conditions=@shoal/source']
  return new Program(process.execPath, [...flags, join(FOLDER, `${name}.ts`)], {
    env: { SHOAL_BROKERS: new URL(urlOf(broker)).host },
  })
}

async function publish(broker: Broker, ...values: readonly string[]): Promise<void> {
  const headers = { 'content-type': 'application/json' }
  const ask = async (path: string, body: unknown) => {
    const init = { method: 'POST', headers, body: JSON.stringify(body) }
    const response = await fetch(`${urlOf(broker)}${path}`, init)
    assert.ok(response.ok, `${path}: ${response.status}`)
  }
  await ask('/topics', { name: 'orders', num_partitions: 1 })
  await ask('/topics/orders/messages', { messages: values.map((value) => ({ value })) })
}

/** Runs a file in a shell in which `localhost:8080` is this broker. */
async function inShell(broker: Broker, file: string): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'shoal-seed-001-'))
  try {
    const { host } = new URL(urlOf(broker))
    await writeFile(join(home, '.curlrc'), `connect-to = "localhost:8080:${host}"\n`)
    const { stdout, stderr, exitCode } = await run('sh', [file], { env: { CURL_HOME: home } })
    assert.equal(exitCode, 0, stderr)
    return stdout
  } finally {
    await rm(home, { recursive: true })
  }
}

/** Of an answer, what the page prints of it. */
function fieldsOf(answered: unknown, printed: unknown): unknown {
  if (Array.isArray(answered) && Array.isArray(printed))
    return answered.map((item, index) => fieldsOf(item, printed[index]))
  if (!isObject(answered) || !isObject(printed)) return answered
  return Object.fromEntries(
    Object.entries(printed).map(([name, value]) => [name, fieldsOf(answered[name], value)]),
  )
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function named(ending: string): readonly string[] {
  return names.filter((file) => file.endsWith(ending)).map((file) => file.slice(0, -ending.length))
}

function expected(name: string): string {
  return readFileSync(join(FOLDER, `${name}.out`), 'utf8')
}
