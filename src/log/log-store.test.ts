import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  memoryLogger,
  seededRandom,
  type ShoalError,
  type Timers,
  VirtualClock,
} from '../core/index.ts'
import { encodeRecordBatch } from '../protocol/index.ts'
import type { LogStoreOptions, PartitionLogConfig, PartitionLogId, StateMachine } from './log.ts'
import { openLogStore } from './log-store.ts'
import { SimDisk } from './sim-disk.ts'

const CONFIG: PartitionLogConfig = {
  segmentBytes: 1_000,
  segmentMs: 604_800_000,
  indexIntervalBytes: 4_096,
  retentionMs: -1,
  retentionBytes: -1,
  maxMessageBytes: 1_000_000,
  timestampType: 'CreateTime',
  cleanupPolicy: 'delete',
}

const idOf = (partition: number, topic = 1): PartitionLogId => ({
  topicId: Buffer.alloc(16, topic).toString('base64url'),
  partition,
})

const bytesOf = (text: string) => Buffer.from(text, 'utf8')

const batchOf = (text: string) => encodeRecordBatch([{ timestampMs: 1_000, value: bytesOf(text) }])

/** A counter per word; its snapshot is smaller than its history. */
class WordCount implements StateMachine {
  readonly name = 'words'
  readonly counts = new Map<string, number>()

  replay(record: Uint8Array): void {
    const [word = '', count = '1'] = Buffer.from(record).toString('utf8').split('=')
    this.counts.set(word, (this.counts.get(word) ?? 0) + Number(count))
  }

  snapshot(): Iterable<Uint8Array> {
    return [...this.counts].map(([word, count]) => bytesOf(`${word}=${count}`))
  }
}

async function open(disk: SimDisk, options: Partial<LogStoreOptions> = {}) {
  const clock = new VirtualClock()
  const timers: Timers = {
    schedule: (delayMs, fire) => clock.schedule(delayMs, fire),
    soon: (fire) => queueMicrotask(fire),
  }
  const words = new WordCount()
  const logger = memoryLogger()
  const failures: Error[] = []
  const store = await openLogStore({
    // Bytes of the journal are counted here, and what a full disk still takes.
    journalRoomBytes: 0,
    files: disk,
    clock,
    timers,
    random: seededRandom(1),
    logger,
    reserveBytes: 1_024,
    machines: [words],
    fail: (error) => failures.push(error),
    ...options,
  })
  const say = async (...texts: readonly string[]) => {
    store.appendMetadata('words', texts.map(bytesOf))
    for (const text of texts) words.replay(bytesOf(text))
    await store.flushed()
  }
  const append = async (id: PartitionLogId, text: string) => {
    const result = (await store.openPartition(id, CONFIG)).append(batchOf(text))
    assert.equal(result.kind, 'appended')
    if (result.kind === 'appended') await result.flushed
  }
  return { store, words, clock, logger, failures, say, append }
}

/** What can be read, batch after batch. */
async function contentsOf(store: Awaited<ReturnType<typeof open>>['store'], id: PartitionLogId) {
  const log = await store.openPartition(id, CONFIG)
  const sizes: number[] = []
  for (let offset = log.logStartOffset; offset < log.highWatermark; offset++) {
    const result = await log.read({ offset, maxBytes: 1, atLeastOneBatch: true })
    assert.equal(result.kind, 'records')
    if (result.kind === 'records') sizes.push(result.byteLength)
  }
  return sizes
}

