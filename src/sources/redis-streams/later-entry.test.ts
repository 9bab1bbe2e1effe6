import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fieldsOf } from './entry-record.ts'
import { laterFields, retriedRecordOf } from './later-entry.ts'

const text = (words: string) => new TextEncoder().encode(words)

const record = {
  offset: 7,
  timestampMs: 1_700_000_000_123,
  key: text('k'),
  value: null,
  headers: [
    { key: 'shoal-retry', value: text('of the application') },
    { key: 'none', value: null },
  ],
}

describe('an entry that waits for its next attempt', () => {
  test('comes back as the record that it was, under its id for good, with what was said of it', () => {
    const retried = { attempts: 2, firstFailureMs: 1_700_000_000_456 }
    const fields = laterFields(record, '5-1', retried)
    assert.deepEqual(retriedRecordOf(90, fields, undefined), {
      ...record,
      offset: 90,
      id: '5-1',
      retried,
    })
    assert.equal(retriedRecordOf(90, fields, 3).deliveryCount, 3)
  })

  test('that somebody else wrote is a record like any other', () => {
    const whole = { id: '5-1', timestampMs: 1, attempts: 0, firstFailureMs: 1 }
    for (const facts of ['', '{', 'null', '7', '{}', ...without(whole)]) {
      const fields = [text('shoal-retry'), text(facts), ...fieldsOf(record)]
      const found = retriedRecordOf(90, fields, undefined)
      assert.deepEqual([found.id, found.retried, found.key], [undefined, undefined, record.key])
    }
    assert.deepEqual(retriedRecordOf(90, [], undefined).retried, undefined)
  })
})

/** The facts, each time with one of them missing or no number. */
function without(facts: Readonly<Record<string, unknown>>): readonly string[] {
  return Object.keys(facts).flatMap((name) =>
    [undefined, -1, null].map((value) => JSON.stringify({ ...facts, [name]: value })),
  )
}
