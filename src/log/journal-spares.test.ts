import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { bytesOf, openJournal, textsOf } from './journal-fixture.test.ts'
import { JOURNAL_FOLDER, journalPath } from './journal-file.ts'
import type { Journal } from './journal.ts'
import { SimDisk } from './sim-disk.ts'

const SPARE = { spareFiles: 1 }

describe('journal files that are written over', () => {
  test('take the number of the next one, keep their space, and show nothing of their former life', async () => {
    const disk = new SimDisk()
    const { journal } = await openJournal(disk, SPARE)
    // Frames of one size: what is left of the old ones begins exactly where the new ones end.
    for (const text of ['old 1', 'old 2', 'old 3']) await write(journal, text)
    const size = disk.contents(journalPath(1)).length
    const from = await covered(journal)
    assert.deepEqual(await numbers(disk), [1])

    await write(journal, 'new 4')

    assert.deepEqual(await numbers(disk), [2])
    assert.equal(disk.contents(journalPath(2)).length, size)
    for (const lost of ['nothing', 'everything'] as const) {
      const { replayed } = await openJournal(disk.afterCrash(lost, 1), { from })
      assert.deepEqual(textsOf(replayed), ['new 4'])
    }
  })

  test('are read on from across files, however much is left of their former life', async () => {
    const disk = new SimDisk()
    const { journal } = await openJournal(disk, SPARE)
    for (const text of ['old 1', 'old 2', 'old 3']) await write(journal, text)
    const from = await covered(journal)
    await write(journal, 'new 4')
    const cut = journal.cut()
    await write(journal, 'new 5')
    await cut

    assert.deepEqual(await numbers(disk), [2, 3])
    const again = await openJournal(disk.afterCrash('everything', 1), { from })
    assert.deepEqual(textsOf(again.replayed), ['new 4', 'new 5'])
    await write(again.journal, 'new 6')
    const third = await openJournal(disk.afterCrash('nothing', 2), { from })
    assert.deepEqual(textsOf(third.replayed).slice(0, 2), ['new 4', 'new 5'])
  })

  test('are no more than the limit', async () => {
    const disk = new SimDisk()
    const { journal } = await openJournal(disk, { spareFiles: 2, fileBytes: 1 })
    for (let count = 0; count < 5; count++) await write(journal, 'x')
    await covered(journal)
    assert.equal((await numbers(disk)).length, 2)
  })

  test('are never those of an earlier life: a number may have been given again since', async () => {
    const disk = new SimDisk()
    const first = await openJournal(disk, SPARE)
    await write(first.journal, 'first life')
    const crashed = disk.afterCrash('nothing', 1)
    const { journal } = await openJournal(crashed, SPARE)
    await write(journal, 'second life')
    assert.deepEqual(await numbers(crashed), [1, 2])
    await covered(journal)
    assert.deepEqual(await numbers(crashed), [2])
  })

  test('go when the disk is full, and when the journal closes', async () => {
    const disk = new SimDisk()
    const { journal } = await openJournal(disk, { spareFiles: 4, fileBytes: 1, reserveBytes: 64 })
    for (let count = 0; count < 3; count++) await write(journal, 'x'.repeat(1_000))
    await covered(journal)
    assert.equal((await numbers(disk)).length, 3)
    const used = disk.paths().reduce((sum, path) => sum + disk.contents(path).length, 0)
    disk.capacityBytes = used

    // Larger than the spare that it begins to write over: the others give their space.
    await write(journal, 'y'.repeat(2_500))

    assert.deepEqual(await numbers(disk), [4])
    disk.capacityBytes = Infinity
    const cut = await journal.cut()
    assert.ok(await journal.settle())
    await journal.trim(cut)
    await journal.close()
    assert.deepEqual(await numbers(disk), [])
  })
})

async function write(journal: Journal, text: string): Promise<void> {
  journal.appendMachine('m', [bytesOf(text)])
  await journal.flushed()
}

/** A checkpoint covers everything so far; answers where it begins to replay. */
async function covered(journal: Journal) {
  const cut = await journal.cut()
  await journal.trim(cut)
  return cut
}

async function numbers(disk: SimDisk): Promise<readonly number[]> {
  return (await disk.list(JOURNAL_FOLDER))
    .map(({ name }) => Number.parseInt(name, 10))
    .toSorted((left, right) => left - right)
}
