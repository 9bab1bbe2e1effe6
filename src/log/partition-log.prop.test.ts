import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { PartitionFixture, readOf } from './partition-fixture.test.ts'
import { crashModels } from './sim-disk-crash.ts'

interface Stored {
  readonly value: string
  readonly timestampMs: number
}

/** What the log must be: an array. */
interface Model {
  /** By offset; what is below `start` was deleted. */
  readonly records: Stored[]
  start: number
  flushed: number
}

type Step = (fixture: PartitionFixture, model: Model) => Promise<void> | void

const append = fc
  .record({
    count: fc.integer({ min: 1, max: 4 }),
    size: fc.constantFrom(0, 10, 300),
    timestampMs: fc.integer({ min: 0, max: 30 }),
    compression: fc.constantFrom('none' as const, 'none' as const, 'gzip' as const),
  })
  .map(({ count, size, timestampMs, compression }) =>
    named(
      `append ${count} of ${size} at ${timestampMs} ${compression}`,
      ({ log, clock, append: put }, model) => {
        const records = Array.from({ length: count }, (_, index) => {
          const value = `${model.records.length + index}${'.'.repeat(size)}`
          return { value, timestampMs: clock.wallMs() + timestampMs - index }
        })
        const result = put.call(
          { log, clock },
          records.map(({ value, timestampMs }) => ({ value: Buffer.from(value), timestampMs })),
          { compression },
        )
        assert.ok(result.kind === 'appended', 'the append was refused')
        assert.equal(result.baseOffset, model.records.length)
        model.records.push(...records)
      },
    ),
  )

const flush = fc.constant(
  named('flush', ({ journal }, model) => {
    journal.flush()
    model.flushed = model.records.length
  }),
)

const write = fc.constant(named('write', ({ log }) => log.syncDirty()))

const checkpoint = fc.constant(
  named('checkpoint', async (fixture, model) => {
    model.flushed = model.records.length
    await fixture.takeCheckpoint()
  }),
)

const reopen = fc.constant(
  named('reopen', async (fixture, model) => {
    model.flushed = model.records.length
    await fixture.reopen()
  }),
)

const crash = fc
  .record({
    model: fc.constantFrom(...crashModels),
    seed: fc.nat(1_000),
    /** How far a checkpoint came when the process died; -1: none was under way. */
    changes: fc.integer({ min: -1, max: 6 }),
  })
  .map(({ model: kind, seed, changes }) =>
    named(`crash ${kind} ${seed} ${changes}`, async (fixture, model) => {
      if (changes >= 0) {
        fixture.disk.crashAt = fixture.disk.changeCount + changes + 1
        model.flushed = model.records.length
        await Promise.race([fixture.takeCheckpoint(), fixture.disk.crashed])
      }
      await fixture.crash(kind, seed)
      model.records.length = model.flushed
    }),
  )

const deleteRecords = fc.nat(100).map((percent) =>
  named(`delete ${percent}%`, async ({ log, journal }, model) => {
    const before = Math.floor((log.highWatermark * percent) / 100)
    const deleted = log.deleteRecordsBefore(before)
    journal.flush()
    model.flushed = model.records.length
    assert.equal(await deleted, 'NONE')
    model.start = Math.max(model.start, before)
  }),
)

const retention = fc.integer({ min: 0, max: 60 }).map((ms) =>
  named(`retention after ${ms} ms`, async (fixture, model) => {
    const { log, clock } = fixture
    await clock.advance(ms)
    await fixture.flushing(log.applyRetention(clock.wallMs()))
    model.flushed = model.records.length
    // What goes is a prefix, and nothing that is younger than the limit.
    const gone = model.records.slice(model.start, log.logStartOffset)
    for (const { timestampMs } of gone) assert.ok(clock.wallMs() - timestampMs > 50)
    assert.ok(log.logStartOffset >= model.start)
    model.start = log.logStartOffset
  }),
)

test('whatever happens to it, a log is the array of what was flushed', async () => {
  const step = fc.oneof(
    { weight: 8, arbitrary: append },
    { weight: 5, arbitrary: flush },
    { weight: 2, arbitrary: write },
    { weight: 1, arbitrary: checkpoint },
    { weight: 1, arbitrary: reopen },
    { weight: 2, arbitrary: crash },
    { weight: 1, arbitrary: deleteRecords },
    { weight: 2, arbitrary: retention },
  )
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 30 }),
      fc.constantFrom(0, 600, 1024 * 1024),
      fc.constantFrom(300, 1_000, 100_000),
      fc.nat(1_000),
      async (steps, memoryBytes, segmentBytes, probe) => {
        const fixture = await PartitionFixture.open({
          memoryBytes,
          config: { segmentBytes, indexIntervalBytes: 150, retentionMs: 50 },
          limits: { segmentWriteBytes: 500 },
        })
        const model: Model = { records: [], start: 0, flushed: 0 }
        for (const next of steps) {
          await next(fixture, model)
          await agree(fixture, model, probe)
        }
        assert.deepEqual(
          fixture.logger.lines.filter(({ level }) => level === 'error'),
          [],
        )
        await fixture.log.close()
        assert.equal(fixture.memory.bytes, 0)
      },
    ),
    { numRuns: 150 },
  )
})

async function agree(fixture: PartitionFixture, model: Model, probe: number): Promise<void> {
  const { log } = fixture
  assert.deepEqual(
    [log.logStartOffset, log.highWatermark, log.logEndOffset, log.corrupt],
    [model.start, model.flushed, model.records.length, null],
  )
  const visible = model.records
    .slice(0, model.flushed)
    .map((record, offset) => ({ offset, ...record }))
    .slice(model.start)
  const expected = visible.map(({ offset, value }) => `${offset}:${value}`)
  assert.deepEqual(await fixture.values(), expected)
  const from = model.start + (probe % (visible.length + 1))
  assert.deepEqual(await fixture.values(from), expected.slice(from - model.start))
  assert.equal((await log.read(readOf(model.start - 1))).kind, 'refused')

  const wantedMs = (visible[probe % (visible.length || 1)]?.timestampMs ?? 0) + (probe % 3) - 1
  const found = await log.offsetForTimestamp(wantedMs)
  const first = visible.find(({ timestampMs }) => timestampMs >= wantedMs)
  assert.equal(found?.offset, first?.offset)
  const largestMs = Math.max(...visible.map(({ timestampMs }) => timestampMs))
  const latest = visible.find(({ timestampMs }) => timestampMs === largestMs)
  assert.equal((await log.maxTimestamp())?.offset, latest?.offset)
}

/** Steps print as their names in counterexamples. */
function named(name: string, step: Step): Step {
  return Object.assign(step, { [fc.toStringMethod]: () => name })
}
