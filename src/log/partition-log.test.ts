import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { batchesOf, batchOf, PartitionFixture, readOf } from './partition-fixture.test.ts'

describe('appending and reading', () => {
  test('offsets count on from batch to batch, and records come back as they went in', async () => {
    const fixture = await PartitionFixture.open()

    assert.equal(await fixture.stored(['a', 'b']), 0)
    assert.equal(await fixture.stored(['c']), 2)

    assert.deepEqual(await fixture.values(), ['0:a', '1:b', '2:c'])
    assert.equal(fixture.log.logEndOffset, 3)
  })

  test('what is not flushed cannot be read, and the fetch that waits for it is woken by the flush', async () => {
    const { log, journal, append } = bound(await PartitionFixture.open())
    const result = append(['a'])
    assert.equal(result.kind, 'appended')
    const woken: number[] = []
    log.onReadable(0, () => woken.push(log.highWatermark))
    log.onReadable(1, () => woken.push(-1))

    const before = await log.read(readOf(0))
    assert.deepEqual(batchesOf(before), [])
    assert.deepEqual([log.logEndOffset, log.highWatermark, woken], [1, 0, []])

    journal.flush()
    await (result.kind === 'appended' ? result.flushed : undefined)
    assert.deepEqual([log.highWatermark, woken], [1, [1]])
    assert.equal(batchesOf(await log.read(readOf(0))).length, 1)
  })

  test('a fetch that waits for an offset which is there already is woken at once, one that cancelled never', async () => {
    const fixture = await PartitionFixture.open()
    await fixture.stored(['a'])
    await new Promise<void>((resolve) => void fixture.log.onReadable(0, resolve))

    const cancelled: string[] = []
    fixture.log.onReadable(1, () => cancelled.push('cancelled')).cancel()
    await fixture.stored(['b'])
    assert.deepEqual(cancelled, [])
  })

  test('all appends of one flush share its promise', async () => {
    const { append } = bound(await PartitionFixture.open())
    const [first, second] = [append(['a']), append(['b'])]
    assert.ok(first.kind === 'appended' && second.kind === 'appended')
    assert.equal(first.flushed, second.flushed)
  })

  test('reads below the log start, beyond the log end and of no offset at all are out of range', async () => {
    const fixture = await PartitionFixture.open()
    await fixture.stored(['a', 'b', 'c'])
    const deletion = fixture.log.deleteRecordsBefore(2)
    fixture.journal.flush()
    assert.equal(await deletion, 'NONE')

    for (const offset of [-1, 0, 1, 4, Number.NaN])
      assert.deepEqual(await fixture.log.read(readOf(offset)), {
        kind: 'refused',
        error: 'OFFSET_OUT_OF_RANGE',
      })
    assert.deepEqual(await fixture.values(), ['2:c'])
  })

  test('a read takes whole batches up to its limit, and one that is larger only when it must', async () => {
    for (const flushSegments of [false, true]) {
      const fixture = await PartitionFixture.open({ memoryBytes: flushSegments ? 0 : 1024 * 1024 })
      for (const value of ['aaaa', 'bbbb', 'cccc']) await fixture.stored([value])
      if (flushSegments) await fixture.reopen()
      const { length } = batchOf(['aaaa'])
      const sizes = async (offset: number, maxBytes: number, atLeastOneBatch: boolean) => {
        const result = await fixture.log.read({ offset, maxBytes, atLeastOneBatch })
        return batchesOf(result).map((batch) => batch.baseOffset)
      }

      assert.deepEqual(await sizes(0, 2 * length, true), [0, 1])
      assert.deepEqual(await sizes(0, 2 * length - 1, true), [0])
      assert.deepEqual(await sizes(1, 1, true), [1])
      assert.deepEqual(await sizes(1, 1, false), [])
      assert.deepEqual(await sizes(2, 10 * length, true), [2])
    }
  })

  test('an offset inside of a batch gets the whole batch', async () => {
    const fixture = await PartitionFixture.open()
    await fixture.stored(['a', 'b', 'c'])
    for (const reopened of [false, true]) {
      if (reopened) await fixture.reopen()
      const [batch] = batchesOf(await fixture.log.read(readOf(1)))
      assert.deepEqual([batch?.baseOffset, batch?.lastOffset], [0, 2])
    }
  })

  test('LogAppendTime stamps batches, never goes back when the clock does, and survives a restart', async () => {
    const fixture = await PartitionFixture.open({ config: { timestampType: 'LogAppendTime' } })
    const startMs = fixture.clock.wallMs()
    const times: number[] = []
    const append = async () => {
      const result = fixture.append([{ timestampMs: 5, value: Buffer.from('a') }])
      assert.ok(result.kind === 'appended')
      times.push(result.logAppendTimeMs - startMs)
      fixture.journal.flush()
      await result.flushed
    }
    await append()
    fixture.clock.jumpWall(1_000)
    await append()
    fixture.clock.jumpWall(-5_000)
    await append()
    await fixture.reopen()
    await append()

    assert.deepEqual(times, [0, 1_000, 1_000, 1_000])
    const inFile = batchesOf(await fixture.log.read(readOf(0)))
    const inMemory = batchesOf(await fixture.log.read(readOf(3)))
    assert.deepEqual(
      [...inFile, ...inMemory].map((batch) => [batch.timestampType, batch.maxTimestamp - startMs]),
      times.map((time) => ['LogAppendTime', time]),
    )
  })

  test('a slice of a large receive buffer is copied, so that it does not keep the buffer', async () => {
    const fixture = await PartitionFixture.open()
    const batch = batchOf(['small'])
    const received = new Uint8Array(64 * 1024)
    received.set(batch, 100)
    const result = fixture.log.append(received.subarray(100, 100 + batch.length))
    fixture.journal.flush()
    await (result.kind === 'appended' ? result.flushed : undefined)
    received.fill(0)

    assert.deepEqual(await fixture.values(), ['0:small'])
  })
})

