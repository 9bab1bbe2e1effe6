import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { type Random, randomBelow, seededRandom } from '../core/index.ts'
import { NodeFileStore } from './node-file-store.ts'
import { UncachedFile, UncachedWrites } from './node-file-store-uncached.ts'

/** More than a slab. */
const MOST_BYTES = 2_500_000

function temporaryFolder(t: TestContext): string {
  const folder = fs.mkdtempSync(join(tmpdir(), 'shoal-uncached-'))
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Some chunks of some bytes, none of them on a boundary of anything. */
function chunksOf(random: Random, byteLength: number): Uint8Array[] {
  const whole = Buffer.alloc(byteLength)
  for (let at = 0; at < byteLength; at += 101) whole[at] = randomBelow(random, 256)
  const cuts = Array.from({ length: randomBelow(random, 5) }, () => randomBelow(random, byteLength))
  const edges = [0, ...cuts.sort((left, right) => left - right), byteLength]
  return edges.slice(1).map((end, index) => whole.subarray(edges[index], end))
}

describe('writes that pass the cache by', () => {
  test('leave the same file as writes through it, wherever they begin and end', async (t) => {
    const folder = temporaryFolder(t)
    const files = await NodeFileStore.open(folder)
    const file = await files.open('x', { create: true })
    const random = seededRandom(7)
    const expected = Buffer.alloc(3 * MOST_BYTES)
    let size = 0
    for (let round = 0; round < 16; round++) {
      const length = 1 + randomBelow(random, round % 4 === 0 ? 9_000 : MOST_BYTES)
      // Behind the end, over what is there, or with a hole before it.
      const position = randomBelow(random, Math.min(size + 9_000, expected.length - length))
      const chunks = chunksOf(random, length)
      assert.equal(await file.write(position, chunks, { uncached: round % 3 !== 1 }), length)
      Buffer.concat(chunks).copy(expected, position)
      size = Math.max(size, position + length)
      const seen = new Uint8Array(size)
      assert.equal(await file.size(), size)
      assert.equal(await file.read(0, seen), size)
      assert.ok(expected.subarray(0, size).equals(seen), `differs after write ${round}`)
    }
    await file.sync()
    await file.close()
    assert.ok(expected.subarray(0, size).equals(fs.readFileSync(join(folder, 'x'))))
  })

  test('wait for one another when many begin at once, and a close waits for them', async (t) => {
    const folder = temporaryFolder(t)
    const files = await NodeFileStore.open(folder)
    const random = seededRandom(8)
    const names = ['a', 'b', 'c', 'd', 'e']
    const written = names.map(async (name) => {
      const file = await files.open(name, { create: true })
      const chunks = chunksOf(random, MOST_BYTES)
      const taken = file.write(77, chunks, { uncached: true })
      await file.close()
      assert.equal(await taken, MOST_BYTES)
      await assert.rejects(file.write(0, chunks, { uncached: true }), { code: 'SHOAL_CLOSED' })
      const found = fs.readFileSync(join(folder, name))
      assert.ok(Buffer.concat([Buffer.alloc(77), ...chunks]).equals(found))
    })
    await Promise.all(written)
  })

  test('are refused by what has no blocks, and nobody asks again', async (t) => {
    const fd = fs.openSync('/dev/null', 'r+')
    t.after(() => fs.closeSync(fd))
    const shared = new UncachedWrites()
    const file = new UncachedFile(fd, shared)
    assert.equal(await file.write(0, [new Uint8Array(10_000)]), null)
    assert.equal(shared.prepare(), false)
    await file.close()
  })

  test('go through the cache where the store is told so, or the system has no others', async (t) => {
    const folder = temporaryFolder(t)
    const files = await NodeFileStore.open(folder, { uncachedWrites: false })
    const file = await files.open('x', { create: true })
    const bytes = Buffer.alloc(300_000, 'x')
    assert.equal(await file.write(5, [bytes], { uncached: true }), bytes.length)
    await file.close()
    assert.ok(fs.readFileSync(join(folder, 'x')).subarray(5).equals(bytes))
    const refused = new UncachedWrites()
    refused.refuse()
    assert.equal(await new UncachedFile(0, refused).write(0, [bytes]), null)
  })
})
