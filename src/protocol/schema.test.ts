import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { concatBytes } from '../core/index.ts'
import { Reader } from './reader.ts'
import {
  api,
  array,
  bytes,
  errorCode,
  int16,
  int32,
  int64,
  nullable,
  records,
  string,
  struct,
  uuid,
  type RequestInput,
} from './schema.ts'

const ZERO = 'AAAAAAAAAAAAAAAAAAAAAA'

/** Versions 0-3: 1 adds a field, 2 drops one and is flexible, 3 has everything. */
const borrow = api({
  key: 900,
  name: 'Borrow',
  versions: [0, 3],
  flexibleSince: 2,
  request: {
    readerId: string(),
    oldDesk: int16().until(1, -1),
    cardId: nullable(string()).since(3, null),
    titles: array({ title: string(), copies: int32().since(1, 1) }),
    note: string().nullableSince(2),
    branch: nullable(string()).tagged(0, null),
    shelf: struct({ row: int32() }).tagged(5, { row: -1 }, 3),
  },
  response: {
    errorCode: errorCode(),
    dueMs: int64().between(1, 2, -1),
    scan: nullable(records()),
    clerk: nullable(struct({ id: int32() })).since(2, null),
  },
})

const request: RequestInput<typeof borrow> = {
  readerId: 'ann',
  oldDesk: 7,
  cardId: null,
  titles: [{ title: 'a', copies: 2 }],
  note: 'n',
  branch: null,
  shelf: { row: -1 },
}

describe('a schema', () => {
  const layouts: readonly [version: number, bytes: string][] = [
    [0, '0003616e6e 0007 00000001 000161 00016e'],
    [1, '0003616e6e 0007 00000001 000161 00000002 00016e'],
    [2, '04616e6e 02 0261 00000002 00 026e 00'],
    [3, '04616e6e 00 02 0261 00000002 00 026e 00'],
  ]
  for (const [version, layout] of layouts)
    test(`writes version ${version} as the protocol says`, () => {
      assert.equal(hexOf(borrow.encodeRequest(version, request)), layout.replaceAll(' ', ''))
    })

  test('gives the default of a field that the version does not have', () => {
    const decoded = borrow.decodeRequest(0, fromHex('0003616e6e 0007 00000001 000161 00016e'))

    const titles = [{ title: 'a', copies: 1 }]
    assert.deepEqual(decoded, { ...request, titles })
  })

  test('writes a tagged field only when it differs from its default, lowest tag first', () => {
    const value = { ...request, branch: 'x', shelf: { row: 9 } }

    const bytes = hexOf(borrow.encodeRequest(3, value))

    assert.match(bytes, /026e020002027805050000000900$/)
    assert.deepEqual(borrow.decodeRequest(3, fromHex(bytes)), { ...value, oldDesk: -1 })
  })

  test('skips tagged fields that it does not know, and those of a later version', () => {
    const unknown = '04616e6e 01 026e 02 05 04 00000009 09 03 010203'

    assert.deepEqual(borrow.decodeRequest(2, fromHex(unknown)), {
      ...request,
      oldDesk: -1,
      titles: [],
    })
  })

  test('ignores bytes after the last field', () => {
    const decoded = borrow.decodeRequest(0, fromHex('0003616e6e 0007 00000000 00016e ffff'))

    assert.equal(decoded.note, 'n')
  })

  test('marks a struct that may be null with one byte', () => {
    const response = { errorCode: 'NONE', dueMs: -1, scan: null, clerk: null } as const

    assert.equal(hexOf(borrow.encodeResponse(3, response)), '0000 00 ff 00'.replaceAll(' ', ''))
    const clerk = { id: 5 }
    const present = hexOf(borrow.encodeResponse(3, { ...response, clerk }))
    assert.equal(present, '0000 00 01 00000005 00 00'.replaceAll(' ', ''))
    assert.deepEqual(borrow.decodeResponse(3, fromHex(present)), { ...response, clerk })
  })

  test('keeps the number of an error that it does not know', () => {
    const decoded = borrow.decodeResponse(0, fromHex('0bb8 ffffffff'))

    assert.equal(decoded.errorCode, 'UNKNOWN_3000')
    assert.equal(hexOf(borrow.encodeResponse(0, decoded)), '0bb8ffffffff')
  })

  test('passes records on as they lie in the frame, and large ones without a copy', () => {
    const scan = [new Uint8Array(2_000).fill(1), new Uint8Array(3_000).fill(2)]

    const chunks = borrow.encodeResponse(0, { errorCode: 'NONE', dueMs: -1, scan, clerk: null })
    const frame = concatBytes(chunks)
    const decoded = borrow.decodeResponse(0, frame)

    assert.ok(scan.every((part) => chunks.includes(part)))
    assert.equal(decoded.scan?.buffer, frame.buffer)
    assert.deepEqual(decoded.scan, concatBytes(scan))
  })

  test('knows which header goes with which version', () => {
    const versions = [0, 1, 2, 3]

    assert.deepEqual(versions.map(borrow.requestHeaderVersion), [1, 1, 2, 2])
    assert.deepEqual(versions.map(borrow.responseHeaderVersion), [0, 0, 1, 1])
  })
})

