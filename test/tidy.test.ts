/**
 * The shape of the repository as data: who may import whom, and who may touch the world.
 *
 * Fails on an arrow that the table does not allow, on a cycle between files, on a deep import across folders, on a
 * clock, a random source, a timer or I/O outside the files that own them, and on a source folder without a README.
 */

import assert from 'node:assert/strict'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, test } from 'node:test'
import { VERSION } from '../src/core/index.ts'

const ROOT = resolve(import.meta.dirname, '..')
const SOURCE = join(ROOT, 'src')

/** Each folder and what it may import from. `entries` stands for the public entries of the package. */
const layers: Readonly<Record<string, readonly string[]>> = {
  core: [],
  protocol: ['core'],
  log: ['core', 'protocol'],
  group: ['core'],
  transaction: ['core'],
  // `http` for its route table: the broker serves the group and topic routes of it.
  broker: ['core', 'protocol', 'log', 'group', 'transaction', 'http'],
  consumer: ['core'],
  admin: ['core'],
  // `group` for its assignors and topic patterns alone: a member of a classic group computes what a broker would.
  sources: ['core', 'protocol', 'group', 'consumer', 'admin'],
  http: ['core', 'admin'],
  // The poll loop of seed 001: one client over HTTP and over Kafka.
  client: ['core', 'http', 'consumer', 'sources'],
  // One door to every broker.
  open: ['core', 'consumer', 'sources', 'admin'],
  cli: ['core', 'broker', 'consumer', 'sources', 'admin', 'http', 'client', 'testing', 'open'],
  // `log` for its simulated disk: what a crash of the test broker takes.
  testing: ['core', 'log', 'broker', 'consumer', 'sources', 'open'],
}

