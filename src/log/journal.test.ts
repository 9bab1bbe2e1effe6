import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { VirtualClock } from '../core/index.ts'
import { DURABLE_MARK_PATH } from './durable-mark.ts'
import { JOURNAL_FOLDER, journalPath } from './journal-file.ts'
import { type DiskOperation, SimDisk } from './sim-disk.ts'

import { bytesOf, KEY, openJournal, textsOf } from './journal-fixture.test.ts'

/** Notes what is done to the journal's files from now on. */
function watch(disk: SimDisk): DiskOperation['kind'][] {
  const seen: DiskOperation['kind'][] = []
  disk.fault = ({ kind, path }) => {
    if (path.startsWith(`${JOURNAL_FOLDER}/`) && (kind === 'write' || kind === 'sync'))
      seen.push(kind)
    return undefined
  }
  return seen
}

describe('a journal', () => {
  test('brings back every kind of entry, in order, byte for byte', async () => {
    const disk = new SimDisk()
    const { journal } = await openJournal(disk)
    journal.appendOpened(KEY, { segmentBytes: 5 })
    journal.appendBatch(KEY, { segmentBaseOffset: 2 ** 40, position: 2 ** 33 }, [
      bytesOf('one'),
      bytesOf('two'),
    ])
    journal.appendPartitionEvent(KEY, { kind: 'moved', to: 7 })
    journal.appendMachine('groups', [bytesOf('a'), bytesOf('')])
    journal.appendDeleted(KEY)
    await journal.flushed()
    const { replayed } = await openJournal(disk.afterCrash('nothing', 1))
    assert.deepEqual(
      replayed.map((entry) =>
        entry.kind === 'batch' ? { ...entry, bytes: entry.bytes.toString() } : entry,
      ),
      [
        { kind: 'partition-opened', partition: KEY, config: { segmentBytes: 5 } },
        {
          kind: 'batch',
          partition: KEY,
          segmentBaseOffset: 2 ** 40,
          position: 2 ** 33,
          bytes: 'onetwo',
        },
        { kind: 'partition-event', partition: KEY, event: { kind: 'moved', to: 7 } },
        { kind: 'machine-record', machine: 'groups', record: bytesOf('a') },
        { kind: 'machine-record', machine: 'groups', record: bytesOf('') },
        { kind: 'partition-deleted', partition: KEY },
      ],
    )
  })

  test('flushes a turn of any number of appends with one write and one sync', async () => {
    const disk = new SimDisk()
    const { journal } = await openJournal(disk)
    const seen = watch(disk)
    for (let index = 0; index < 500; index++) journal.appendMachine('m', [bytesOf(`${index}`)])
    await journal.flushed()
    assert.deepEqual(seen, ['write', 'sync'])
  })

  test('gathers what arrives during a sync into the next round, which is on its way when the first is answered', async () => {
    const clock = new VirtualClock()
    const disk = new SimDisk({ timers: clock })
    const { journal } = await openJournal(disk)
    const seen: string[] = []
    disk.fault = ({ kind, path }) => {
      if (kind !== 'write' && kind !== 'sync') return undefined
      seen.push(path === DURABLE_MARK_PATH ? 'mark' : kind)
      return kind === 'sync' ? { kind: 'delay', ms: 10 } : undefined
    }
    journal.appendMachine('m', [bytesOf('first')])
    void journal.flushed().then(() => seen.push('first'))
    await clock.advance(1)
    for (const text of ['second', 'third', 'fourth']) {
      journal.appendMachine('m', [bytesOf(text)])
      void journal.flushed().then(() => seen.push(text))
    }
    await clock.advance(100)
    const second = ['write', 'sync', 'mark', 'first', 'mark', 'second', 'third', 'fourth']
    assert.deepEqual(seen, ['write', 'sync', ...second])
  })

  test('calls back before it resolves, and at once when nothing waits', async () => {
    const { journal } = await openJournal(new SimDisk())
    const order: string[] = []
    journal.onFlushed(() => order.push('nothing waits'))
    journal.appendMachine('m', [bytesOf('x')])
    const resolved = journal.flushed().then(() => order.push('resolved'))
    journal.onFlushed(() => order.push('called back'))
    assert.deepEqual(order, ['nothing waits'])
    await resolved
    assert.deepEqual(order, ['nothing waits', 'called back', 'resolved'])
    await journal.flushed()
  })

  test('goes on in a new file beyond its size, and replays across files', async () => {
    const disk = new SimDisk()
    const { journal } = await openJournal(disk, { fileBytes: 200 })
    const texts = Array.from({ length: 12 }, (_, index) => `record ${index}`)
    for (const text of texts) {
      journal.appendMachine('m', [bytesOf(text)])
      await journal.flushed()
    }
    assert.ok((await disk.list(JOURNAL_FOLDER)).length > 3)
    const again = await openJournal(disk.afterCrash('nothing', 1))
    assert.deepEqual(textsOf(again.replayed), texts)
    again.journal.appendMachine('m', [bytesOf('after')])
    await again.journal.flushed()
  })

  test('ends a file at a cut, and removes the files before it', async () => {
    const disk = new SimDisk()
    const { journal } = await openJournal(disk)
    journal.appendMachine('m', [bytesOf('before')])
    const cut = journal.cut()
    journal.appendMachine('m', [bytesOf('after')])
    const { fileNumber, sequence, coveredBytes } = await cut
    assert.deepEqual({ fileNumber, sequence }, { fileNumber: 2, sequence: 2 })
    assert.equal(coveredBytes, disk.contents(journalPath(1)).length)
    await journal.flushed()
    assert.ok(journal.untrimmedBytes > coveredBytes)
    assert.equal((await disk.list(JOURNAL_FOLDER)).length, 2)
    await journal.trim({ fileNumber, coveredBytes })
    assert.equal(journal.untrimmedBytes, disk.contents(journalPath(2)).length)
    assert.deepEqual(await disk.list(JOURNAL_FOLDER), [
      { name: '00000000000000000002.journal', isFolder: false },
    ])
  })
})