describe('idempotent producers', () => {
  test('a batch that comes again gets its old offset, and waits for the flush of the first', async () => {
    const fixture = await PartitionFixture.open()
    const producer = { producerId: 7n, producerEpoch: 0 }
    await fixture.stored(['x'])
    const first = fixture.append(['a', 'b'], { ...producer, baseSequence: 0 })
    const again = fixture.append(['a', 'b'], { ...producer, baseSequence: 0 })
    assert.ok(first.kind === 'appended' && again.kind === 'appended')
    assert.deepEqual([first.baseOffset, again.baseOffset], [1, 1])
    assert.equal(again.flushed, first.flushed)

    fixture.journal.flush()
    await again.flushed
    assert.deepEqual(await fixture.values(), ['0:x', '1:a', '2:b'])
  })

  test('are known after a restart and after a crash', async () => {
    const fixture = await PartitionFixture.open()
    const producer = { producerId: 7n, producerEpoch: 3 }
    await fixture.stored(['a'], { ...producer, baseSequence: 0 })
    await fixture.reopen()
    await fixture.stored(['b'], { ...producer, baseSequence: 1 })
    await fixture.crash('nothing', 1)

    for (const [sequence, offset] of [
      [0, 0],
      [1, 1],
    ] as const) {
      const again = fixture.append(['a'], { ...producer, baseSequence: sequence })
      assert.equal(again.kind === 'appended' && again.baseOffset, offset)
    }
    const gap = fixture.append(['d'], { ...producer, baseSequence: 3 })
    assert.equal(gap.kind === 'refused' && gap.error, 'OUT_OF_ORDER_SEQUENCE_NUMBER')
    assert.equal(fixture.log.logEndOffset, 2)
  })

  test('that were idle for too long are forgotten by retention', async () => {
    const fixture = await PartitionFixture.open({ limits: { producerIdExpirationMs: 1_000 } })
    await fixture.stored(['a'], { producerId: 7n, producerEpoch: 0, baseSequence: 0 })
    await fixture.clock.advance(1_000)
    await fixture.log.applyRetention(fixture.clock.wallMs())

    const late = fixture.append(['b'], { producerId: 7n, producerEpoch: 0, baseSequence: 9 })
    assert.equal(late.kind, 'appended')
  })
})

