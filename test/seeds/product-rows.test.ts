/**
 * `product-rows.tsv`: the rows of the checklist that show in the runtime, the command line and the deployment files, each
 * with the test that shows it. Here each test is held to exist, by its name in its file.
 *
 * A row that is not shown yet has `-` for its file and says what it waits for; `WAITING` counts them, so that none is
 * added unseen and the number only falls.
 */

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { ROOT } from '../real/services.ts'

const WAITING = 0

const rows = readFileSync(join(import.meta.dirname, 'product-rows.tsv'), 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => {
    const [id = '', title = '', file = '', name = '', ...more] = line.split('\t')
    return { id, title, file, name, more }
  })

describe('the rows of the checklist that the product shows', () => {
  test('are in order, once each, and say what they are about', () => {
    const ids = rows.map(({ id }) => id)
    assert.deepEqual(ids, [...new Set(ids)].toSorted())
    for (const { id, title, name, more } of rows) {
      assert.match(id, /^S\d{3}-\d{2}$/)
      assert.ok(title !== '' && name !== '', id)
      assert.deepEqual(more, [], id)
    }
  })

  test('have each a test, by its name in its file', () => {
    for (const { id, file, name } of rows) {
      if (file === '-') continue
      const path = join(ROOT, file)
      assert.ok(existsSync(path), `${id}: ${file} does not exist`)
      assert.ok(readFileSync(path, 'utf8').includes(name), `${id}: no "${name}" in ${file}`)
    }
  })

  test('of which so many wait for something that is not there yet', () => {
    const waiting = rows.filter(({ file }) => file === '-').map(({ id, name }) => `${id}: ${name}`)
    assert.equal(waiting.length, WAITING, waiting.join('\n'))
  })
})
