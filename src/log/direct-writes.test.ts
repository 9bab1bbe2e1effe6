import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { encodeRecordBatch } from '../protocol/index.ts'
import { partitionFolder, topicFolder, TOPICS_FOLDER } from './data-folder.ts'
import { bytesOf, KEY, openJournal } from './journal-fixture.test.ts'
import type { JournalEntry } from './journal-entry.ts'
import { journalPath } from './journal-file.ts'
import type { DirectSegment } from './journal-port.ts'
import { segmentPath } from './segment.ts'
import { SimDisk } from './sim-disk.ts'

const batchOf = (bytes: number) =>
  Buffer.from(encodeRecordBatch([{ timestampMs: 1, value: new Uint8Array(bytes).fill(7) }]))

/** A segment that takes everything, or not, and notes what it was asked for. */
class FakeSegment implements DirectSegment {
  takesDirect = true
  hasRoom = true
  readonly seen: string[] = []

  wantDirect(): void {
    this.seen.push('want')
  }

  async writeDirect(position: number, chunks: readonly Uint8Array[]): Promise<boolean> {
    this.seen.push(`write ${Buffer.concat(chunks).length} at ${position}`)
    return this.hasRoom
  }

  async syncDirect(): Promise<void> {
    this.seen.push('sync')
  }
}

const kindsOf = (entries: readonly JournalEntry[]) => entries.map(({ kind }) => kind)

describe('batches that are large enough', () => {
  type Journal = Awaited<ReturnType<typeof openJournal>>['journal']

  /** Appends batches to a segment, one behind the other; answers whether each is in its file when that is known. */
  function appendTo(journal: Journal, segment: DirectSegment, sizes: readonly number[]) {
    let position = 0
    return sizes.map((size) => {
      const batch = batchOf(size)
      const direct = { segment, isInFile: false }
      journal.appendBatch(KEY, { segmentBaseOffset: 0, position }, [batch], direct)
      position += batch.length
      return direct
    })
  }

  test('go to their segment as one write, which is synced before they are flushed', async () => {
    const disk = new SimDisk()
    const { journal } = await openJournal(disk)
    const segment = new FakeSegment()
    const before = disk.contents('durable-mark')
    const placed = appendTo(journal, segment, [600, 600])
    await journal.flushed()
    assert.deepEqual(
      placed.map(({ isInFile }) => isInFile),
      [true, true],
    )
    assert.deepEqual(segment.seen, [`write ${2 * batchOf(600).length} at 0`, 'sync'])
    assert.notDeepEqual(disk.contents('durable-mark'), before)
    assert.ok(disk.contents(journalPath(1)).length < 600, 'their bytes are in the journal too')
    assert.ok(journal.untrimmedBytes > 1_200, 'a recovery has to read them all the same')
  })

  test('go through the journal when the segment gets too little, or cannot take them', async () => {
    const disk = new SimDisk()
    const { journal } = await openJournal(disk)
    const [little, unready, full] = [new FakeSegment(), new FakeSegment(), new FakeSegment()]
    unready.takesDirect = false
    full.hasRoom = false
    const expected: readonly [FakeSegment, number, readonly string[]][] = [
      [little, 100, []],
      [unready, 2_000, ['want']],
      [full, 2_000, [`write ${batchOf(2_000).length} at 0`]],
    ]
    for (const [segment, size, seen] of expected) {
      const [placed] = appendTo(journal, segment, [size])
      await journal.flushed()
      assert.equal(placed?.isInFile, false)
      assert.deepEqual(segment.seen, seen)
    }
    const { replayed } = await openJournal(disk.afterCrash('nothing', 1))
    assert.deepEqual(kindsOf(replayed), ['batch', 'batch', 'batch'])
  })

  test('go to no more segments in a flush than the limit says, those with the most bytes', async () => {
    const { journal } = await openJournal(new SimDisk())
    const sizes = [1_100, 3_000, 1_200, 2_000]
    const placed = sizes.flatMap((size) => appendTo(journal, new FakeSegment(), [size]))
    await journal.flushed()
    assert.deepEqual(
      placed.map(({ isInFile }) => isInFile),
      [false, true, false, true],
    )
  })

  test('go through the journal with the deletion of their partition, which leaves nothing to look at', async () => {
    const { journal } = await openJournal(new SimDisk())
    const [before] = appendTo(journal, new FakeSegment(), [2_000])
    journal.appendDeleted(KEY)
    const [after] = appendTo(journal, new FakeSegment(), [2_000])
    await journal.flushed()
    assert.deepEqual([before?.isInFile, after?.isInFile], [false, false])
  })

  for (const policy of ['os', 'none'] as const)
    test(`go through the journal under policy ${policy}`, async () => {
      const { journal } = await openJournal(new SimDisk(), { policy })
      const [placed] = appendTo(journal, new FakeSegment(), [2_000])
      await journal.flushed()
      assert.equal(placed?.isInFile, false)
    })

  test('end the store when their segment cannot be synced', async () => {
    const { journal, failures } = await openJournal(new SimDisk())
    const segment = new FakeSegment()
    segment.syncDirect = () => Promise.reject(new Error('EIO'))
    appendTo(journal, segment, [2_000])
    await assert.rejects(journal.flushed(), { code: 'SHOAL_STORAGE_FAILED' })
    assert.equal(failures.length, 1)
  })
})

