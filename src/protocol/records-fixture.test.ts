/**
 * Records as anybody may send them, for properties over batches.
 */

import * as fc from 'fast-check'

/** @param longest bytes of a key or a value */
export function recordsUpTo(longest: number) {
  const maybeBytes = fc.option(fc.uint8Array({ maxLength: longest }))
  const header = fc.record(
    { key: fc.string({ unit: 'grapheme', maxLength: 6 }), value: maybeBytes },
    { noNullPrototype: true },
  )
  const record = fc.record({
    timestampMs: fc.oneof(fc.integer({ min: 0, max: 2 ** 42 }), fc.constant(-1)),
    key: maybeBytes,
    value: maybeBytes,
    headers: fc.array(header, { maxLength: 3 }),
  })
  return fc.array(record, { minLength: 1, maxLength: 12 })
}
