/**
 * A broker that cannot start says why in one clear sentence and ends with a code that scripts can tell; one whose disk
 * fills up refuses records, loses nothing that it acknowledged, and goes on by itself when there is room again.
 */

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { batchesIn, decodeRecords, offsetCommit } from '../../src/protocol/index.ts'
import type { Finished } from '../real/program.ts'
import { freePort } from '../real/services.ts'
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

const MiB = 1024 * 1024
const CONFIGURATION = 78

describe('a broker does not start', () => {
  test('on a folder that another one works on, and does not disturb it', async () => {
    await using first = await ShoalProcess.start()
    using client = await RawClient.connect(first.port)
    await createTopic(client, 'orders')
    await produceTo(client, 'orders', batchOf([record('before')]))

    const second = await serve(join(first.folder, 'data'))

    refusedWith(
      second,
      new RegExp(`process ${first.pid} works on the data folder .*: end it, or choose another`),
    )
    assert.equal((await produceTo(client, 'orders', batchOf([record('after')]))).baseOffset, 1)
  })

  test('on a folder that a newer version wrote, and touches nothing in it', async () => {
    await using folder = await temporaryFolder()
    const data = join(folder.path, 'data')
    const written = startShoal(['serve', '--data', data, '--kafka-port', '0'])
    await written.until(({ stdout }) => stdout.includes('ready '))
    assert.equal((await written.stop()).exitCode, 0)
    const format = await readFile(join(data, 'format'), 'utf8')
    await writeFile(join(data, 'format'), format.replace(/version \d+/, 'version 99'))
    const before = await contentsOf(data)

    refusedWith(
      await serve(data),
      /has format 99, this version reads 1: use the version that wrote it/,
    )

    assert.deepEqual(await contentsOf(data), before)
  })

  test('on an address that is taken', async () => {
    await using folder = await temporaryFolder()
    const server = createServer()
    const port = await freePort()
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
    const refusal = await serve(join(folder.path, 'data'), ['--kafka-port', String(port)])
    server.close()
    refusedWith(refusal, new RegExp(`cannot listen on 127.0.0.1:${port}: .*EADDRINUSE`))
  })

  test('on an address that others can reach, since nobody has to log in', async () => {
    await using folder = await temporaryFolder()
    const refusal = await serve(join(folder.path, 'data'), ['--kafka-host', '0.0.0.0'])
    refusedWith(refusal, /0\.0\.0\.0 can be reached from other machines and nobody has to log in/)
  })

  const settings: readonly (readonly [string, readonly string[], RegExp])[] = [
    ['an unknown setting', ['num.partitons=4'], /num\.partitons.*did you mean num\.partitions\?/],
    ['a setting out of range', ['num.partitions=0'], /num\.partitions: .*0/],
    ['a setting that is no number', ['log.retention.ms=week'], /log\.retention\.ms: .*week/],
    ['half a setting', ['num.partitions'], /--set num\.partitions:\s+expected name=value/],
    [
      'several at once, all of them told',
      ['num.partitions=x', 'message.max.byte=1'],
      /message\.max\.byte: .*did you mean message\.max\.bytes\?.*num\.partitions: 'x'/,
    ],
  ]
  for (const [what, pairs, words] of settings)
    test(`with ${what}`, async () => {
      await using folder = await temporaryFolder()
      const data = join(folder.path, 'data')
      const refusal = await serve(
        data,
        pairs.flatMap((pair) => ['--set', pair]),
      )
      refusedWith(refusal, words)
      assert.ok(!existsSync(data), 'and makes no folder')
    })

  test('with a configuration file that is wrong: every problem is told', async () => {
    await using folder = await temporaryFolder()
    await writeFile(
      join(folder.path, 'shoal.yaml'),
      'kafka:\n  port: 99999\n  hots: localhost\nsettings:\n  num.partitions: 4\n',
    )
    const refusal = await shoal(['serve'], { cwd: folder.path })
    assert.equal(refusal.exitCode, CONFIGURATION)
    assert.equal(refusal.stdout, '')
    assert.match(refusal.stderr, /2 problems in configuration/)
    assert.match(refusal.stderr, /kafka\.port/)
    assert.match(refusal.stderr, /hots/)
  })

  test('on a path that is a file', async () => {
    await using folder = await temporaryFolder()
    const path = join(folder.path, 'file')
    await writeFile(path, 'mine')
    const refusal = await serve(path)
    assert.notEqual(refusal.exitCode, 0)
    assert.match(refusal.stderr, /^shoal: [^\n]*file[^\n]*\n$/)
    assert.equal(await readFile(path, 'utf8'), 'mine')
  })
})

const cannotMount =
  process.platform === 'linux' && process.getuid?.() === 0 ? false : 'mounting needs root on Linux'

