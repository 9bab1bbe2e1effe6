import assert from 'node:assert/strict'
import { readFileSync, appendFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { entryLine, parseEntry } from './lines.ts'
import type { LedgerEntry } from './lines.ts'
import { LedgerReader, LedgerWriter } from './ledger-file.ts'

const entries: readonly LedgerEntry[] = [
  { what: 'begin', worker: 'w1', atMs: 1_700_000_000_000.25, partition: 0, offset: 12 },
  { what: 'done', worker: 'w1', atMs: 1_700_000_000_001, partition: 3, offset: 2 ** 53 - 1 },
  { what: 'settled', worker: 'w2', atMs: 0, partition: 7, offset: 0, record: 3_999 },
  { what: 'commit', worker: 'w2', atMs: 1, partition: 7, offset: 1 },
  { what: 'lost', worker: 'w2', atMs: 1, partition: 7, offset: 0 },
]

describe('a line of a crash ledger', () => {
  for (const entry of entries)
    test(`is read back as it was written: ${entry.what}`, () => {
      assert.deepEqual(parseEntry(entryLine(entry).trimEnd()), entry)
    })

  const strangers = [
    '',
    'begin w1',
    'begun w1 0 0 0',
    'begin w1 0 -1 0',
    'done w1 0 0 1e3',
    'done w1 0 0 1 -2',
    'x'.repeat(1e5),
  ]
  for (const line of strangers)
    test(`is nothing else: ${JSON.stringify(line.slice(0, 20))}`, () => {
      assert.throws(() => parseEntry(line), { code: 'SHOAL_INVALID_ARGUMENT' })
    })
})

describe('the file of a crash ledger', () => {
  test('gives each whole line once, and half a line when it is whole', () => {
    using reader = LedgerReader.create()
    const writer = new LedgerWriter(reader.path)
    const [first, second, third, fourth] = entries as [
      LedgerEntry,
      LedgerEntry,
      LedgerEntry,
      LedgerEntry,
    ]
    writer.write(first)
    writer.write(second)
    assert.deepEqual(reader.read(), [first, second])
    const line = entryLine(third)
    appendFileSync(reader.path, line.slice(0, 9))
    assert.deepEqual(reader.read(), [])
    appendFileSync(reader.path, line.slice(9))
    writer.write(fourth)
    assert.deepEqual(reader.read(), [third, fourth])
    const written = entries.slice(0, 4).map(entryLine).join('')
    assert.equal(readFileSync(reader.path, 'utf8'), written)
  })
})
