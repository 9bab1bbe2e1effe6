/**
 * Shoal as a stranger gets it: packed, installed by npm into a folder that has nothing else, and used from there.
 *
 * Built and packed in a copy, so the checkout's own `dist` is neither made nor changed. What Shoal depends on is installed
 * in the versions of the checkout's lock file, which npm has at hand: a release of somebody else's changes nothing here.
 */

import assert from 'node:assert/strict'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { z } from 'zod'
import { Program, run, type Finished } from '../real/program.ts'
import { ROOT } from '../real/services.ts'

const BUILT_FROM = ['src', 'examples/seed-004', 'tsconfig.json', 'tsconfig.build.json']
const COPIED = [
  ...BUILT_FROM,
  'tsconfig.demo.json',
  'package.json',
  'README.md',
  'LICENSE',
  'CHANGELOG.md',
]
const NPM_LIMIT_MS = 300_000
/** How npm reaches its registry; whatever else it hands to the scripts that it runs is about the checkout. */
const HOW_TO_REACH =
  /^npm_config_(?:.*registry|.*proxy|.*cache|.*config|ca|cafile|fetch_.*|\/\/.*)$/i
/** The Node that runs the tests before any other that the machine has, and npm as in a shell: empty is not set. */
const env: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    Object.keys(process.env)
      .filter((name) => /^npm_config_/i.test(name) && !HOW_TO_REACH.test(name))
      .map((name) => [name, '']),
  ),
  PATH: [dirname(process.execPath), process.env['PATH']].join(delimiter),
}

const packageSchema = z.looseObject({
  version: z.string(),
  bin: z.record(z.string(), z.string()),
  exports: z.record(z.string(), z.union([z.string(), z.record(z.string(), z.string())])),
})
const packedSchema = z.tuple([
  z.object({ filename: z.string(), files: z.array(z.object({ path: z.string() })) }),
])
const lockSchema = z.looseObject({
  lockfileVersion: z.number(),
  packages: z.record(z.string(), z.looseObject({ dev: z.boolean().optional() })),
})

let folder: string
let project: string
let manifest: z.infer<typeof packageSchema>
let packed: readonly string[]

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-package-'))
  project = join(folder, 'project')
  manifest = packageSchema.parse(JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')))
  const tarball = await pack()
  await install(tarball)
})

after(() => rm(folder, { recursive: true, force: true }))