describe('a decoder', () => {
  const lies: readonly [what: string, version: number, frame: string, message: RegExp][] = [
    ['a version that it does not have', 4, '', /version 4 is not between 0 and 3/],
    ['nothing at all', 0, '', /at readerId: 2 bytes are due, 0 are left/],
    ['a string that is not all there', 0, '0009 61', /at readerId: 9 bytes are due, 1 are left/],
    ['null where it is not allowed', 0, 'ffff', /at readerId: null is not allowed/],
    ['a length below -1', 0, 'fffe', /at readerId: a length is -2/],
    ['a compact null where it is not allowed', 2, '00', /at readerId: null is not allowed/],
    ['a varint that does not end', 2, 'ffffffffffff', /takes more than 5 bytes/],
    [
      '2^31 elements',
      0,
      '0000 0000 7fffffff',
      /at titles: 2147483647 elements cannot be in 0 bytes/,
    ],
    [
      'more elements than fit',
      1,
      '0000 0000 00000002 0000 00000000 00',
      /2 elements cannot be in 7/,
    ],
    [
      'a field cut off deep inside',
      0,
      '0000 0000 00000001 000961',
      /at titles\[0\]\.title: 9 bytes/,
    ],
    ['2^32 tagged fields', 2, '01 01 01 ffffffff0f', /4294967295 elements cannot be/],
    ['a tagged field beyond the frame', 2, '01 01 01 01 09 7f', /127 bytes are due/],
    ['a tagged field beyond its own size', 2, '01 01 01 01 00 02 0461 6262', /at branch: 3 bytes/],
  ]
  for (const [what, version, frame, message] of lies)
    test(`refuses ${what}`, () => {
      assert.throws(() => borrow.decodeRequest(version, fromHex(frame)), {
        code: 'SHOAL_PROTOCOL_DECODE',
        message,
      })
    })

  test('refuses an int64 that a number cannot hold', () => {
    assert.throws(() => borrow.decodeResponse(1, fromHex('0000 7fffffffffffffff ffffffff')), {
      code: 'SHOAL_PROTOCOL_DECODE',
      message: /at dueMs: a number is beyond 2\^53/,
    })
  })

  test('refuses a string longer than Kafka allows, though its bytes are there', () => {
    const frame = concatBytes([fromHex('818002'), new Uint8Array(0x8000 + 10)])

    assert.throws(() => borrow.decodeRequest(2, frame), { message: /32768 bytes is too long/ })
  })

  test('stops at the limit of elements, all arrays and tagged fields of a frame together', () => {
    const nested = api({
      key: 901,
      name: 'Nested',
      versions: [0, 0],
      flexibleSince: 0,
      request: { rows: array({ cells: array(int16()) }) },
      response: {},
    })
    const rows = Array.from({ length: 10 }, () => ({ cells: [1, 2, 3] }))
    const frame = concatBytes(nested.encodeRequest(0, { rows }))
    const floodOfTags = concatBytes([fromHex('01 e807'), new Uint8Array(2_000)])

    assert.deepEqual(nested.decodeRequest(0, frame, { maxElements: 40 }), { rows })
    for (const flooded of [frame, floodOfTags])
      assert.throws(() => nested.decodeRequest(0, flooded, { maxElements: 39 }), {
        code: 'SHOAL_PROTOCOL_DECODE',
        message: /too many elements/,
      })
  })

  test('goes on where the reader stands', () => {
    const reader = new Reader(fromHex('ffff 0bb8 ffffffff'))
    reader.int16()

    assert.equal(borrow.decodeResponse(0, reader).errorCode, 'UNKNOWN_3000')
  })
})