describe('the flush policies', () => {
  test('os answers after the write and syncs within the interval', async () => {
    const disk = new SimDisk()
    const { journal, clock } = await openJournal(disk, { policy: 'os' })
    const seen = watch(disk)
    journal.appendMachine('m', [bytesOf('x')])
    await journal.flushed()
    assert.deepEqual(seen, ['write'])
    const lost = await openJournal(disk.afterCrash('nothing', 1))
    assert.deepEqual(lost.replayed, [])
    await clock.advance(1_000)
    assert.deepEqual(seen, ['write', 'sync'])
    const kept = await openJournal(disk.afterCrash('nothing', 1))
    assert.deepEqual(textsOf(kept.replayed), ['x'])
  })

  test('none never syncs', async () => {
    const disk = new SimDisk()
    const { journal, clock } = await openJournal(disk, { policy: 'none' })
    const seen = watch(disk)
    journal.appendMachine('m', [bytesOf('x')])
    await journal.flushed()
    await clock.advance(60_000)
    assert.deepEqual(seen, ['write'])
    const process = await openJournal(disk.afterCrash('process', 1))
    assert.deepEqual(textsOf(process.replayed), ['x'])
  })
})

describe('a journal whose disk fails', () => {
  for (const kind of ['sync', 'write'] as const)
    test(`ends with the first failed ${kind}: told once, never tried again`, async () => {
      const disk = new SimDisk()
      const { journal, failures } = await openJournal(disk)
      journal.appendMachine('m', [bytesOf('kept')])
      await journal.flushed()
      let tries = 0
      disk.fault = (operation) => {
        if (operation.kind !== kind || !operation.path.startsWith(`${JOURNAL_FOLDER}/`)) return
        tries++
        return { kind: 'error', code: 'EIO', losesUnsynced: true }
      }
      const called: string[] = []
      journal.appendMachine('m', [bytesOf('doubtful')])
      journal.onFlushed(() => called.push('flushed'))
      const flushed = journal.flushed()
      await assert.rejects(flushed, { code: 'SHOAL_STORAGE_FAILED' })
      assert.deepEqual(
        failures.map((error) => (error as { code?: string }).code),
        ['SHOAL_STORAGE_FAILED'],
      )
      assert.ok(journal.failed)
      assert.throws(() => journal.appendMachine('m', [bytesOf('more')]), {
        code: 'SHOAL_STORAGE_FAILED',
      })
      await assert.rejects(journal.flushed(), { code: 'SHOAL_STORAGE_FAILED' })
      await assert.rejects(journal.cut(), { code: 'SHOAL_STORAGE_FAILED' })
      assert.equal(await journal.settle(), false)
      await journal.close()
      assert.equal(tries, 1)
      assert.deepEqual(called, [])
    })

  test('does not leave a rejection that nobody asked for', async () => {
    const disk = new SimDisk()
    const { journal, failures } = await openJournal(disk)
    disk.fault = ({ kind }) => (kind === 'sync' ? { kind: 'error', code: 'EIO' } : undefined)
    journal.appendMachine('m', [bytesOf('x')])
    void journal.flushed()
    await journal.settle()
    assert.equal(failures.length, 1)
  })
})

