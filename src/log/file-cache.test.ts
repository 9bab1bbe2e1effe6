import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { VirtualClock } from '../core/index.ts'
import { FileCache } from './file-cache.ts'
import { SimDisk } from './sim-disk.ts'

const bytesOf = (text: string) => Buffer.from(text, 'utf8')

describe('a file cache', () => {
  test('opens on first use and keeps at most its limit open', async () => {
    const opened: string[] = []
    const disk = new SimDisk({
      fault: ({ kind, path }) => {
        if (kind === 'open') opened.push(path)
        return undefined
      },
    })
    const cache = new FileCache({ files: disk, limit: 3 })
    const handles = Array.from({ length: 10 }, (_, index) =>
      cache.acquire(`f${index}`, { create: true }),
    )
    assert.deepEqual(opened, [])
    for (const [index, handle] of handles.entries()) await handle.write(0, [bytesOf(`${index}`)])
    assert.equal(opened.length, 10)
    assert.equal(cache.openCount, 3)
    const target = new Uint8Array(1)
    for (const [index, handle] of handles.entries()) {
      assert.equal(await handle.read(0, target), 1)
      assert.equal(String.fromCharCode(target[0] ?? 0), String(index))
      assert.ok(cache.openCount <= 3)
    }
    for (const handle of handles) await handle.close()
    assert.equal(cache.openCount, 0)
  })

  test('lets clean files go before written ones, and syncs a written one that it reopened', async () => {
    const opened: string[] = []
    const disk = new SimDisk()
    const cache = new FileCache({ files: disk, limit: 2 })
    const [dirty, clean, third] = ['dirty', 'clean', 'third'].map((path) =>
      cache.acquire(path, { create: true }),
    )
    await dirty!.write(0, [bytesOf('x')])
    await clean!.size()
    await third!.size()
    disk.fault = ({ kind, path }) => {
      if (kind === 'open') opened.push(path)
      return undefined
    }
    await dirty!.size()
    assert.deepEqual(opened, [])
    await third!.write(0, [bytesOf('y')])
    await clean!.write(0, [bytesOf('z')])
    await dirty!.sync()
    await disk.syncFolder('')
    assert.deepEqual(opened, ['clean', 'dirty'])
    assert.equal(Buffer.from(disk.afterCrash('nothing', 1).contents('dirty')).toString(), 'x')
  })

  test('does not close a file under an operation, and opens it once for many', async () => {
    const clock = new VirtualClock()
    let opens = 0
    const disk = new SimDisk({
      timers: clock,
      fault: ({ kind }) => {
        if (kind === 'open') opens++
        return kind === 'read' || kind === 'open' ? { kind: 'delay', ms: 5 } : undefined
      },
    })
    const cache = new FileCache({ files: disk, limit: 1 })
    const first = cache.acquire('a', { create: true })
    const reads = [first.read(0, new Uint8Array(4)), first.read(0, new Uint8Array(4))]
    const other = cache.acquire('b', { create: true }).read(0, new Uint8Array(4))
    await clock.advance(20)
    assert.deepEqual(await Promise.all([...reads, other]), [0, 0, 0])
    assert.equal(opens, 2)
    assert.equal(cache.openCount, 1)
  })

  test('makes room when the system has no more descriptors', async () => {
    const disk = new SimDisk({ maxOpenFiles: 2 })
    const cache = new FileCache({ files: disk, limit: 100 })
    for (let index = 0; index < 5; index++)
      await cache.acquire(`f${index}`, { create: true }).write(0, [bytesOf('x')])
    assert.equal(cache.openCount, 2)
  })

  test('answers the error of a file that cannot be opened, and tries again next time', async () => {
    const disk = new SimDisk()
    const cache = new FileCache({ files: disk })
    const handle = cache.acquire('x', { create: false })
    await assert.rejects(handle.size(), { code: 'ENOENT' })
    await disk.open('x', { create: true })
    assert.equal(await handle.size(), 0)
    await handle.close()
    await assert.rejects(handle.size(), { code: 'SHOAL_CLOSED' })
  })
})
