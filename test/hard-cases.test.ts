/**
 * The list of hard cases and the tests it names: a test that is renamed takes its row along.
 */

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { test } from 'node:test'

const ROOT = resolve(import.meta.dirname, '..')

test('every test that docs/hard-cases.md names exists', () => {
  const rows = readFileSync(join(ROOT, 'docs/hard-cases.md'), 'utf8')
    .split('\n')
    .map((line) => /\| (?<name>[^|]+) \| `(?<file>[^`|]+\.ts)` \|$/.exec(line)?.groups)
    .filter((groups) => groups !== undefined)
  assert.ok(rows.length > 40, `${rows.length}`)
  const missing = rows.filter(({ name = '', file = '' }) => {
    const path = join(ROOT, file)
    return !existsSync(path) || !readFileSync(path, 'utf8').includes(name.trim())
  })
  assert.deepEqual(missing, [])
})
