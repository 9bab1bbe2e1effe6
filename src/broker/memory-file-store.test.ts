import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { MemoryFileStore } from './memory-file-store.ts'

describe('files in memory', () => {
  test('hold what was written, whatever the positions, chunks and cuts', async () => {
    const step = fc.oneof(
      fc.record({
        kind: fc.constant('write' as const),
        position: fc.integer({ min: 0, max: 200_000 }),
        chunks: fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 3 }),
      }),
      fc.record({ kind: fc.constant('truncate' as const), size: fc.nat(200_000) }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        const store = new MemoryFileStore()
        const file = await store.open('f', { create: true })
        let model = new Uint8Array(0)
        for (const each of steps) {
          if (each.kind === 'truncate') {
            await file.truncate(each.size)
            model = resized(model, each.size)
            continue
          }
          const bytes = Buffer.concat(each.chunks)
          assert.equal(await file.write(each.position, each.chunks), bytes.length)
          model = resized(model, Math.max(model.length, each.position + bytes.length))
          model.set(bytes, each.position)
        }
        const read = new Uint8Array(model.length + 10)
        assert.equal(await file.size(), model.length)
        assert.equal(await file.read(0, read), model.length)
        assert.ok(Buffer.from(read.subarray(0, model.length)).equals(model))
      }),
      { numRuns: 30 },
    )
  })

  test('are found by their folder, moved with it, and gone with it', async () => {
    const store = new MemoryFileStore()
    await store.makeFolder('a/b')
    const file = await store.open('a/b/f', { create: true })
    await file.write(0, [new Uint8Array([1, 2])])
    assert.deepEqual(await store.list('a'), [{ name: 'b', isFolder: true }])
    await store.rename('a/b', 'c')
    assert.deepEqual(await store.list('c'), [{ name: 'f', isFolder: false }])
    assert.equal(await (await store.open('c/f', { create: false })).size(), 2)

    await store.remove('c')
    assert.deepEqual(await store.list('c'), [])
    assert.equal(await file.size(), 2, 'an open file can be read to its end')
    await store.remove('nothing')
  })

  test('that are not there are told as a disk tells it', async () => {
    const store = new MemoryFileStore()
    await assert.rejects(store.open('f', { create: false }), { code: 'ENOENT' })
    await assert.rejects(store.open('no/folder/f', { create: true }), { code: 'ENOENT' })
    await assert.rejects(store.rename('f', 'g'), { code: 'ENOENT' })
  })

  test('are locked by one at a time', async () => {
    const store = new MemoryFileStore()
    const lock = await store.lock()
    await assert.rejects(store.lock(), { code: 'SHOAL_FOLDER_LOCKED' })
    await lock.release()
    await (await store.lock()).release()
  })
})

function resized(bytes: Uint8Array, size: number): Uint8Array<ArrayBuffer> {
  const next = new Uint8Array(size)
  next.set(bytes.subarray(0, size))
  return next
}