describe('the package', () => {
  test('has what its exports and its command name, and nothing that only tests use', () => {
    const conditions = Object.values(manifest.exports).flatMap((entry) =>
      typeof entry === 'string' ? [entry] : Object.values(entry),
    )
    const named = [...conditions, ...Object.values(manifest.bin)].map((path) => path.slice(2))
    assert.ok(named.length > 20, named.join(' '))
    assert.deepEqual(
      named.filter((path) => !packed.includes(path)),
      [],
    )
    assert.deepEqual(
      packed.filter((path) => /\.test\.|fixture|^(?:test|bench|examples|scripts)\//.test(path)),
      [],
    )
    // Each compiled file has the source that its map points to.
    const sources = packed.filter((path) => /^dist\/.*\.js\.map$/.test(path))
    assert.deepEqual(
      sources
        .map((path) => path.replace(/^dist\/(.*)\.js\.map$/, 'src/$1.ts'))
        .filter((path) => !packed.includes(path)),
      [],
    )
  })
})

describe('the installed command', { concurrency: true }, () => {
  test('says its version', async () => {
    const { exitCode, stdout, stderr } = await run('npx', ['shoal', '--version'], {
      cwd: project,
      env,
      limitMs: NPM_LIMIT_MS,
    })
    assert.deepEqual([exitCode, stdout], [0, `${manifest.version}\n`], stderr)
  })

  test('shows the demo, which finishes its task before Ctrl-C ends it', async () => {
    await using demo = shoal('demo', '--kafka-port', '0')
    await demo.until(({ stderr, stdout }) =>
      (stdout + stderr).includes('Finished processing message'),
    )
    demo.kill('SIGINT')
    const { exitCode, stdout, stderr } = await demo.finished()
    assert.equal(exitCode, 0, stderr)
    assert.match(stdout + stderr, /Consumer closed\. +handled=1 failed=0/)
    assert.match(stderr, /\| npx shoal produce Scenario-Execute -b 127\.0\.0\.1:\d+\n/)
  })

  test('keeps a log, runs a service on it, and counts in processes of their own what is lost', async () => {
    await writeFile(
      join(project, 'worker.mjs'),
      'export async function handle(order, ctx, { log }) { log(`charging ${order.id}`) }\n',
    )
    await using broker = shoal(
      'serve',
      '--kafka-port',
      '0',
      '--data',
      'data',
      '--json',
      '--set',
      'group.initial.rebalance.delay.ms=0',
    )
    await broker.until(({ stdout }) => stdout.endsWith('\n'))
    const { kafka } = z.object({ kafka: z.string() }).parse(JSON.parse(broker.stdout))
    await using producer = shoal('produce', 'orders', '-b', kafka, '--value', '{"id":"o-1"}')
    assert.equal((await producer.finished()).exitCode, 0, producer.stderr)
    await using service = shoal('run', 'worker.mjs', '-b', kafka, '-g', 'billing', '-t', 'orders')
    await service.until(({ stdout, stderr }) => (stdout + stderr).includes('charging o-1'))
    assert.equal((await service.stop()).exitCode, 0, service.stderr)

    await using ledger = shoal(
      'ledger',
      'worker.mjs',
      '--records',
      '50',
      '--kills',
      '0',
      '-b',
      kafka,
    )
    const { exitCode, stdout, stderr } = await ledger.finished()
    assert.equal(exitCode, 0, stderr)
    assert.match(stdout, /^PASSED/m)
    assert.equal((await broker.stop()).exitCode, 0, broker.stderr)
  })
})

describe('the installed library', { concurrency: true }, () => {
  test('loads by every path of its exports, and consumes what it stored, in a worker thread', async () => {
    const paths = Object.keys(manifest.exports).map((path) => `shoal${path.slice(1)}`)
    await writeFile(join(project, 'handler.mjs'), HANDLER)
    await writeFile(join(project, 'program.mjs'), PROGRAM)
    const { exitCode, stdout, stderr } = await run(process.execPath, ['program.mjs', ...paths], {
      cwd: project,
      env,
    })
    assert.equal(exitCode, 0, stderr)
    assert.deepEqual(stdout.trimEnd().split('\n'), [
      ...paths.map((path) => `loaded ${path}`),
      'thread true',
      'handled 1 failed 0',
    ])
  })

  test('has types that a strict program is checked against, its own files too', async () => {
    await writeFile(join(project, 'program.ts'), typedProgram(Object.keys(manifest.exports)))
    await writeFile(
      join(project, 'tsconfig.json'),
      JSON.stringify({
        compilerOptions: {
          module: 'nodenext',
          moduleResolution: 'nodenext',
          strict: true,
          skipLibCheck: false,
          noEmit: true,
          types: ['node'],
          typeRoots: [join(ROOT, 'node_modules/@types')],
        },
        files: ['program.ts'],
      }),
    )
    const checked = await typeCheck()
    assert.deepEqual([checked.exitCode, checked.stdout], [0, ''])

    // And they are types, not `any`.
    await writeFile(join(project, 'program.ts'), MISTYPED)
    const refused = await typeCheck()
    assert.equal(refused.exitCode === 0, false)
    assert.match(refused.stdout, /^program\.ts\(2,\d+\): error TS2322/m)
  })
})

/** Builds and packs a copy of the checkout. @returns the path of the tarball. */
async function pack(): Promise<string> {
  const copy = join(folder, 'checkout')
  for (const path of COPIED) await cp(join(ROOT, path), join(copy, path), { recursive: true })
  await symlink(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
  const { stdout } = await npm(['pack', '--json', '--pack-destination', folder], copy)
  const [{ filename, files }] = packedSchema.parse(JSON.parse(stdout))
  packed = files.map(({ path }) => path)
  return join(folder, filename)
}

/** An empty project that depends on the tarball, and has the checkout's lock for what that depends on. */
async function install(tarball: string): Promise<void> {
  const lock = lockSchema.parse(JSON.parse(await readFile(join(ROOT, 'package-lock.json'), 'utf8')))
  const { '': ours, ...others } = lock.packages
  const dependencies = { shoal: `file:${tarball}` }
  const packages = {
    '': { dependencies },
    'node_modules/shoal': { ...ours, devDependencies: undefined, resolved: dependencies.shoal },
    ...Object.fromEntries(Object.entries(others).filter(([, { dev }]) => dev !== true)),
  }
  await mkdir(project)
  const { lockfileVersion } = lock
  await writeFile(join(project, 'package.json'), JSON.stringify({ private: true, dependencies }))
  await writeFile(join(project, 'package-lock.json'), JSON.stringify({ lockfileVersion, packages }))
  await npm(['install', '--prefer-offline', '--no-audit', '--no-fund'], project)
}

async function npm(args: readonly string[], cwd: string): Promise<Finished> {
  const finished = await run('npm', args, { cwd, env, limitMs: NPM_LIMIT_MS })
  const { exitCode, stdout, stderr } = finished
  assert.equal(exitCode, 0, `npm ${args.join(' ')} failed:\n${stdout}\n${stderr}`)
  return finished
}

function shoal(...args: readonly string[]): Program {
  return new Program(join(project, 'node_modules/.bin/shoal'), args, { cwd: project, env })
}

function typeCheck(): Promise<Finished> {
  return run(join(ROOT, 'node_modules/.bin/tsc'), [], { cwd: project, env })
}

const HANDLER = `
import { isMainThread } from 'node:worker_threads'
export async function handle(value) {
  console.log('thread', !isMainThread && new TextDecoder().decode(value) === '{"id":"o-1"}')
}
`

const PROGRAM = `
import { createRequire } from 'node:module'
for (const path of process.argv.slice(2)) {
  const json = path.endsWith('.json')
  const loaded = await import(path, json ? { with: { type: 'json' } } : undefined)
  if (Object.keys(loaded).length > 0) console.log('loaded', path)
}
const { consumer } = createRequire(import.meta.url)('shoal')
const { Broker } = await import('shoal/broker')
const { kafka, KafkaProducer } = await import('shoal/kafka')
const { waitFor } = await import('shoal/testing')

const broker = await Broker.open({ data: 'embedded', kafka: { host: '127.0.0.1', port: 0 } })
const brokers = broker.kafkaAddress.host + ':' + broker.kafkaAddress.port
const producer = await KafkaProducer.open({ brokers })
const value = new TextEncoder().encode('{"id":"o-1"}')
await producer.send({ topic: 'orders', partition: null, key: null, value, headers: [] })
await producer.close()
const running = await consumer({
  group: 'billing',
  source: kafka({ brokers, topics: ['orders'] }),
  worker: new URL('./handler.mjs', import.meta.url),
}).start()
await waitFor(() => running.report().handled === 1, { limitMs: 60_000 })
const { handled, failed } = await running.drain()
console.log('handled', handled, 'failed', failed)
await broker.close()
`

/** Names every path, and uses the types that most programs meet. */
function typedProgram(paths: readonly string[]): string {
  const modules = paths.filter((path) => !path.endsWith('.json'))
  return `${modules.map((path, index) => `import * as module${index} from 'shoal${path.slice(1)}'`).join('\n')}
import { consumer, type Consumer, type Ctx, type Report } from 'shoal'
import { Broker, type BrokerOptions } from 'shoal/broker'
import { kafka, type KafkaTls } from 'shoal/kafka'

const options: BrokerOptions = { data: null, kafka: { host: '127.0.0.1', port: 0 } }
const tls: KafkaTls = { servername: 'kafka.example' }
export async function orders(seen: (order: unknown, ctx: Ctx) => Promise<void>): Promise<Report> {
  await using broker = await Broker.open(options)
  const { host, port } = broker.kafkaAddress
  const billing: Consumer = consumer({
    group: 'billing',
    source: kafka({ brokers: \`\${host}:\${port}\`, topics: ['orders'], tls }),
    handle: seen,
  })
  const running = await billing.start()
  return running.drain('5s')
}
export const all = [${modules.map((_, index) => `module${index}`).join(', ')}]
`
}

const MISTYPED = `import { consumer } from 'shoal'
export const nothing: number = consumer
`
