import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  BufferPool,
  randomBelow,
  seededRandom,
  silentLogger,
  type Timers,
  VirtualClock,
} from '../core/index.ts'
import { BatchPosition, encodeRecordBatch } from '../protocol/index.ts'
import type { PartitionLog } from './log.ts'
import { openLogStore } from './log-store.ts'
import { batchesOf, defaultConfig } from './partition-fixture.test.ts'
import { SimDisk } from './sim-disk.ts'

/**
 * As the broker does it: a request is read into a pooled buffer, its batches are appended, and the request lets go when
 * it is answered; the log's memory is small, so buffers come again all the time.
 */
test('batches in buffers that are used again stay what they were: in files, and for whoever read them', async () => {
  const clock = new VirtualClock()
  const timers: Timers = {
    schedule: (delayMs, fire) => clock.schedule(delayMs, fire),
    soon: (fire) => queueMicrotask(fire),
  }
  const random = seededRandom(11)
  const buffers = new BufferPool({ limitBytes: 1_000_000 })
  const store = await openLogStore({
    files: new SimDisk(),
    clock,
    timers,
    random,
    logger: silentLogger,
    machines: [],
    fail: (error) => assert.fail(error),
    buffers,
    memoryBytes: 600_000,
    checkpointBytes: 3_000_000,
  })
  const topicId = Buffer.alloc(16, 1).toString('base64url')
  const logs: PartitionLog[] = []
  for (const partition of [0, 1, 2])
    logs.push(await store.openPartition({ topicId, partition }, defaultConfig))
  const appended = logs.map((): Uint8Array[] => [])
  const lent: { readonly seen: Uint8Array; readonly copy: Uint8Array }[] = []
  let count = 0
  const memories = new Set<ArrayBufferLike>()

  /** One request with a batch for each of some partitions, in one buffer. */
  const produce = async () => {
    const parts = logs.flatMap((log, index) => {
      if (randomBelow(random, 2) === 0) return []
      const bytes = 1 + randomBelow(random, 90_000)
      const value = new Uint8Array(bytes).fill(++count)
      return [{ log, index, batch: encodeRecordBatch([{ timestampMs: 1, value }]) }]
    })
    const frame = buffers.take(parts.reduce((sum, { batch }) => sum + batch.length, 100))
    if (frame.length >= 64 * 1024) memories.add(frame.buffer)
    let at = 50
    const flushed = parts.map(({ log, index, batch }) => {
      const slice = frame.subarray(at, (at += batch.length))
      slice.set(batch)
      const result = log.append(slice)
      assert.ok(result.kind === 'appended')
      appended[index]?.push(batch.subarray(BatchPosition.magic))
      return result.flushed
    })
    await Promise.all(flushed)
    buffers.release(frame)
  }
  const lookAtTheEnd = async () => {
    const log = logs[randomBelow(random, logs.length)]
    assert.ok(log !== undefined)
    const offset = Math.max(0, log.highWatermark - 1 - randomBelow(random, 3))
    const result = await log.read({ offset, maxBytes: 200_000, atLeastOneBatch: true })
    assert.ok(result.kind === 'records')
    for (const seen of result.chunks) lent.push({ seen, copy: Uint8Array.from(seen) })
  }

  const requests = 160
  for (let round = 0; round < requests / 4; round++) {
    await Promise.all([produce(), produce(), produce(), produce()])
    if (round % 5 === 0) await lookAtTheEnd()
  }
  assert.ok(memories.size < requests / 2, `${memories.size} buffers for ${requests} requests`)
  for (const { seen, copy } of lent) assert.ok(Buffer.from(seen).equals(copy))
  for (const [index, log] of logs.entries()) {
    const found: Uint8Array[] = []
    while (found.length < log.highWatermark) {
      const request = { offset: found.length, maxBytes: 300_000, atLeastOneBatch: true }
      for (const { bytes, position, end } of batchesOf(await log.read(request)))
        found.push(Uint8Array.from(bytes.subarray(position + BatchPosition.magic, end)))
    }
    assert.ok(Buffer.concat(found).equals(Buffer.concat(appended[index] ?? [])))
  }
  await store.close()
})