describe('the recovery of a journal that refers to batches in a segment', () => {
  const path = segmentPath(partitionFolder(KEY), 0, 'log')
  const batch = batchOf(2_000)

  /** A frame, one with a batch that was written directly, and one more. */
  async function written(disk = new SimDisk()) {
    const { journal } = await openJournal(disk)
    await disk.makeFolder(partitionFolder(KEY))
    const file = await disk.open(path, { create: true })
    for (const folder of [partitionFolder(KEY), topicFolder(KEY.topicId), TOPICS_FOLDER, ''])
      await disk.syncFolder(folder)
    const segment: DirectSegment = {
      takesDirect: true,
      wantDirect: () => {},
      writeDirect: async (position, chunks) => (await file.write(position, chunks)) > 0,
      syncDirect: () => file.sync(),
    }
    journal.appendMachine('m', [bytesOf('before')])
    await journal.flushed()
    const direct = { segment, isInFile: false }
    journal.appendBatch(KEY, { segmentBaseOffset: 0, position: 0 }, [batch], direct)
    await journal.flushed()
    assert.equal(direct.isInFile, true)
    return { disk, journal }
  }

  test('gives their place and their header', async () => {
    const { disk } = await written()
    const { replayed } = await openJournal(disk.afterCrash('nothing', 1))
    assert.deepEqual(replayed.at(-1), {
      kind: 'direct-batch',
      partition: KEY,
      segmentBaseOffset: 0,
      position: 0,
      header: batch.subarray(0, 61),
    })
  })

  test('cuts the frame of one that is torn at whatever sector, when it was not acknowledged', async () => {
    const { disk } = await written()
    disk.lose('durable-mark')
    for (const at of [0, 20, 60, 61, 512, 1_024, batch.length - 2]) {
      const torn = disk.afterCrash('nothing', 1)
      torn.overwrite(path, disk.contents(path).fill(0, at))
      const { replayed } = await openJournal(torn)
      assert.deepEqual(kindsOf(replayed), ['machine-record'])
      assert.deepEqual(kindsOf((await openJournal(torn)).replayed), ['machine-record'])
    }
    disk.lose(path)
    assert.deepEqual(kindsOf((await openJournal(disk)).replayed), ['machine-record'])
  })

  test('goes on past one that is damaged where it was acknowledged: by the mark, or by a later frame', async () => {
    const { disk, journal } = await written()
    const byMark = disk.afterCrash('process', 1)
    byMark.overwrite(path, disk.contents(path).fill(0, 100))
    assert.deepEqual(kindsOf((await openJournal(byMark)).replayed), [
      'machine-record',
      'direct-batch',
    ])
    journal.appendMachine('m', [bytesOf('after')])
    await journal.flushed()
    const byFrame = disk.afterCrash('process', 1)
    byFrame.lose('durable-mark')
    byFrame.overwrite(path, disk.contents(path).fill(0, 100))
    assert.deepEqual(kindsOf((await openJournal(byFrame)).replayed), [
      'machine-record',
      'direct-batch',
      'machine-record',
    ])
  })

  test('makes durable what a failed sync left in memory alone, before anybody sees it', async () => {
    const disk = new SimDisk()
    disk.fault = ({ kind, path: synced }) =>
      kind === 'sync' && synced === path
        ? { kind: 'error', code: 'EIO', losesUnsynced: true }
        : undefined
    await assert.rejects(written(disk), { code: 'SHOAL_STORAGE_FAILED' })
    disk.fault = undefined
    const next = disk.afterCrash('process', 1)
    const shown = kindsOf((await openJournal(next)).replayed)
    assert.deepEqual(shown, ['machine-record', 'direct-batch'])
    const later = next.afterCrash('nothing', 1)
    assert.deepEqual(kindsOf((await openJournal(later)).replayed), shown)
    assert.deepEqual(Buffer.from(later.contents(path)), batch)
  })
})
