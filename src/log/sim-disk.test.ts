import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { VirtualClock } from '../core/index.ts'
import { SimDisk } from './sim-disk.ts'

const bytesOf = (text: string) => Buffer.from(text, 'utf8')
const textOf = (disk: SimDisk, path: string) => Buffer.from(disk.contents(path)).toString('utf8')

/** `a/x` holds "durable" for good; "+more" behind it, and the file `a/y`, only until a crash. */
async function halfSynced() {
  const disk = new SimDisk()
  await disk.makeFolder('a')
  await disk.syncFolder('')
  const file = await disk.open('a/x', { create: true })
  await file.write(0, [bytesOf('durable')])
  await file.sync()
  await disk.syncFolder('a')
  await file.write(7, [bytesOf('+more')])
  const other = await disk.open('a/y', { create: true })
  await other.write(0, [bytesOf('y')])
  await other.sync()
  return disk
}

describe('a simulated disk after a crash', () => {
  test('has what was synced and nothing else, by the model "nothing"', async () => {
    const after = (await halfSynced()).afterCrash('nothing', 1)
    assert.deepEqual(after.paths(), ['a/x'])
    assert.equal(textOf(after, 'a/x'), 'durable')
  })

  test('has all of it by the model "everything", and durably', async () => {
    const after = (await halfSynced()).afterCrash('everything', 1).afterCrash('nothing', 1)
    assert.deepEqual(after.paths(), ['a/x', 'a/y'])
    assert.equal(textOf(after, 'a/x'), 'durable+more')
  })

  test('has all of it after a process crash, but still not durably', async () => {
    const after = (await halfSynced()).afterCrash('process', 1)
    assert.deepEqual(after.paths(), ['a/x', 'a/y'])
    assert.equal(textOf(after, 'a/x'), 'durable+more')
    assert.deepEqual(after.afterCrash('nothing', 1).paths(), ['a/x'])
  })

  test('has zeros where bytes were added, by the model "zeros"', async () => {
    const after = (await halfSynced()).afterCrash('zeros', 1)
    assert.equal(textOf(after, 'a/x'), 'durable\0\0\0\0\0')
  })

  test('tears only what was under way, by the model "torn"', async () => {
    const disk = await halfSynced()
    const file = await disk.open('a/x', { create: false })
    await file.write(12, [bytesOf('last')])
    const seen = new Set<string>()
    for (let seed = 0; seed < 60; seed++) seen.add(textOf(disk.afterCrash('torn', seed), 'a/x'))
    for (const text of seen) assert.ok('durable+morelast'.startsWith(text) && text.length >= 12)
    assert.ok(seen.size > 2)
  })

  test('keeps a prefix or any subset of what no sync covered, and repeats itself for a seed', async () => {
    const disk = new SimDisk()
    const file = await disk.open('x', { create: true })
    await disk.syncFolder('')
    for (let index = 0; index < 6; index++) await file.write(index, [bytesOf(String(index))])
    const seen = (model: 'prefix' | 'subset') =>
      new Set(
        Array.from({ length: 80 }, (_, seed) => {
          const text = textOf(disk.afterCrash(model, seed), 'x')
          assert.equal(text, textOf(disk.afterCrash(model, seed), 'x'))
          return text
        }),
      )
    for (const text of seen('prefix')) assert.ok('012345'.startsWith(text))
    assert.ok([...seen('subset')].some((text) => text.includes('\0')))
  })

  test('keeps or loses names apart from bytes: a rename, a removal', async () => {
    const disk = await halfSynced()
    await disk.rename('a/x', 'a/z')
    assert.deepEqual(disk.afterCrash('nothing', 1).paths(), ['a/x'])
    await disk.syncFolder('a')
    await disk.remove('a')
    assert.deepEqual(disk.paths(), [])
    const back = disk.afterCrash('nothing', 1)
    assert.deepEqual(back.paths(), ['a/y', 'a/z'])
    assert.equal(textOf(back, 'a/z'), 'durable')
  })
})

describe('a simulated disk', () => {
  test('stops the world at the chosen change: the call never returns, its effect is in doubt', async () => {
    const disk = new SimDisk({ crashAt: 3 })
    const file = await disk.open('x', { create: true })
    await file.write(0, [bytesOf('ab')])
    let returned = false
    void file.write(2, [bytesOf('cd')]).then(() => {
      returned = true
    })
    await disk.crashed
    assert.ok(disk.isDead)
    await Promise.resolve()
    assert.equal(returned, false)
    assert.equal(disk.changeCount, 3)
    assert.equal(textOf(disk.afterCrash('process', 1), 'x'), 'abcd')
  })

  test('writes short at its capacity, then not at all', async () => {
    const disk = new SimDisk({ capacityBytes: 5 })
    const file = await disk.open('x', { create: true })
    assert.equal(await file.write(0, [bytesOf('abc')]), 3)
    assert.equal(await file.write(3, [bytesOf('def'), bytesOf('g')]), 2)
    await assert.rejects(file.write(5, [bytesOf('h')]), { code: 'ENOSPC' })
    assert.equal(await file.write(0, [bytesOf('A')]), 1)
    await file.truncate(1)
    assert.equal(await file.write(1, [bytesOf('BCDEF')]), 4)
  })

  test('fails a sync and loses its bytes, so that the next sync succeeds without them', async () => {
    const disk = new SimDisk()
    const file = await disk.open('x', { create: true })
    await disk.syncFolder('')
    await file.write(0, [bytesOf('gone')])
    disk.fault = ({ kind }) =>
      kind === 'sync' ? { kind: 'error', code: 'EIO', losesUnsynced: true } : undefined
    await assert.rejects(file.sync(), { code: 'EIO' })
    disk.fault = undefined
    await file.sync()
    assert.equal(textOf(disk, 'x'), 'gone')
    assert.equal(textOf(disk.afterCrash('everything', 1), 'x'), '')
  })

  test('covers with a sync what was written before it began, not what came during it', async () => {
    const clock = new VirtualClock()
    const disk = new SimDisk({
      timers: clock,
      fault: ({ kind }) => (kind === 'sync' ? { kind: 'delay', ms: 5 } : undefined),
    })
    const file = await disk.open('x', { create: true })
    await disk.syncFolder('')
    await file.write(0, [bytesOf('before')])
    const synced = file.sync()
    await file.write(6, [bytesOf(' during')])
    await clock.advance(5)
    await synced
    assert.equal(textOf(disk.afterCrash('nothing', 1), 'x'), 'before')
  })

  test('runs out of descriptors, and refuses closed files and a second lock', async () => {
    const disk = new SimDisk({ maxOpenFiles: 1 })
    const file = await disk.open('x', { create: true })
    await assert.rejects(disk.open('y', { create: true }), { code: 'EMFILE' })
    await file.close()
    await assert.rejects(file.size(), { code: 'SHOAL_CLOSED' })
    await assert.rejects(disk.open('y', { create: false }), { code: 'ENOENT' })
    const lock = await disk.lock()
    await assert.rejects(disk.lock(), { code: 'SHOAL_FOLDER_LOCKED' })
    await lock.release()
    await (await disk.lock()).release()
  })
})