describe('large batches', () => {
  const config = { ...CONFIG, segmentBytes: 1_000_000 }
  const direct = { directWriteBytes: 2_000 }

  /** Appends batches of these sizes, one after the other. */
  async function fill(disk: SimDisk, sizes: readonly number[]) {
    const opened = await open(disk, direct)
    const log = await opened.store.openPartition(idOf(0), config)
    for (const size of sizes) {
      const result = log.append(batchOf('x'.repeat(size)))
      assert.equal(result.kind, 'appended')
      if (result.kind === 'appended') await result.flushed
      // The first one lets the file be made, in turns of its own.
      await opened.clock.advance(1)
    }
    return opened
  }

  const bytesBelow = (disk: SimDisk, folder: string) =>
    disk
      .paths()
      .filter((path) => path.startsWith(folder))
      .reduce((sum, path) => sum + disk.contents(path).length, 0)

  test('are written once, past the journal, and read the same after a crash', async () => {
    const disk = new SimDisk()
    // The first finds no file yet.
    const sizes = [3_000, 3_000, 100, 3_000, 100]
    const { store, failures } = await fill(disk, sizes)
    assert.ok(bytesBelow(disk, 'journal') < 4_500)
    const found = await contentsOf(store, idOf(0))
    assert.equal(found.length, sizes.length)
    for (const model of ['process', 'nothing'] as const) {
      const again = await open(disk.afterCrash(model, 1), direct)
      assert.deepEqual(await contentsOf(again.store, idOf(0)), found)
    }
    assert.deepEqual(failures, [])
  })

  test('are found again on a disk that has no room for the small ones between them', async () => {
    const disk = new SimDisk()
    const sizes = [3_000, 100, 3_000, 100, 3_000]
    const { store } = await fill(disk, sizes)
    const found = await contentsOf(store, idOf(0))
    const next = disk.afterCrash('process', 1)
    next.fault = ({ kind, path }) =>
      kind === 'write' && path.endsWith('.log') ? { kind: 'error', code: 'ENOSPC' } : undefined
    const full = await open(next, { ...direct, reserveBytes: 0 })
    assert.deepEqual(await contentsOf(full.store, idOf(0)), found)
    next.fault = undefined
    await full.store.close()
    assert.deepEqual(full.failures, [])
    const again = await open(next.afterCrash('nothing', 1), direct)
    assert.deepEqual(await contentsOf(again.store, idOf(0)), found)
  })
})