/** What reaches outside, and the only files that may: everything else gets time, chance, disk and network as parameters. */
const owners: readonly {
  readonly what: string
  readonly pattern: RegExp
  readonly files: readonly RegExp[]
}[] = [
  {
    what: 'the clock',
    pattern: /\bDate\.now\b|\bnew Date\(\)|\bperformance\.now\b|\bprocess\.hrtime\b/,
    files: [/^core\/clock\.ts$/],
  },
  {
    what: 'timers',
    pattern: /\bset(?:Timeout|Interval|Immediate)\(|node:timers/,
    files: [/^core\/(?:virtual-)?clock\.ts$/],
  },
  {
    what: 'randomness',
    pattern: /\bMath\.random\b|\brandom(?:Bytes|UUID|Int|FillSync)\b|\bgetRandomValues\b/,
    files: [/^core\/random\.ts$/],
  },
  {
    what: 'files',
    pattern: /from 'node:fs(?:\/promises)?'/,
    files: [
      /^log\/node-file-store(?:-[a-z-]+)?\.ts$/,
      /^cli\//,
      /^testing\/ledger\/ledger-file\.ts$/,
    ],
  },
  {
    what: 'sockets',
    pattern: /from 'node:(?:net|tls|http|http2|dgram|dns)'/,
    files: [
      /^broker\/tcp-network\.ts$/,
      /^http\/listener\/node-server\.ts$/,
      /^log\/node-file-store(?:-[a-z-]+)?\.ts$/,
    ],
  },
  {
    what: 'processes and threads',
    pattern: /from 'node:(?:child_process|worker_threads|cluster)'/,
    files: [
      /^log\/node-file-store(?:-[a-z-]+)?\.ts$/,
      /^consumer\/threads\/node-thread(?:-entry)?\.ts$/,
      /^cli\//,
      /^testing\/ledger\/worker-process\.ts$/,
    ],
  },
  {
    what: 'the console',
    pattern: /\bconsole\.|\bprocess\.(?:stdout|stderr|exit)\b/,
    files: [/^cli\//, /^testing\/ledger\/worker-main\.ts$/],
  },
]

/** Folders (or files) in which nothing waits: decisions only. */
const pure: readonly RegExp[] = [
  /^core\/(?!clock|virtual-clock)/,
  /^protocol\//,
  /^group\//,
  /^admin\/(?=[a-z-]+-model|health|lag|plan)/,
]

interface SourceFile {
  readonly path: string
  readonly text: string
  readonly imports: readonly string[]
}

const files = sourceFiles()

describe('the shape of the repository', () => {
  test('folders import only what the table allows', () => {
    const wrong = files.flatMap((file) =>
      file.imports
        .filter((target) => folderOf(target) !== folderOf(file.path))
        .filter((target) => !(layers[folderOf(file.path)] ?? []).includes(folderOf(target)))
        // Tests beside the source may use what lies in `test/`: recorded bytes, fixtures.
        .filter((target) => !(file.path.endsWith('.test.ts') && target.startsWith('../test/')))
        .map((target) => `${file.path} imports ${target}`),
    )
    assert.deepEqual(wrong, [])
  })

  test('every folder of the source is in the table and has a README of at most 40 lines', () => {
    for (const folder of readdirSync(SOURCE)) {
      assert.ok(folder in layers, `src/${folder} is not in the table`)
      const readme = join(SOURCE, folder, 'README.md')
      assert.ok(existsSync(readme), `src/${folder} has no README.md`)
      assert.ok(
        readFileSync(readme, 'utf8').split('\n').length <= 41,
        `src/${folder}/README.md is too long`,
      )
    }
  })

  test('across folders, imports go through an index', () => {
    const wrong = files.flatMap((file) =>
      file.imports
        .filter((target) => folderOf(target) !== folderOf(file.path))
        .filter((target) => !/(?:^|\/)index\.ts$/.test(target))
        .filter(() => !file.path.endsWith('.test.ts'))
        .map((target) => `${file.path} imports ${target}`),
    )
    assert.deepEqual(wrong, [])
  })

  test('no file reaches itself through its imports', () => {
    const byPath = new Map(files.map((file) => [file.path, file]))
    const state = new Map<string, 'open' | 'done'>()
    const cycles: string[] = []
    const visit = (path: string, trail: readonly string[]) => {
      if (state.get(path) === 'done') return
      if (state.get(path) === 'open') {
        cycles.push([...trail.slice(trail.indexOf(path)), path].join(' -> '))
        return
      }
      state.set(path, 'open')
      for (const target of byPath.get(path)?.imports ?? []) visit(target, [...trail, path])
      state.set(path, 'done')
    }
    for (const file of files) visit(file.path, [])
    assert.deepEqual(cycles, [])
  })

  for (const { what, pattern, files: allowed } of owners)
    test(`only its owners touch ${what}`, () => {
      const wrong = files
        .filter(
          (file) =>
            !file.path.endsWith('.test.ts') && !allowed.some((owner) => owner.test(file.path)),
        )
        .flatMap((file) => linesMatching(file, pattern))
      assert.deepEqual(wrong, [])
    })

  test('what decides does not wait', () => {
    const wrong = files
      .filter(
        (file) => !file.path.endsWith('.test.ts') && pure.some((rule) => rule.test(file.path)),
      )
      .flatMap((file) => linesMatching(file, /\bawait\b|\basync\b/))
    assert.deepEqual(wrong, [])
  })

  test('no default exports, no enums, no namespaces', () => {
    const wrong = files.flatMap((file) =>
      linesMatching(
        file,
        /^export default\b|^(?:export )?(?:const )?enum\b|^(?:export )?namespace\b/,
      ),
    )
    assert.deepEqual(wrong, [])
  })

  test('the version that the code says is that of package.json', () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      version: string
    }
    assert.equal(VERSION, version)
  })

  test('a file over 500 lines says in its header why', () => {
    const wrong = files
      .filter((file) => !file.path.endsWith('.test.ts') && file.text.split('\n').length > 500)
      .filter((file) => !/^\/\*\*[^]*?Long because[^]*?\*\//.test(file.text))
      .map((file) => file.path)
    assert.deepEqual(wrong, [])
  })
})

function sourceFiles(): readonly SourceFile[] {
  return readdirSync(SOURCE, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => {
      const text = readFileSync(join(SOURCE, name), 'utf8')
      const code = text.replace(/\/\*[^]*?\*\//g, '')
      const specifiers = [...code.matchAll(/(?:from|import|import\()\s*'(\.[^']+)'/g)].map(
        (match) => match[1] ?? '',
      )
      const imports = specifiers.map((specifier) =>
        relative(SOURCE, resolve(dirname(join(SOURCE, name)), specifier)),
      )
      return { path: name, text, imports }
    })
}

function folderOf(path: string): string {
  return path.split('/')[0] ?? ''
}

function linesMatching(file: SourceFile, pattern: RegExp): string[] {
  const withoutComments = file.text
    .replace(/\/\*[^]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ' '))
    .replace(/(^|\s)\/\/[^\n]*/g, '$1')
  return withoutComments
    .split('\n')
    .flatMap((line, index) =>
      pattern.test(line) ? [`${file.path}:${index + 1} ${line.trim()}`] : [],
    )
}