describe('an encoder', () => {
  const wrong: readonly [what: string, change: object, message: RegExp][] = [
    ['null where it is not allowed', { readerId: null }, /at readerId: null is not allowed/],
    ['a missing value', { readerId: undefined }, /at readerId: the value is missing/],
    ['a value of another type', { readerId: 5 }, /at readerId: 5 is not a string/],
    ['a number beyond its type', { oldDesk: 40_000 }, /at oldDesk: 40000 is not an integer from/],
    ['a fraction', { titles: [{ title: '', copies: 0.5 }] }, /at titles\[0\]\.copies: 0.5 is not/],
    ['a string that is too long', { readerId: 'é'.repeat(20_000) }, /40000 bytes is too long/],
    ['an object for an array', { titles: {} }, /at titles: an object is not an array/],
  ]
  for (const [what, change, message] of wrong)
    test(`refuses ${what}`, () => {
      const value = { ...request, ...change } as RequestInput<typeof borrow>
      assert.throws(() => borrow.encodeRequest(1, value), {
        code: 'SHOAL_PROTOCOL_ENCODE',
        message,
      })
    })

  test('refuses an unknown error name, a uuid of another length and bytes that are none', () => {
    const odd = api({
      key: 902,
      name: 'Odd',
      versions: [0, 0],
      flexibleSince: null,
      request: { error: errorCode(), id: uuid(), raw: bytes() },
      response: {},
    })
    const good = { error: 'NONE', id: ZERO, raw: new Uint8Array(1) } as const

    assert.equal(hexOf(odd.encodeRequest(0, good)), `0000${'00'.repeat(16)}0000000100`)
    for (const change of [{ error: 'OOPS' }, { id: 'short' }, { id: '!'.repeat(22) }, { raw: 'x' }])
      assert.throws(() => odd.encodeRequest(0, { ...good, ...change } as never), {
        code: 'SHOAL_PROTOCOL_ENCODE',
      })
  })

  test('writes strings that are not ASCII, short and long, as UTF-8', () => {
    for (const readerId of ['é', '漢字'.repeat(30), '🐟'.repeat(100), 'a'.repeat(63) + 'é', '']) {
      const decoded = borrow.decodeRequest(
        0,
        concatBytes(borrow.encodeRequest(0, { ...request, readerId })),
      )
      assert.equal(decoded.readerId, readerId)
    }
  })

  test('writes more than one block without losing a byte between them', () => {
    const titles = Array.from({ length: 5_000 }, (_, index) => ({
      title: `title ${index}`,
      copies: index,
    }))

    const chunks = borrow.encodeRequest(1, { ...request, titles })

    assert.ok(chunks.length > 1)
    assert.deepEqual(borrow.decodeRequest(1, concatBytes(chunks)).titles, titles)
  })
})

function hexOf(chunks: readonly Uint8Array[]): string {
  return Buffer.concat(chunks).toString('hex')
}

function fromHex(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex.replaceAll(' ', ''), 'hex'))
}