describe('a full disk', { skip: cannotMount }, () => {
  test('that has no room for a data folder ends the start with a sentence', async () => {
    await using disk = await smallDisk(1)
    await fill(disk.path)
    const refusal = await serve(join(disk.path, 'data'))
    assert.notEqual(refusal.exitCode, 0)
    assert.match(refusal.stderr, /^shoal: the disk is full: [^\n]*\n$/)
  })

  test('refuses records, serves everything else, and loses nothing; with room it takes them again', async () => {
    await using disk = await smallDisk(48)
    const data = join(disk.path, 'data')
    const broker = startShoal(['serve', '--data', data, '--kafka-port', '0'])
    await broker.until(({ stdout }) => stdout.includes('ready '))
    using client = await RawClient.connect(portIn(broker.stdout))
    await createTopic(client, 'orders')
    const acknowledged: string[] = []
    const produceOne = async () => {
      const value = `${acknowledged.length} ${'x'.repeat(200_000)}`
      const { errorCode, baseOffset } = await produceTo(client, 'orders', batchOf([record(value)]))
      if (errorCode !== 'NONE') return errorCode
      assert.equal(baseOffset, acknowledged.length)
      acknowledged.push(value)
      return null
    }

    for (let round = 0; round < 2; round++) {
      await produceOne()
      await fill(disk.path)
      let refusal = null
      while (refusal === null) refusal = await produceOne()
      assert.equal(refusal, 'KAFKA_STORAGE_ERROR')
      assert.match(broker.stderr, /WARN - the disk is full/)
      assert.equal((await offsetAt(client, 'orders', -1)).offset, acknowledged.length)
      assert.deepEqual(await valuesOf(client, 'orders'), acknowledged)
      assert.equal(await commitOne(client, round + 1), 'NONE')

      await rm(join(disk.path, 'ballast'))
      while ((await produceOne()) !== null) assert.ok(broker.pid !== undefined)
    }

    using second = await RawClient.connect(portIn(broker.stdout))
    assert.ok(await second.isServed())
    assert.equal((await broker.stop()).exitCode, 0)

    const again = startShoal(['serve', '--data', data, '--kafka-port', '0'])
    await again.until(({ stdout }) => stdout.includes('ready '))
    using reader = await RawClient.connect(portIn(again.stdout))
    assert.deepEqual(await valuesOf(reader, 'orders'), acknowledged)
    assert.equal((await committed(reader, 'billing', 'orders')).committedOffset, 2)
    assert.equal((await again.stop()).exitCode, 0)

    await fill(disk.path)
    const full = startShoal(['serve', '--data', data, '--kafka-port', '0'])
    await full.until(({ stdout }) => stdout.includes('ready '))
    using last = await RawClient.connect(portIn(full.stdout))
    assert.deepEqual(await valuesOf(last, 'orders'), acknowledged, 'it starts on a full disk too')
    assert.equal((await full.stop()).exitCode, 0)
  })
})

function serve(data: string, more: readonly string[] = []): Promise<Finished> {
  return shoal(['serve', '--data', data, '--kafka-port', '0', ...more])
}

/** One sentence on stderr, nothing on stdout, the exit code of a configuration that cannot work. */
function refusedWith({ exitCode, stdout, stderr }: Finished, words: RegExp): void {
  assert.match(stderr, words)
  // One sentence, or the list of what is wrong with the configuration.
  assert.match(stderr, /^(?:shoal: |✖ \d+ problems? in configuration)/)
  assert.doesNotMatch(stderr, /\bat .*:\d+:\d+/)
  assert.deepEqual([exitCode, stdout], [CONFIGURATION, ''])
}

async function valuesOf(client: RawClient, topic: string): Promise<readonly string[]> {
  const decoder = new TextDecoder()
  const values: string[] = []
  const end = (await offsetAt(client, topic, -1)).offset
  while (values.length < end) {
    const { records } = fetched(await fetchFrom(client, topic, { offset: values.length }))
    for (const batch of batchesIn(records ?? new Uint8Array(0)))
      for (const { value } of decodeRecords(batch)) values.push(decoder.decode(value ?? undefined))
  }
  return values
}

async function commitOne(client: RawClient, offset: number): Promise<string | undefined> {
  const partition = { partitionIndex: 0, committedOffset: offset, committedMetadata: '' }
  const { topics } = await client.request(offsetCommit, {
    groupId: 'billing',
    generationIdOrMemberEpoch: -1,
    memberId: '',
    groupInstanceId: null,
    retentionTimeMs: -1,
    topics: [{ name: 'orders', partitions: [{ ...partition, committedLeaderEpoch: -1 }] }],
  })
  return topics[0]?.partitions[0]?.errorCode
}

function portIn(stdout: string): number {
  return Number(/ready kafka=[^:]+:(\d+)/.exec(stdout)?.[1])
}

/** Every file below a folder with its bytes, but the one that says who came last; sockets are none. */
async function contentsOf(folder: string): Promise<readonly (readonly [string, string])[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const paths = entries
    .filter((e) => e.isFile() && e.name !== 'lock')
    .map((e) => join(e.parentPath, e.name))
  return Promise.all(
    paths.toSorted().map(async (path) => [path, await readFile(path, 'base64')] as const),
  )
}

async function temporaryFolder() {
  const path = await mkdtemp(join(tmpdir(), 'shoal-start-'))
  return {
    path,
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  }
}

/** A file system in memory of so many mebibytes. */
async function smallDisk(sizeMiB: number) {
  const folder = await temporaryFolder()
  const path = join(folder.path, 'disk')
  await mkdir(path)
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeMiB}m`, 'shoal-test', path])
  return {
    path,
    async [Symbol.asyncDispose]() {
      execFileSync('umount', ['--lazy', path])
      await folder[Symbol.asyncDispose]()
    },
  }
}

/** Takes all the room that there is. */
async function fill(path: string): Promise<void> {
  const ballast = join(path, 'ballast')
  for (const block of [MiB, 4_096])
    try {
      for (;;) await writeFile(ballast, Buffer.alloc(block), { flag: 'a' })
    } catch (error) {
      assert.ok(error instanceof Error && 'code' in error && error.code === 'ENOSPC')
    }
}
