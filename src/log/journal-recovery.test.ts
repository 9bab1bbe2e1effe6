import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { memoryLogger } from '../core/index.ts'
import { journalPath } from './journal-file.ts'
import { encodeFileHeader, FILE_HEADER_BYTES } from './journal-format.ts'
import { recoverJournal } from './journal-recovery.ts'
import { SimDisk } from './sim-disk.ts'

import { bytesOf, openJournal, STORE_ID, textsOf } from './journal-fixture.test.ts'

describe('the recovery of a journal', () => {
  /** Three acknowledged frames, and how the file looks. */
  async function threeFrames() {
    const disk = new SimDisk()
    const { journal } = await openJournal(disk)
    const ends: number[] = [FILE_HEADER_BYTES]
    for (const text of ['one', 'two', 'three']) {
      journal.appendMachine('m', [bytesOf(text)])
      await journal.flushed()
      ends.push(disk.contents(journalPath(1)).length)
    }
    return { disk: disk.afterCrash('process', 1), ends }
  }

  test('cuts an end that was torn, at whatever byte, and says so', async () => {
    const { disk, ends } = await threeFrames()
    const whole = disk.contents(journalPath(1))
    // The last sync was not told: what follows the second frame may never have been acknowledged.
    disk.lose('durable-mark')
    for (let end = (ends[2] ?? 0) + 1; end < whole.length; end++) {
      const torn = disk.afterCrash('everything', 1)
      torn.overwrite(journalPath(1), whole.subarray(0, end))
      const { replayed, logger } = await openJournal(torn)
      assert.deepEqual(textsOf(replayed), ['one', 'two'])
      assert.equal(logger.lines.at(-1)?.fields['cutBytes'], end - (ends[2] ?? 0))
      assert.deepEqual(textsOf((await openJournal(torn)).replayed), ['one', 'two'])
    }
  })

  test('refuses an end that is missing where it was synced', async () => {
    const { disk, ends } = await threeFrames()
    const whole = disk.contents(journalPath(1))
    for (const end of [...ends.slice(0, 3), whole.length - 1]) {
      const cut = disk.afterCrash('everything', 1)
      cut.overwrite(journalPath(1), whole.subarray(0, end))
      await assert.rejects(openJournal(cut), { code: 'SHOAL_STORAGE_CORRUPT' })
      assert.equal(cut.contents(journalPath(1)).length, end)
    }
    disk.lose(journalPath(1))
    await assert.rejects(openJournal(disk), { code: 'SHOAL_STORAGE_CORRUPT' })
  })

  test('refuses damage before an intact frame that tells of its sync, without the mark as well', async () => {
    const { disk, ends } = await threeFrames()
    disk.lose('durable-mark')
    const whole = disk.contents(journalPath(1))
    for (let at = FILE_HEADER_BYTES; at < (ends[1] ?? 0); at++) {
      const damaged = disk.afterCrash('everything', 1)
      const bytes = Uint8Array.from(whole)
      bytes[at] = (bytes[at] ?? 0) ^ 0x10
      damaged.overwrite(journalPath(1), bytes)
      await assert.rejects(openJournal(damaged), { code: 'SHOAL_STORAGE_CORRUPT' })
    }
  })

  test('makes durable what only the kernel had, before anybody can see it', async () => {
    const disk = new SimDisk()
    const { journal } = await openJournal(disk, { policy: 'none' })
    journal.appendMachine('m', [bytesOf('x')])
    await journal.flushed()
    const killed = disk.afterCrash('process', 1)
    assert.deepEqual(textsOf((await openJournal(killed)).replayed), ['x'])
    const lostPower = killed.afterCrash('nothing', 1)
    assert.deepEqual(textsOf((await openJournal(lostPower)).replayed), ['x'])
  })

  for (const lost of ['the first frame, its file and all', 'a later frame'] as const)
    test(`keeps what it showed even if the sync before it had failed: ${lost}`, async () => {
      const disk = new SimDisk()
      const { journal, failures } = await openJournal(disk)
      const synced = lost === 'a later frame' ? ['one', 'two'] : []
      for (const text of synced) {
        journal.appendMachine('m', [bytesOf(text)])
        await journal.flushed()
      }
      // The kernel drops what it could not write and calls it clean: it is in memory, not on the disk.
      disk.fault = ({ kind }) =>
        kind === 'sync' ? { kind: 'error', code: 'EIO', losesUnsynced: true } : undefined
      journal.appendMachine('m', [bytesOf('never acknowledged')])
      await assert.rejects(journal.flushed(), { code: 'SHOAL_STORAGE_FAILED' })
      assert.equal(failures.length, 1)

      disk.fault = undefined
      const restarted = disk.afterCrash('process', 1)
      const shown = textsOf((await openJournal(restarted)).replayed)
      assert.deepEqual(shown, [...synced, 'never acknowledged'])
      const lostPower = restarted.afterCrash('nothing', 1)
      assert.deepEqual(textsOf((await openJournal(lostPower)).replayed), shown)
    })

  test('makes durable what it has read so far when a replay asks for it, once', async () => {
    const disk = new SimDisk()
    const { journal } = await openJournal(disk, { policy: 'none', fileBytes: 1 })
    for (const text of ['one', 'two']) {
      journal.appendMachine('m', [bytesOf(text)])
      await journal.flushed()
    }
    const killed = disk.afterCrash('process', 1)
    const options = {
      logger: memoryLogger(),
      storeId: STORE_ID,
      from: { fileNumber: 1, sequence: 1 },
      durable: 0,
      isKnown: () => true,
    }
    const atTheSecond: SimDisk[] = []
    let replayed = 0
    await recoverJournal({
      ...options,
      files: killed,
      replay: async (_, durableSoFar) => {
        if (++replayed < 2) return
        await durableSoFar()
        atTheSecond.push(killed.afterCrash('nothing', 1))
        const changes = killed.changeCount
        await durableSoFar()
        assert.equal(killed.changeCount, changes)
      },
    })
    assert.equal(atTheSecond.length, 1)
    assert.deepEqual(textsOf((await openJournal(atTheSecond[0]!)).replayed), ['one', 'two'])
  })

  test('writes anew only what no sync is known to have covered', async () => {
    const { disk } = await threeFrames()
    const writtenBy = async (open: SimDisk) => {
      let written = 0
      open.fault = ({ kind, path, bytes }) => {
        if (kind === 'write' && path === journalPath(1)) written += bytes
        return undefined
      }
      assert.equal((await openJournal(open)).replayed.length, 3)
      return written
    }
    assert.equal(await writtenBy(disk.afterCrash('process', 1)), 0)
    disk.lose('durable-mark')
    const written = await writtenBy(disk)
    assert.ok(written > 0 && written <= disk.contents(journalPath(1)).length, `${written} bytes`)
  })

  test('refuses a file of another folder and one of a newer version', async () => {
    const { disk } = await threeFrames()
    const header = { kind: 'journal', number: 1, sequence: 1 } as const
    const foreign = Buffer.from(disk.contents(journalPath(1)))
    foreign.set(encodeFileHeader({ ...header, storeId: new Uint8Array(16) }))
    disk.overwrite(journalPath(1), foreign)
    await assert.rejects(openJournal(disk), { code: 'SHOAL_FOLDER_FORMAT' })
  })
})
