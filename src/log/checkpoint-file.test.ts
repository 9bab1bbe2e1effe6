import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { memoryLogger } from '../core/index.ts'
import {
  CHECKPOINT_FOLDER,
  CheckpointDraft,
  readNewestCheckpoint,
  removeOtherCheckpoints,
  writeCheckpoint,
} from './checkpoint-file.ts'
import { encodeMachineHead } from './journal-entry.ts'
import { SimDisk } from './sim-disk.ts'

const ID = new Uint8Array(16).fill(3)

function draftOf(...texts: readonly string[]): CheckpointDraft {
  const draft = new CheckpointDraft()
  for (const text of texts)
    draft.add(encodeMachineHead('m', text.length), [Buffer.from(text, 'utf8')])
  return draft
}

async function folder(): Promise<SimDisk> {
  const disk = new SimDisk()
  await disk.makeFolder(CHECKPOINT_FOLDER)
  await disk.syncFolder('')
  return disk
}

const write = (disk: SimDisk, number: number, ...texts: readonly string[]) =>
  writeCheckpoint(disk, ID, { fileNumber: number, sequence: number * 10 }, draftOf(...texts))

/** The newest checkpoint, as its number and its texts. */
async function newestOf(disk: SimDisk): Promise<string> {
  const { cut, entries } = await readNewestCheckpoint(disk, ID, memoryLogger())
  assert.equal(cut.sequence, cut.fileNumber * 10)
  const texts = entries.map((entry) =>
    entry.kind === 'machine-record' ? Buffer.from(entry.record).toString('utf8') : entry.kind,
  )
  return `${cut.fileNumber}: ${texts.join(' ')}`
}

describe('a checkpoint', () => {
  test('is there after a crash as soon as it was written, the old one at any moment before', async () => {
    const before = await folder()
    await write(before, 1, 'old')
    const start = before.changeCount
    await write(before, 2, 'new', 'er')
    const changes = before.changeCount - start
    assert.ok(changes > 6, `${changes} changes`)
    for (let at = 1; at <= changes; at++) {
      const disk = await folder()
      await write(disk, 1, 'old')
      disk.crashAt = disk.changeCount + at
      await Promise.race([write(disk, 2, 'new', 'er'), disk.crashed])
      for (const model of ['nothing', 'everything', 'torn', 'subset', 'zeros', 'process'] as const)
        assert.match(await newestOf(disk.afterCrash(model, at)), /^(?:1: old|2: new er)$/)
    }
    assert.equal(await newestOf(before.afterCrash('nothing', 1)), '2: new er')
  })

  test('that the disk has no room for leaves no trace, whichever copy met the end', async () => {
    const measured = await folder()
    await write(measured, 1, 'old')
    const bytes = measured.paths().reduce((sum, path) => sum + measured.contents(path).length, 0)
    for (const room of [10, bytes / 2, bytes - 1]) {
      const disk = await folder()
      await write(disk, 1, 'old')
      disk.capacityBytes = bytes + Math.floor(room)
      await assert.rejects(write(disk, 2, 'old'), { code: 'SHOAL_STORAGE_FULL' })
      assert.ok(disk.paths().every((path) => !path.endsWith('-new')))
      assert.match(await newestOf(disk), /^[12]: old$/)
      disk.capacityBytes = Infinity
      await write(disk, 2, 'newer')
      assert.equal(await newestOf(disk), '2: newer')
    }
  })

  test('replaces the others, and what was left half written', async () => {
    const disk = await folder()
    await write(disk, 1, 'old')
    await write(disk, 2, 'new')
    await disk.open(`${CHECKPOINT_FOLDER}/00000000000000000003.checkpoint-new`, { create: true })
    await removeOtherCheckpoints(disk, 2)
    assert.deepEqual(disk.paths(), [
      'checkpoints/00000000000000000002.checkpoint',
      'checkpoints/00000000000000000002.checkpoint-copy',
    ])
  })

  test('of another folder, or with any byte wrong in both copies, is refused', async () => {
    const disk = await folder()
    await write(disk, 1, 'text')
    const corrupt = { code: 'SHOAL_STORAGE_CORRUPT' }
    await assert.rejects(readNewestCheckpoint(disk, new Uint8Array(16), memoryLogger()), corrupt)
    const [first = '', second = ''] = disk.paths()
    const whole = disk.contents(first)
    for (let at = 0; at < whole.length; at++) {
      const damaged = Uint8Array.from(whole)
      damaged[at]! ^= 0x40
      disk.overwrite(first, damaged)
      disk.overwrite(second, whole)
      assert.equal(await newestOf(disk), '1: text')
      disk.overwrite(second, damaged)
      await assert.rejects(newestOf(disk), (error: Error & { readonly code?: string }) => {
        // A newer version's number is as wrong as any other, and said so.
        assert.match(error.code ?? '', /^SHOAL_(?:STORAGE_CORRUPT|FOLDER_FORMAT)$/, `byte ${at}`)
        return true
      })
    }
  })
})