describe('segments', () => {
  test('roll by size and by time, and reads go from one to the next', async () => {
    const { length } = batchOf(['a'])
    const fixture = await PartitionFixture.open({
      config: { segmentBytes: 2 * length, segmentMs: 1_000 },
      memoryBytes: 0,
    })
    for (const value of ['a', 'b', 'c']) await fixture.stored([value])
    await fixture.clock.advance(1_001)
    await fixture.stored(['d'])
    await fixture.takeCheckpoint()

    const bases = fixture.checkpoint?.segments.map((segment) => segment.baseOffset)
    assert.deepEqual(bases, [0, 2, 3])
    assert.deepEqual(await fixture.values(), ['0:a', '1:b', '2:c', '3:d'])
    await fixture.reopen()
    assert.deepEqual(await fixture.values(1), ['1:b', '2:c', '3:d'])
  })

  test('hold the batches back to back in files of their own, named by base offset', async () => {
    const { length } = batchOf(['a'])
    const fixture = await PartitionFixture.open({ config: { segmentBytes: 2 * length } })
    for (const value of ['a', 'b', 'c']) await fixture.stored([value])
    await fixture.takeCheckpoint()

    const logs = fixture.disk.paths().filter((path) => path.endsWith('.log'))
    assert.deepEqual(logs, [fixture.segmentPath(0), fixture.segmentPath(2)])
    assert.equal(fixture.disk.contents(fixture.segmentPath(0)).length, 2 * length)
  })

  test('have index entries that name last offsets and positions, never for the first batch', async () => {
    const { length } = batchOf(['a', 'b'])
    const fixture = await PartitionFixture.open({ config: { indexIntervalBytes: length } })
    for (let index = 0; index < 6; index++) {
      await fixture.stored(['a', 'b'])
      await fixture.clock.advance(10)
    }
    await fixture.takeCheckpoint()

    const index = Buffer.from(fixture.disk.contents(fixture.segmentPath(0, 'index')))
    // More than the interval has to come before: two batches, then an entry, and so on.
    assert.deepEqual(
      [0, 8].map((at) => [index.readInt32BE(at), index.readInt32BE(at + 4)]),
      [
        [5, 2 * length],
        [9, 4 * length],
      ],
    )
    const times = Buffer.from(fixture.disk.contents(fixture.segmentPath(0, 'timeindex')))
    const startMs = fixture.clock.wallMs() - 60
    assert.deepEqual(
      [0, 12].map((at) => [Number(times.readBigInt64BE(at)) - startMs, times.readInt32BE(at + 8)]),
      [
        [20, 5],
        [40, 9],
      ],
    )
  })

  test('whose index files are gone, empty, cut or damaged read the same, by indexes made anew', async () => {
    const spoil: readonly ((bytes: Uint8Array) => Uint8Array | null)[] = [
      () => null,
      () => new Uint8Array(0),
      (bytes) => bytes.subarray(0, 9),
      (bytes) => bytes.map((byte, at) => (at === 3 ? byte ^ 1 : byte)),
      (bytes) => new Uint8Array(bytes.length),
    ]
    for (const change of spoil) {
      const fixture = await PartitionFixture.open({
        config: { segmentBytes: 1_500, indexIntervalBytes: 150 },
        memoryBytes: 0,
      })
      for (let index = 0; index < 40; index++) {
        await fixture.stored([`value ${index}`])
        await fixture.clock.advance(5)
      }
      const startMs = fixture.clock.wallMs() - 200
      await fixture.reopen()
      const before = new Map(
        indexPaths(fixture).map((path) => [path, fixture.disk.contents(path).slice()]),
      )
      for (const [path, contents] of before) {
        const changed = change(contents)
        if (changed === null) fixture.disk.lose(path)
        else fixture.disk.overwrite(path, changed)
      }

      for (let offset = 0; offset < 40; offset++) {
        const [first] = await fixture.values(offset)
        assert.equal(first, `${offset}:value ${offset}`)
        const found = await fixture.log.offsetForTimestamp(startMs + 5 * offset)
        assert.equal(found?.offset, offset)
      }
      for (let index = 0; index < 20; index++) await fixture.stored(['one more'])
      await fixture.reopen()
      const after = new Map(
        indexPaths(fixture).map((path) => [path, fixture.disk.contents(path).slice()]),
      )
      for (const [path, contents] of before)
        assert.deepEqual(after.get(path)?.subarray(0, contents.length), contents)
      assert.equal(fixture.log.corrupt, null)
    }
  })
})

describe('timestamps', () => {
  test('are found in memory and in files, in every compression, exactly', async () => {
    const fixture = await PartitionFixture.open({ config: { segmentBytes: 400 } })
    const at = (timestampMs: number) => ({ timestampMs, value: Buffer.from(`at ${timestampMs}`) })
    await fixture.stored([at(10), at(30)])
    await fixture.stored([at(20), at(50), at(40)], { compression: 'gzip' })
    await fixture.stored([at(45), at(90)], { compression: 'zstd' })
    await fixture.stored([at(60)])

    for (const reopened of [false, true]) {
      if (reopened) await fixture.reopen()
      const found = async (timestampMs: number) =>
        (await fixture.log.offsetForTimestamp(timestampMs))?.offset ?? null
      assert.deepEqual(await Promise.all([0, 10, 11, 30, 31, 50, 51, 90, 91].map(found)), [
        0,
        0,
        1,
        1,
        3,
        3,
        6,
        6,
        null,
      ])
      assert.deepEqual(await fixture.log.maxTimestamp(), {
        offset: 6,
        timestampMs: 90,
        leaderEpoch: 0,
      })
    }
  })

  test('of records that are deleted or not flushed are not found', async () => {
    const fixture = await PartitionFixture.open()
    const at = (timestampMs: number) => ({ timestampMs })
    assert.equal(await fixture.log.maxTimestamp(), null)
    await fixture.stored([at(100), at(20), at(30)])
    fixture.append([at(500)])
    assert.equal((await fixture.log.maxTimestamp())?.offset, 0)
    assert.equal(await fixture.log.offsetForTimestamp(101), null)

    const deletion = fixture.log.deleteRecordsBefore(1)
    fixture.journal.flush()
    await deletion
    assert.deepEqual((await fixture.log.offsetForTimestamp(0))?.offset, 1)
    assert.equal((await fixture.log.maxTimestamp())?.timestampMs, 500)
  })
})

