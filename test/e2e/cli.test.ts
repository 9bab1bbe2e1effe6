/**
 * The command line as a stranger uses it: data on stdout and words on stderr, exit codes that scripts can tell apart,
 * documents that parse, a broker that says when it is ready and leaves when asked.
 *
 * Help texts and wrong command lines: src/cli/program.test.ts. Starts that fail: bad-input-start.test.ts. Services:
 * cli-run.test.ts.
 */

import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { run, type Finished, type Program } from '../real/program.ts'
import { freePort, ROOT } from '../real/services.ts'
import { shoal, ShoalProcess, startShoal } from '../real/shoal.ts'

const MAIN = join(ROOT, 'src/cli/main.ts')
const READY = /^ready kafka=127\.0\.0\.1:(\d+) http=127\.0\.0\.1:\d+ data=\S[^\n]*\n$/

let broker: ShoalProcess
let folder: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-cli-'))
  broker = await ShoalProcess.start()
})

after(async () => {
  await broker[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

describe('the broker', () => {
  test('says in one line that it is ready, serves, and leaves with 0 on SIGTERM and on Ctrl-C', async () => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      const program = startShoal(['serve', '--kafka-port', '0'], { cwd: folder })
      const address = await readyAddress(program)
      const listed = await shoal(['topics', 'list', '-b', address])
      assert.equal(listed.exitCode, 0, listed.stderr)
      program.kill(signal)
      const { exitCode, stdout, stderr } = await program.finished()
      assert.equal(exitCode, 0)
      assert.match(stdout, READY)
      assert.doesNotMatch(stderr, /WARN|ERROR/)
    }
    assert.ok((await readdir(folder)).includes('shoal-data'), 'in ./shoal-data unless told')
  })

  test('prints a document instead where a program reads, and its log in lines of JSON', async () => {
    const program = startShoal(['dev', '--kafka-port', '0', '--json', '--log-format', 'json'])
    await program.until(({ stdout }) => stdout.endsWith('\n'))
    const { exitCode, stdout, stderr } = await program.stop()
    const { schema, kafka, data } = JSON.parse(stdout) as Record<string, unknown>
    assert.deepEqual([exitCode, schema, data], [0, 'shoal.ready/1', null])
    assert.match(String(kafka), /^127\.0\.0\.1:\d+$/)
    for (const line of stderr.trimEnd().split('\n')) assert.ok('msg' in JSON.parse(line))
  })

  test('takes its settings from shoal.yaml, and flags before it', async () => {
    const path = join(folder, 'settings.yaml')
    await writeFile(path, 'kafka:\n  port: 0\nsettings:\n  num.partitions: 5\n')
    for (const [flags, partitions] of [
      [[], 5],
      [['--set', 'num.partitions=7'], 7],
    ] as const) {
      await using program = startShoal(['dev', '--config', path, ...flags])
      const address = await readyAddress(program)
      const created = await shoal(['topics', 'create', 'orders', '-b', address, '--json'])
      const { topic } = JSON.parse(created.stdout) as { topic: { partitionCount: number } }
      assert.equal(topic.partitionCount, partitions)
    }
  })
})

describe('topics', () => {
  test('are made, listed, described and deleted', async () => {
    assert.deepEqual(await told('topics create life --partitions 3 --config retention.ms=60000'), {
      exitCode: 0,
      stdout: 'Created topic life.\n',
      stderr: '',
    })
    assert.match((await told('topics list')).stdout, /^life$/m)
    const described = await told('topics describe life')
    assert.match(described.stdout, /^Topic: life\tTopicId: .*\tPartitionCount: 3\t/)
    assert.match(described.stdout, /retention\.ms=60000/)
    assert.equal((await told('topics delete life --yes')).stdout, 'Deleted topic life.\n')
    assert.doesNotMatch((await told('topics list')).stdout, /^life$/m)
  })

  test('are documents where a program reads', async () => {
    const created = await document('topics create typed --json')
    const listed = await document('topics list --json')
    const described = await document('topics describe typed --json')
    const deleted = await document('topics delete typed --yes --json')
    assert.deepEqual(
      [created, listed, described, deleted].map(({ schema }) => schema),
      ['create', 'list', 'describe', 'delete'].map((verb) => `shoal.topics.${verb}/1`),
    )
    assert.deepEqual(deleted['deleted'], ['typed'])
  })

  test('end with the code of what happened', async () => {
    await told('topics create taken')
    for (const [line, code, words] of [
      ['topics create taken', 4, /taken.*exists/],
      ['topics create taken --if-not-exists', 0, /^$/],
      ['topics create a/b', 4, /a\/b/],
      ['topics create t --config retention.sm=1', 4, /retention\.sm/],
      ['topics describe absent', 3, /absent/],
      ['topics describe taken absent', 1, /absent/],
      ['topics delete taken', 4, /taken.*--yes/],
      ['topics delete absent --yes', 3, /absent/],
      ['topics delete absent --yes --if-exists', 0, /^$/],
    ] as const) {
      const { exitCode, stderr } = await told(line)
      assert.equal(exitCode, code, `${line}: ${stderr}`)
      assert.match(stderr.trimEnd(), words)
      assert.doesNotMatch(stderr, /\bat .*:\d+:\d+/)
    }
    assert.match((await told('topics list')).stdout, /^taken$/m)
  })
})

describe('records', () => {
  test('go in by the line and come out by the line, nothing else on stdout', async () => {
    const produced = await told('produce lines -K : --header source=test', 'a:1\nb:2\nc:\n')
    assert.deepEqual([produced.exitCode, produced.stdout], [0, ''])
    assert.match(produced.stderr, /^produced 3 records, [\d,]+\/s\n$/)

    const consumed = await told('consume lines -f %k=%s/%h\\n')
    assert.equal(consumed.stdout, 'a=1/source=test\nb=2/source=test\nc=/source=test\n')
    assert.match(consumed.stderr, /^consumed 3 records, /)

    const quiet = await told('consume lines --quiet -n 1')
    assert.deepEqual(quiet, { exitCode: 0, stdout: '1\n', stderr: '' })
    const last = await told('consume lines --quiet -o -1 -f %o\\n')
    assert.equal(last.stdout, '2\n')
  })

  test('are documents where a program reads', async () => {
    assert.deepEqual(await document('produce typed-lines -v {"id":1} -v two --json'), {
      schema: 'shoal.produce/1',
      topic: 'typed-lines',
      records: 2,
    })
    const { stdout } = await told('consume typed-lines --json')
    const records = stdout.trimEnd().split('\n')
    assert.deepEqual(
      records.map((line) => (JSON.parse(line) as { value: string }).value),
      ['{"id":1}', 'two'],
    )
  })

  test('may have a reader who has seen enough: the command ends without a word', async () => {
    const lines = Array.from({ length: 50_000 }, (_, index) => `${index}\n`).join('')
    assert.equal((await told('produce many --quiet', lines)).exitCode, 0)
    const command = 'node --conditions=@shoal/source "$0" consume many --quiet -b "$1" | head -n 1'
    const { stdout, stderr } = await run('sh', ['-c', command, MAIN, broker.bootstrap], {
      env: { NODE_NO_WARNINGS: '1', PATH: `${dirname(process.execPath)}:${process.env['PATH']}` },
    })
    assert.deepEqual([stdout, stderr], ['0\n', ''])
  })

  test('are followed until Ctrl-C', async () => {
    await told('topics create followed')
    const program = startShoal(['consume', 'followed', '--follow', '-b', broker.bootstrap])
    await told('produce followed -v one')
    await program.until(({ stdout }) => stdout === 'one\n')
    program.kill('SIGINT')
    const { exitCode, stdout } = await program.finished()
    assert.deepEqual([exitCode, stdout], [0, 'one\n'])
  })

  test('that do not come before Ctrl-C end a command that waits for a number of them with 130', async () => {
    await told('produce few -v one')
    const program = startShoal([
      'consume',
      'few',
      '-g',
      'waiting',
      '-n',
      '5',
      '-b',
      broker.bootstrap,
    ])
    await program.until(({ stdout }) => stdout === 'one\n')
    program.kill('SIGINT')
    assert.equal((await program.finished()).exitCode, 130)
  })

  test('end with the code of what happened', async () => {
    const path = join(folder, 'absent.txt')
    for (const [line, code, words] of [
      ['consume absent', 3, /absent/],
      ['produce few -p 7 -v x', 3, /few/],
      [`produce few --file ${path}`, 2, /absent\.txt cannot be read/],
    ] as const) {
      const { exitCode, stdout, stderr } = await told(line)
      assert.deepEqual([exitCode, stdout], [code, ''], `${line}: ${stderr}`)
      assert.match(stderr, words)
      assert.doesNotMatch(stderr, /\bat .*:\d+:\d+/)
    }
  })
})

describe('groups', () => {
  test('show how far they are, in the columns of Kafka and as documents', async () => {
    await told('produce read -v 1 -v 2 -v 3')
    assert.equal((await told('consume read -g readers -n 2')).stdout, '1\n2\n')

    assert.match((await told('groups list')).stdout, /^readers$/m)
    const { stdout, stderr } = await told('groups describe readers')
    assert.match(stdout, /^\nGROUP +TOPIC +PARTITION +CURRENT-OFFSET +LOG-END-OFFSET +LAG /)
    assert.match(stdout, /^readers +read +0 +2 +3 +1 +- +- +-/m)
    assert.equal(stderr, "\nConsumer group 'readers' has no active members.\n")

    const listed = await document('groups list --json')
    assert.equal(listed['schema'], 'shoal.groups.list/1')
    const described = await document('groups describe readers --json')
    assert.equal(described['schema'], 'shoal.groups.describe/1')
    const [group] = described['groups'] as readonly { groupId: string; lag: number }[]
    assert.deepEqual([group?.groupId, group?.lag], ['readers', 1])
  })

  test('that are missing end the command with 3, and the others are shown', async () => {
    await told('consume read -g present -n 1')
    const { exitCode, stdout } = await told('groups describe absent present')
    assert.equal(exitCode, 3)
    assert.match(stdout, /GroupIdNotFoundException: Group absent not found\.\n/)
    assert.match(stdout, /^present /m)
  })
})

describe('a broker that is not there', () => {
  test('ends every command with 5 within its timeout', async () => {
    const address = `127.0.0.1:${await freePort()}`
    await writeFile(join(folder, 'idle.mjs'), 'export function handle() {}\n')
    for (const line of [
      'groups list',
      'produce t -v x',
      'consume t -g g',
      'run idle.mjs -g g -t t',
    ]) {
      const args = [...line.split(' '), '-b', address, '--timeout', '300ms']
      const { exitCode, stdout, stderr } = await shoal(args, { cwd: folder })
      assert.deepEqual([exitCode, stdout], [5, ''], `${line}: ${stderr}`)
      assert.match(stderr, new RegExp(`shoal: .*${address}`))
    }
  })
})

/** Runs a command against the broker to its end. */
async function told(line: string, input = ''): Promise<Finished> {
  return shoal([...line.split(' '), '-b', broker.bootstrap], { input })
}

/** Runs a command that succeeds and prints one JSON document. */
async function document(line: string): Promise<Readonly<Record<string, unknown>>> {
  const { exitCode, stdout, stderr } = await told(line)
  assert.equal(exitCode, 0, stderr)
  return JSON.parse(stdout) as Record<string, unknown>
}

async function readyAddress(program: Program): Promise<string> {
  await program.until(({ stdout }) => stdout.endsWith('\n'))
  return `127.0.0.1:${READY.exec(program.stdout)?.[1]}`
}
