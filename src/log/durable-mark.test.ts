import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { memoryLogger } from '../core/index.ts'
import { DURABLE_MARK_PATH, DurableMark } from './durable-mark.ts'
import { SimDisk } from './sim-disk.ts'

const ID = new Uint8Array(16).fill(3)

async function open(disk: SimDisk, storeId: Uint8Array = ID) {
  const logger = memoryLogger()
  return { mark: await DurableMark.open(disk, storeId, logger), logger }
}

/** After marks of 5, 6 and 7, in turn in the first, the second and the first slot. */
async function marked(): Promise<SimDisk> {
  const disk = new SimDisk()
  const { mark } = await open(disk)
  assert.equal(mark.found, 0)
  for (const sequence of [5, 6, 7]) await mark.write(sequence)
  await mark.close()
  return disk
}

describe('a durable mark', () => {
  test('says the newest of what was written, and says nothing in another folder', async () => {
    const disk = await marked()
    assert.equal((await open(disk)).mark.found, 7)
    assert.equal((await open(disk, new Uint8Array(16))).mark.found, 0)
  })

  test('falls back to the older statement when any bit of the newer one is wrong', async () => {
    const disk = await marked()
    const whole = disk.contents(DURABLE_MARK_PATH)
    for (let bit = 0; bit < 32 * 8; bit++) {
      const damaged = Uint8Array.from(whole)
      damaged[bit >> 3]! ^= 1 << (bit & 7)
      disk.overwrite(DURABLE_MARK_PATH, damaged)
      assert.equal((await open(disk)).mark.found, 6, `bit ${bit}`)
    }
  })

  test('is written over the older statement first, so that a torn write leaves the newer one', async () => {
    const disk = await marked()
    const { mark } = await open(disk)
    disk.fault = ({ kind }) => (kind === 'write' ? { kind: 'short', bytes: 20 } : undefined)
    await mark.write(8)
    disk.fault = undefined
    assert.equal((await open(disk)).mark.found, 7)
  })

  test('says nothing new on a full disk, warns once and goes on; any other failure is told', async () => {
    const disk = new SimDisk({ capacityBytes: 0 })
    const { mark, logger } = await open(disk)
    await mark.write(5)
    await mark.write(6)
    assert.equal(logger.lines.length, 1)
    assert.equal((await open(disk)).mark.found, 0)
    disk.fault = ({ kind }) => (kind === 'write' ? { kind: 'error', code: 'EIO' } : undefined)
    await assert.rejects(mark.write(7), { code: 'EIO' })
  })
})
