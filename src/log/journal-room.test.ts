import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { bytesOf, openJournal, textsOf } from './journal-fixture.test.ts'
import { journalPath } from './journal-file.ts'
import type { Journal } from './journal.ts'
import { SimDisk } from './sim-disk.ts'

const ROOM = { roomBytes: 1_000 }

describe('the room that a journal takes ahead', () => {
  test('lets most rounds change no size, in one write each', async () => {
    const disk = new SimDisk()
    const { journal } = await openJournal(disk, ROOM)
    const sizes: number[] = []
    let writes = 0
    disk.fault = ({ kind, path }) => {
      if (kind === 'write' && path === journalPath(1)) writes++
      return undefined
    }
    for (let count = 0; count < 30; count++) {
      await write(journal, `record ${count}`)
      sizes.push(sizeOf(disk))
    }
    assert.equal(writes, 30)
    assert.equal(new Set(sizes).size, 2)
  })

  test('is a torn end to a recovery, whatever of it reached the disk', async () => {
    const disk = new SimDisk()
    const { journal } = await openJournal(disk, ROOM)
    for (const text of ['one', 'two']) await write(journal, text)
    for (const model of ['nothing', 'prefix', 'subset', 'zeros', 'everything'] as const) {
      const crashed = disk.afterCrash(model, 1)
      const again = await openJournal(crashed, ROOM)
      assert.deepEqual(textsOf(again.replayed), ['one', 'two'])
      await write(again.journal, 'three')
      const { replayed } = await openJournal(crashed.afterCrash('nothing', 1), ROOM)
      assert.deepEqual(textsOf(replayed), ['one', 'two', 'three'])
    }
  })

  test('does not hide that frames are missing where they were synced', async () => {
    const disk = new SimDisk()
    const { journal } = await openJournal(disk, ROOM)
    await write(journal, 'one')
    const one = disk.contents(journalPath(1))
    await write(journal, 'two')
    disk.overwrite(journalPath(1), one)
    await assert.rejects(openJournal(disk, ROOM), { code: 'SHOAL_STORAGE_CORRUPT' })
  })

  test('is not taken by a round that fills half of it, or behind a file that is written over', async () => {
    const disk = new SimDisk()
    const { journal } = await openJournal(disk, { ...ROOM, spareFiles: 1 })
    await write(journal, 'x'.repeat(600))
    assert.ok(sizeOf(disk) < 800)
    await write(journal, 'y')
    const size = sizeOf(disk)
    assert.ok(size > 1_600)
    await journal.trim(await journal.cut())
    for (let count = 0; count < 10; count++) await write(journal, 'over the first')
    assert.equal(sizeOf(disk, 2), size)
  })

  test('is no reason to call a disk full, and not asked of a full one', async () => {
    const disk = new SimDisk()
    const { journal, clock } = await openJournal(disk, { ...ROOM, reserveBytes: 64 })
    disk.capacityBytes = usedBytes(disk) + 300
    await write(journal, 'fits without its room')
    assert.equal(journal.full, false)
    assert.equal(usedBytes(disk), disk.capacityBytes)
    journal.appendMachine('m', [new Uint8Array(300)])
    const flushed = journal.flushed()
    await clock.advance(1_000)
    assert.ok(journal.full)
    disk.capacityBytes += 300
    await clock.advance(1_000)
    await flushed
    const { replayed } = await openJournal(disk.afterCrash('nothing', 1), ROOM)
    assert.equal(replayed.length, 2)
  })

  test('is for syncs: nobody takes it under the other policies', async () => {
    for (const policy of ['os', 'none'] as const) {
      const disk = new SimDisk()
      const { journal } = await openJournal(disk, { ...ROOM, policy })
      await write(journal, 'x')
      assert.ok(sizeOf(disk) < 200)
    }
  })
})

async function write(journal: Journal, text: string): Promise<void> {
  journal.appendMachine('m', [bytesOf(text)])
  await journal.flushed()
}

function sizeOf(disk: SimDisk, number = 1): number {
  return disk.contents(journalPath(number)).length
}

function usedBytes(disk: SimDisk): number {
  return disk.paths().reduce((sum, path) => sum + disk.contents(path).length, 0)
}
