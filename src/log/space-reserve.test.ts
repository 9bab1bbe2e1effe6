import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { SimDisk } from './sim-disk.ts'
import {
  isFull,
  isOutOfFiles,
  RESERVE_PATH,
  SpaceReserve,
  writeOrNothing,
} from './space-reserve.ts'

const sizeOf = (disk: SimDisk) => disk.contents(RESERVE_PATH).length

describe('a reserve of space', () => {
  test('is given once, and taken again when there is room for it and for a quarter more', async () => {
    const disk = new SimDisk({ capacityBytes: 1_250 })
    const reserve = await SpaceReserve.open(disk, 1_000)
    assert.equal(await reserve.release(), false)
    assert.equal(await reserve.restore(), true)
    assert.equal(sizeOf(disk), 1_000)
    assert.equal(await reserve.release(), true)
    assert.equal(sizeOf(disk), 0)
    assert.equal(await reserve.release(), false)

    disk.capacityBytes = 1_249
    assert.equal(await reserve.restore(), false)
    assert.equal(sizeOf(disk), 0, 'what is not enough is not held')
    await reserve.close()
  })

  test('is what the file holds after a start', async () => {
    const disk = new SimDisk()
    const first = await SpaceReserve.open(disk, 1_000)
    await first.restore()
    await first.close()
    const again = await SpaceReserve.open(disk, 1_000)
    disk.capacityBytes = 0
    assert.equal(await again.release(), true)
    assert.equal(sizeOf(disk), 0)
  })

  test('that is given and taken at the same time ends as the last one asked', async () => {
    const disk = new SimDisk()
    const reserve = await SpaceReserve.open(disk, 1_000)
    await Promise.all([reserve.restore(), reserve.release(), reserve.restore()])
    assert.equal(sizeOf(disk), 1_000)
    await Promise.all([reserve.restore(), reserve.release()])
    assert.equal(sizeOf(disk), 0)
  })

  test('tells a disk that fails from one that is full', async () => {
    const disk = new SimDisk()
    const reserve = await SpaceReserve.open(disk, 1_000)
    disk.fault = ({ kind }) => (kind === 'write' ? { kind: 'error', code: 'EIO' } : undefined)
    await assert.rejects(reserve.restore(), { code: 'EIO' })
    const file = await disk.open('x', { create: true })
    for (const code of ['ENOSPC', 'EDQUOT', 'EFBIG']) {
      disk.fault = () => ({ kind: 'error', code })
      assert.equal(await writeOrNothing(file, 0, [new Uint8Array(5)]), 0)
    }
    assert.ok(!isFull(new Error('ENOSPC')) && !isFull(undefined))
    assert.ok(isOutOfFiles({ code: 'EMFILE' }) && !isOutOfFiles({ code: 'ENOSPC' }))
  })
})