describe('a journal on a full disk', () => {
  test('acknowledges nothing of a short write, waits, and goes on when there is space', async () => {
    const disk = new SimDisk()
    const { journal, clock, failures } = await openJournal(disk, { reserveBytes: 64 })
    journal.appendMachine('m', [bytesOf('before')])
    await journal.flushed()
    const size = disk.contents(journalPath(1)).length
    const used = disk.paths().reduce((sum, path) => sum + disk.contents(path).length, 0)
    disk.capacityBytes = used + 30
    let flushed = false
    journal.appendMachine('m', [new Uint8Array(500).fill(65)])
    const waiting = journal.flushed().then(() => {
      flushed = true
    })
    await clock.advance(2_000)
    assert.equal(flushed, false)
    assert.ok(journal.full)
    assert.equal(disk.contents(journalPath(1)).length, size)
    assert.deepEqual(textsOf((await openJournal(disk.afterCrash('process', 1))).replayed), [
      'before',
    ])
    disk.capacityBytes = Infinity
    await clock.advance(5_000)
    await waiting
    assert.equal(journal.full, false)
    assert.deepEqual(failures, [])
    const { replayed } = await openJournal(disk.afterCrash('nothing', 1))
    assert.deepEqual(textsOf(replayed), ['before', 'A'.repeat(500)])
  })

  test('keeps the whole frames of a round that fits in part, and writes the others later', async () => {
    const disk = new SimDisk()
    const { journal, clock } = await openJournal(disk, { reserveBytes: 64 })
    const used = disk.paths().reduce((sum, path) => sum + disk.contents(path).length, 0)
    disk.capacityBytes = used + 1_500_000
    const records = ['a', 'b', 'c'].map((text) => bytesOf(text.repeat(1_100_000)))
    journal.appendMachine('m', records)
    const flushed = journal.flushed()
    await clock.advance(1_000)
    assert.ok(journal.full)
    const texts = async (crashed: SimDisk) =>
      textsOf((await openJournal(crashed)).replayed).map((text) => text[0])
    assert.deepEqual(await texts(disk.afterCrash('process', 1)), ['a'])
    disk.capacityBytes = Infinity
    await clock.advance(5_000)
    await flushed
    assert.deepEqual(await texts(disk.afterCrash('nothing', 1)), ['a', 'b', 'c'])
  })

  test('takes commits from the reserve while records are refused', async () => {
    const disk = new SimDisk()
    const { journal, clock } = await openJournal(disk, { reserveBytes: 4_096 })
    disk.capacityBytes = disk.paths().reduce((sum, path) => sum + disk.contents(path).length, 0)
    for (let index = 0; index < 10; index++) {
      journal.appendMachine('offsets', [bytesOf(`commit ${index}`)])
      await journal.flushed()
    }
    assert.ok(journal.full)
    await clock.advance(5_000)
    assert.ok(journal.full)
    disk.capacityBytes = Infinity
    await clock.advance(5_000)
    assert.equal(journal.full, false)
  })

  test('closes without waiting for space, and says so to whoever waits', async () => {
    const disk = new SimDisk()
    const { journal } = await openJournal(disk, { reserveBytes: 64 })
    disk.capacityBytes = 0
    journal.appendMachine('m', [new Uint8Array(500)])
    const flushed = assert.rejects(journal.flushed(), { code: 'SHOAL_STORAGE_FULL' })
    assert.equal(await journal.settle(), false)
    await journal.close()
    await flushed
    assert.throws(() => journal.appendMachine('m', [bytesOf('x')]), { code: 'SHOAL_CLOSED' })
  })

  test('counts running out of descriptors as full, not as a failure', async () => {
    const disk = new SimDisk()
    const { journal, clock, failures } = await openJournal(disk)
    disk.fault = ({ kind }) => (kind === 'open' ? { kind: 'error', code: 'EMFILE' } : undefined)
    journal.appendMachine('m', [bytesOf('x')])
    const flushed = journal.flushed()
    await clock.advance(600)
    assert.ok(journal.full)
    disk.fault = undefined
    await clock.advance(2_000)
    await flushed
    assert.equal(journal.full, false)
    assert.deepEqual(failures, [])
  })
})