describe('a log store', () => {
  test('brings partitions and machines back after a crash and after a close', async () => {
    const disk = new SimDisk()
    const first = await open(disk)
    await first.append(idOf(0), 'one')
    await first.append(idOf(0), 'three')
    await first.append(idOf(7, 2), 'x')
    await first.say('a', 'b', 'a')
    for (const next of [disk.afterCrash('nothing', 1), disk]) {
      if (next === disk) await first.store.close()
      const again = await open(next)
      assert.deepEqual(await contentsOf(again.store, idOf(0)), [
        batchOf('one').length,
        batchOf('three').length,
      ])
      assert.deepEqual(await contentsOf(again.store, idOf(7, 2)), [batchOf('x').length])
      assert.deepEqual(
        [...again.words.counts],
        [
          ['a', 2],
          ['b', 1],
        ],
      )
      await again.store.close()
    }
  })

  test('whose first start was killed at any change keeps what the next one acknowledged', async () => {
    const whole = new SimDisk()
    await open(whole)
    assert.ok(whole.changeCount > 15, `a first start makes ${whole.changeCount} changes`)
    for (let crashAt = 1; crashAt <= whole.changeCount; crashAt++) {
      const killed = new SimDisk({ crashAt })
      await Promise.race([open(killed), killed.crashed])
      const disk = killed.afterCrash('process', crashAt)
      const { append } = await open(disk)
      await append(idOf(0), 'kept')
      const again = await open(disk.afterCrash('nothing', crashAt)).catch((error: unknown) => {
        throw new Error(`killed at change ${crashAt}`, { cause: error })
      })
      assert.deepEqual(await contentsOf(again.store, idOf(0)), [batchOf('kept').length])
    }
  })

  test('opens a partition once, and knows its size before it is opened', async () => {
    const disk = new SimDisk()
    const { store, append } = await open(disk)
    const [left, right] = await Promise.all([
      store.openPartition(idOf(0), CONFIG),
      store.openPartition({ ...idOf(0) }, CONFIG),
    ])
    assert.equal(left, right)
    assert.equal(store.partition(idOf(0)), left)
    await append(idOf(0), 'x'.repeat(100))
    const size = batchOf('x'.repeat(100)).length
    assert.equal(store.sizeOf(idOf(0)), size)
    await store.close()
    const again = await open(disk)
    assert.equal(again.store.partition(idOf(0)), undefined)
    assert.equal(again.store.sizeOf(idOf(0)), size)
    assert.equal(again.store.sizeOf(idOf(1)), 0)
    await assert.rejects(again.store.openPartition({ topicId: '../x', partition: 0 }, CONFIG), {
      code: 'SHOAL_INVALID_ARGUMENT',
    })
  })

  test('opens no file of a partition that nobody asks for', async () => {
    const disk = new SimDisk()
    const { store, append } = await open(disk)
    for (let partition = 0; partition < 100; partition++) await append(idOf(partition), 'x')
    await store.close()
    const opened = new Set<string>()
    disk.fault = ({ kind, path }) => {
      if (kind === 'open' && path.startsWith('topics')) opened.add(path)
      return undefined
    }
    const again = await open(disk)
    for (let partition = 0; partition < 100; partition++)
      assert.equal((await again.store.openPartition(idOf(partition), CONFIG)).logEndOffset, 1)
    assert.deepEqual([...opened], [])
    assert.deepEqual(await contentsOf(again.store, idOf(42)), [batchOf('x').length])
    assert.ok(opened.size > 0)
    for (const path of opened) assert.match(path, /\/42\//)
  })

  test('takes a checkpoint when the journal has grown, and trims it', async () => {
    const disk = new SimDisk()
    const { store, append, clock, failures } = await open(disk, {
      checkpointBytes: 5_000,
      journalFileBytes: 2_000,
    })
    for (let index = 0; index < 40; index++) {
      await append(idOf(index % 3), 'x'.repeat(400))
      await clock.advance(0)
    }
    const journal = disk.paths().filter((path) => path.startsWith('journal/'))
    const bytes = journal.reduce((sum, path) => sum + disk.contents(path).length, 0)
    assert.ok(bytes < 12_000, `${bytes} bytes of journal are left`)
    assert.deepEqual(failures, [])
    const again = await open(disk.afterCrash('nothing', 1))
    for (const partition of [0, 1, 2])
      assert.equal((await contentsOf(again.store, idOf(partition))).length, partition < 1 ? 14 : 13)
    await store.close()
  })

  test('takes a checkpoint when it rests, and none when nothing changed', async () => {
    const disk = new SimDisk()
    const { append, clock } = await open(disk, { checkpointIdleMs: 1_000 })
    await append(idOf(0), 'x')
    await clock.advance(900)
    await append(idOf(0), 'y')
    await clock.advance(900)
    assert.ok(disk.paths().includes('checkpoints/00000000000000000001.checkpoint'))
    await clock.advance(200)
    assert.ok(disk.paths().includes('checkpoints/00000000000000000002.checkpoint'))
    const changes = disk.changeCount
    await clock.advance(60_000)
    assert.equal(disk.changeCount, changes)
  })

  test('removes a deleted partition, also when a crash came between', async () => {
    const disk = new SimDisk()
    const { store, append, say } = await open(disk)
    for (const partition of [0, 1]) await append(idOf(partition), 'x'.repeat(2_000))
    await store.close()
    const again = await open(disk)
    disk.fault = ({ kind }) => (kind === 'remove' ? { kind: 'error', code: 'EIO' } : undefined)
    await assert.rejects(again.store.deletePartition(idOf(0)), { code: 'EIO' })
    assert.equal(again.store.partition(idOf(0)), undefined)
    const next = await open(disk.afterCrash('nothing', 1))
    assert.equal(next.store.sizeOf(idOf(0)), 0)
    assert.equal((await contentsOf(next.store, idOf(1))).length, 1)
    await next.store.deletePartition(idOf(1))
    await next.store.close()
    disk.fault = undefined
    await say('still').catch((error: ShoalError) => assert.equal(error.code, 'SHOAL_CLOSED'))
    const last = disk.afterCrash('nothing', 1)
    await open(last)
    assert.ok(!last.paths().some((path) => path.includes('/0/')))
  })
})

describe('a deletion that only the kernel knows of', () => {
  /** Killed before the deletion was synced; then what a power loss leaves at each removal of the next start. */
  async function lostAtRemovals(
    change: (store: Awaited<ReturnType<typeof open>>['store']) => Promise<void>,
  ): Promise<readonly SimDisk[]> {
    const disk = new SimDisk()
    const first = await open(disk)
    for (let index = 0; index < 4; index++) await first.append(idOf(0), 'x'.repeat(600))
    await first.append(idOf(1), 'x')
    await first.store.close()
    const second = await open(disk, { flushPolicy: 'none' })
    await second.store.openPartition(idOf(0), { ...CONFIG, retentionBytes: 700 })
    disk.fault = ({ kind }) => (kind === 'remove' ? { kind: 'error', code: 'EIO' } : undefined)
    await assert.rejects(change(second.store), { code: 'EIO' })
    const killed = disk.afterCrash('process', 1)
    const lost: SimDisk[] = []
    killed.fault = ({ kind, path }) => {
      if (kind === 'remove' && path.startsWith('topics/'))
        lost.push(killed.afterCrash('everything', 1), killed.afterCrash('nothing', 1))
      return undefined
    }
    await open(killed)
    return lost
  }

  test('of segments is durable before the next start removes a file', async () => {
    const lost = await lostAtRemovals((store) => store.applyRetention())
    assert.ok(lost.length > 0)
    for (const disk of lost) {
      const { store } = await open(disk)
      const log = await store.openPartition(idOf(0), CONFIG)
      assert.equal(log.logStartOffset, 2)
      assert.equal(log.corrupt, null)
      assert.equal((await contentsOf(store, idOf(0))).length, 2)
    }
  })

  test('of a partition is durable before the next start removes a file', async () => {
    const lost = await lostAtRemovals((store) => store.deletePartition(idOf(0)))
    assert.ok(lost.length > 0)
    for (const disk of lost) {
      const { store } = await open(disk)
      assert.deepEqual(store.partitions(), [idOf(1)])
      assert.equal((await store.openPartition(idOf(0), CONFIG)).logEndOffset, 0)
    }
  })
})

describe('a log store refuses', () => {
  test('a folder that is worked on, until that one is closed', async () => {
    const disk = new SimDisk()
    const { store } = await open(disk)
    await assert.rejects(open(disk), { code: 'SHOAL_FOLDER_LOCKED' })
    await Promise.all([store.close(), store.close()])
    await (await open(disk)).store.close()
  })

  test('a folder of a newer version, and touches nothing in it', async () => {
    const disk = new SimDisk()
    await (await open(disk)).store.close()
    const format = Buffer.from(disk.contents('format')).toString('utf8')
    disk.overwrite('format', bytesOf(format.replace('version 1', 'version 2')))
    const before = disk.paths().map((path) => [path, disk.contents(path)])
    const changes = disk.changeCount
    await assert.rejects(open(disk), (error: ShoalError) => {
      assert.equal(error.code, 'SHOAL_FOLDER_FORMAT')
      assert.equal(error.details['version'], 2)
      return true
    })
    assert.equal(disk.changeCount, changes)
    assert.deepEqual(
      disk.paths().map((path) => [path, disk.contents(path)]),
      before,
    )
  })

  test('a folder whose format file was removed, rather than starting anew in it', async () => {
    const disk = new SimDisk()
    const { store, append } = await open(disk)
    await append(idOf(0), 'x')
    await store.close()
    disk.lose('format')
    await assert.rejects(open(disk), { code: 'SHOAL_FOLDER_FORMAT' })
  })

  test('a folder with records of a machine that it does not know', async () => {
    const disk = new SimDisk()
    const { store, say } = await open(disk)
    await say('a')
    await store.close()
    await assert.rejects(open(disk, { machines: [] }), { code: 'SHOAL_FOLDER_FORMAT' })
    await (await open(disk)).store.close()
  })

  test('a folder with both copies of its checkpoint damaged; one copy is enough and is made good', async () => {
    const disk = new SimDisk()
    const { store, say } = await open(disk)
    await say('a')
    await store.close()
    const [main = '', copy = ''] = disk.paths().filter((path) => path.startsWith('checkpoints/'))
    disk.overwrite(main, disk.contents(main).subarray(0, 60))
    const impaired = disk.afterCrash('everything', 1)
    const again = await open(impaired)
    assert.deepEqual([...again.words.counts], [['a', 1]])
    const repaired = impaired.paths().filter((path) => path.startsWith('checkpoints/'))
    assert.equal(repaired.length, 2)
    assert.deepEqual(impaired.contents(repaired[0] ?? ''), impaired.contents(repaired[1] ?? ''))
    disk.lose(copy)
    await assert.rejects(open(disk), { code: 'SHOAL_STORAGE_CORRUPT' })
  })
})

describe('a log store whose disk', () => {
  test('fails a sync ends: told once, everything after is refused, close still lets go', async () => {
    const disk = new SimDisk()
    const { store, append, failures, say } = await open(disk)
    await append(idOf(0), 'kept')
    disk.fault = ({ kind }) => (kind === 'sync' ? { kind: 'error', code: 'EIO' } : undefined)
    await assert.rejects(say('lost'), { code: 'SHOAL_STORAGE_FAILED' })
    await assert.rejects(store.flushed(), { code: 'SHOAL_STORAGE_FAILED' })
    const refused = store.partition(idOf(0))?.append(batchOf('x'))
    assert.equal(refused?.kind, 'refused')
    assert.equal(refused?.kind === 'refused' && refused.error, 'KAFKA_STORAGE_ERROR')
    assert.equal((await contentsOf(store, idOf(0))).length, 1)
    assert.equal(failures.length, 1)
    await store.close()
    disk.fault = undefined
    const again = await open(disk)
    assert.equal((await contentsOf(again.store, idOf(0))).length, 1)
  })

  test('is full refuses records, serves reads, takes commits, and goes on when there is space', async () => {
    const disk = new SimDisk()
    const { store, append, say, failures, clock } = await open(disk, { reserveBytes: 8_192 })
    await append(idOf(0), 'before')
    disk.capacityBytes = disk.paths().reduce((sum, path) => sum + disk.contents(path).length, 0)
    const log = await store.openPartition(idOf(0), CONFIG)
    const first = log.append(batchOf('x'.repeat(2_000)))
    assert.equal(first.kind, 'appended')
    await say('commit')
    const refused = log.append(batchOf('y'))
    assert.equal(refused.kind === 'refused' && refused.error, 'KAFKA_STORAGE_ERROR')
    for (let index = 0; index < 5; index++) await say('commit')
    assert.equal((await contentsOf(store, idOf(0))).length, 2)
    await clock.advance(10_000)
    assert.equal(log.append(batchOf('y')).kind, 'refused')
    disk.capacityBytes = Infinity
    await clock.advance(5_000)
    await append(idOf(0), 'after')
    assert.deepEqual(failures, [])
    const again = await open(disk.afterCrash('nothing', 1))
    assert.equal((await contentsOf(again.store, idOf(0))).length, 3)
    assert.equal(again.words.counts.get('commit'), 6)
  })

  test('has no room for a checkpoint goes on without it', async () => {
    const disk = new SimDisk()
    const { append, clock, failures, logger } = await open(disk, { checkpointIdleMs: 1_000 })
    await append(idOf(0), 'x')
    disk.capacityBytes = 0
    await clock.advance(2_000)
    assert.ok(logger.lines.some(({ message }) => message.includes('no checkpoint')))
    disk.capacityBytes = Infinity
    await clock.advance(5_000)
    assert.ok(disk.paths().some((path) => /checkpoints\/0*[2-9]\.checkpoint$/.test(path)))
    assert.deepEqual(failures, [])
  })
})
