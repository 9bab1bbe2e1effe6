import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom, silentLogger, type Timers, VirtualClock } from '../core/index.ts'
import { encodeRecordBatch } from '../protocol/index.ts'
import type { OpenOptions, StoredFile, WriteOptions } from './file-store.ts'
import { openLogStore } from './log-store.ts'
import type { PartitionLog } from './log.ts'
import { defaultConfig } from './partition-fixture.test.ts'
import { SimDisk } from './sim-disk.ts'

const MEMORY_BYTES = 100_000
const BATCH_BYTES = 10_000

/** Notes of each direct write to a segment whether it passed the system's cache by. */
class NotingDisk extends SimDisk {
  readonly direct: boolean[] = []

  override async open(path: string, options: OpenOptions): Promise<StoredFile> {
    const file = await super.open(path, options)
    const write = (position: number, chunks: readonly Uint8Array[], how?: WriteOptions) => {
      if (how?.uncached !== undefined) this.direct.push(how.uncached)
      return file.write(position, chunks)
    }
    return {
      write,
      size: () => file.size(),
      read: (position, target) => file.read(position, target),
      sync: () => file.sync(),
      truncate: (size) => file.truncate(size),
      close: () => file.close(),
    }
  }
}

test('direct writes pass the cache by, but for those that a consumer reads behind', async () => {
  const disk = new NotingDisk()
  const clock = new VirtualClock()
  const timers: Timers = {
    schedule: (delayMs, fire) => clock.schedule(delayMs, fire),
    soon: (fire) => queueMicrotask(fire),
  }
  const store = await openLogStore({
    files: disk,
    clock,
    timers,
    random: seededRandom(3),
    logger: silentLogger,
    machines: [],
    fail: (error) => assert.fail(error),
    memoryBytes: MEMORY_BYTES,
    directWriteBytes: BATCH_BYTES,
  })
  const id = { topicId: Buffer.alloc(16, 1).toString('base64url'), partition: 0 }
  const log = await store.openPartition(id, defaultConfig)
  const append = () => appendTo(log, disk)

  // The first go through the journal, until the segment is ready.
  while ((await append()) === null);
  for (let written = 0; written < 3 * MEMORY_BYTES; written += BATCH_BYTES)
    assert.equal(await append(), true)

  const newest = log.highWatermark - 1
  await readAt(log, newest)
  assert.equal(await append(), true, 'a consumer that is served from memory needs no cache')

  await readAt(log, 0)
  for (let written = 0; written < MEMORY_BYTES; written += BATCH_BYTES)
    assert.equal(await append(), false)
  await append()
  assert.equal(await append(), true, 'nobody came again')
  await store.close()
})

/** Appends a batch; answers whether it was written directly past the cache, null when it went through the journal. */
async function appendTo(log: PartitionLog, disk: NotingDisk): Promise<boolean | null> {
  const before = disk.direct.length
  const value = new Uint8Array(BATCH_BYTES)
  const result = log.append(encodeRecordBatch([{ timestampMs: 1, value }]))
  assert.ok(result.kind === 'appended')
  await result.flushed
  return disk.direct[before] ?? null
}

async function readAt(log: PartitionLog, offset: number): Promise<void> {
  const result = await log.read({ offset, maxBytes: 1, atLeastOneBatch: true })
  assert.ok(result.kind === 'records' && result.byteLength > BATCH_BYTES)
}