describe('a disk in trouble', () => {
  test('that is full keeps batches in memory, readable, and takes them when there is room', async () => {
    const fixture = await PartitionFixture.open({ memoryBytes: 0 })
    await fixture.stored(['a'])
    await fixture.log.syncDirty()
    fixture.disk.capacityBytes = 0
    await fixture.stored(['b'])
    await assert.rejects(fixture.log.syncDirty(), { code: 'SHOAL_STORAGE_FULL' })

    assert.equal(fixture.journal.full, true)
    const refused = fixture.append(['c'])
    assert.equal(refused.kind === 'refused' && refused.error, 'KAFKA_STORAGE_ERROR')
    assert.deepEqual(await fixture.values(), ['0:a', '1:b'])

    fixture.disk.capacityBytes = Infinity
    fixture.journal.full = false
    await fixture.stored(['c'])
    await fixture.reopen()
    assert.deepEqual(await fixture.values(), ['0:a', '1:b', '2:c'])
    assert.deepEqual(fixture.journal.failures, [])
  })

  test('that fails a sync ends the store', async () => {
    const fixture = await PartitionFixture.open()
    await fixture.stored(['a'])
    fixture.disk.fault = ({ kind }) =>
      kind === 'sync' ? { kind: 'error', code: 'ENOSPC' } : undefined
    await assert.rejects(fixture.log.syncDirty())

    assert.equal(fixture.journal.failures.length, 1)
    const refused = fixture.append(['b'])
    assert.equal(refused.kind === 'refused' && refused.error, 'KAFKA_STORAGE_ERROR')
  })

  test('that fails a write ends the store, and one that has no descriptors left is only asked later', async () => {
    const fixture = await PartitionFixture.open({ memoryBytes: 0 })
    await fixture.stored(['a'])
    await fixture.reopen()
    fixture.disk.fault = ({ kind }) =>
      kind === 'open' ? { kind: 'error', code: 'EMFILE' } : undefined
    assert.equal((await fixture.log.read(readOf(0))).kind, 'refused')
    assert.equal(fixture.log.corrupt, null)

    fixture.disk.fault = undefined
    assert.deepEqual(await fixture.values(), ['0:a'])
    fixture.disk.fault = ({ kind }) =>
      kind === 'write' ? { kind: 'error', code: 'EIO' } : undefined
    await assert.rejects(fixture.stored(['b']), { code: 'EIO' })
    assert.ok(fixture.journal.failures.length > 0)
  })

  test('makes producers wait for segment files when these do not keep up', async () => {
    const fixture = await PartitionFixture.open({ memoryBytes: 10 })
    const first = fixture.append(['a'])
    assert.ok(first.kind === 'appended')
    fixture.journal.flush()
    await first.flushed
    assert.equal(fixture.disk.contents(fixture.segmentPath(0)).length, batchOf(['a']).length)
    assert.equal(fixture.memory.bytes, 0)
  })
})

test('a closed log wakes who waits, refuses everything and closes again without harm', async () => {
  const fixture = await PartitionFixture.open()
  await fixture.stored(['a'])
  const woken = new Promise<void>((resolve) => void fixture.log.onReadable(5, resolve))
  await fixture.log.close()
  await woken
  await fixture.log.close()

  assert.equal(fixture.append(['b']).kind, 'refused')
  assert.deepEqual(await fixture.log.read(readOf(0)), {
    kind: 'refused',
    error: 'KAFKA_STORAGE_ERROR',
  })
  assert.equal(fixture.memory.bytes, 0)
})

test('the end of an epoch is the high watermark for the one in force and unknown for later ones', async () => {
  const fixture = await PartitionFixture.open()
  await fixture.stored(['a', 'b'])
  fixture.append(['c'])
  assert.deepEqual(fixture.log.endOfEpoch(0), { leaderEpoch: 0, endOffset: 2 })
  assert.deepEqual(fixture.log.endOfEpoch(1), { leaderEpoch: -1, endOffset: -1 })
})

function bound(fixture: PartitionFixture) {
  const { log, journal } = fixture
  return { log, journal, append: (records: readonly string[]) => fixture.append(records) }
}

function indexPaths(fixture: PartitionFixture): readonly string[] {
  return fixture.disk.paths().filter((path) => path.endsWith('index'))
}
