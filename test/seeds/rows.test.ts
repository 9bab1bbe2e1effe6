/**
 * `rows.tsv` lists the checklist's rows that show at the Kafka port; here each of them is held to have its one test.
 *
 * The test files are read as text, so that a row whose test was lost is missed even where no client is installed.
 */

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'

const ROW = /^S\d{3}-\d{2}[a-z]?$/

const rows = read('rows.tsv')
  .trimEnd()
  .split('\n')
  .map((line) => line.split('\t'))
const ids = rows.map(([id = '']) => id)

/** The first word of the name of every test of the seeds. */
const tested = readdirSync(import.meta.dirname)
  .filter((file) => /^seed-\d{3}.*\.ts$/.test(file))
  .flatMap((file) => [...read(file).matchAll(/\btest\(\s*(['"`])(\S+) /g)])
  .map(([, , word = '']) => word)

describe('the rows of the checklist', () => {
  test('the table names every row once, in order, and says what it is about', () => {
    for (const [id = '', title = '', ...more] of rows) {
      assert.match(id, ROW)
      assert.notEqual(title, '', id)
      assert.deepEqual(more, [], id)
    }
    assert.deepEqual(ids, [...new Set(ids)].toSorted())
  })

  test('each row has exactly one test, and each test is named by a row', () => {
    assert.deepEqual(tested.toSorted(), ids)
  })
})

function read(file: string): string {
  return readFileSync(join(import.meta.dirname, file), 'utf8')
}
