/**
 * What holds for every value of every API in every version, and for whatever bytes come instead.
 */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { goldenPairs } from '../../test/golden/corpus.ts'
import { concatBytes, ShoalError } from '../core/index.ts'
import { allApis } from './apis/index.ts'
import { kafkaErrorOf } from './errors.ts'
import type { FieldSpec, Shape } from './fields.ts'
import { readRequest, readRequestHeader } from './frame.ts'
import { Reader } from './reader.ts'
import type { Api } from './schema.ts'

interface Dialect {
  readonly version: number
  readonly flexible: boolean
}

const apis: readonly Api[] = allApis
const apiVersions = apis.flatMap((api) => {
  const [first, last] = api.versions
  return Array.from({ length: last - first + 1 }, (_, index) => ({ api, version: first + index }))
})

describe('every API in every version', () => {
  for (const api of apis)
    test(`${api.name}: what is encoded decodes to the same`, () => {
      for (const { version } of apiVersions.filter((each) => each.api === api)) {
        const flexible = api.flexibleSince !== null && version >= api.flexibleSince
        const dialect = { version, flexible }
        const requests = valuesOf(api.request, dialect) as fc.Arbitrary<Record<string, never>>
        const responses = valuesOf(api.response, dialect) as fc.Arbitrary<Record<string, never>>
        fc.assert(
          fc.property(requests, responses, (request, response) => {
            const requestBytes = concatBytes(api.encodeRequest(version, request))
            const responseBytes = concatBytes(api.encodeResponse(version, response))
            assert.deepEqual(api.decodeRequest(version, requestBytes), request)
            assert.deepEqual(api.decodeResponse(version, responseBytes), response)
          }),
          { numRuns: 6 },
        )
      }
    })
})

describe('bytes from a stranger', () => {
  const pairs = goldenPairs()
  const frames = pairs.map(({ requestHeader, request }) => concatBytes([requestHeader, request]))
  const hostile = fc.constantFrom(
    [0x7f, 0xff, 0xff, 0xff],
    [0xff, 0xff, 0xff, 0xff],
    [0x80, 0, 0, 0],
    [0xff, 0xff, 0xff, 0xff, 0x0f],
    [0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
    [0x7f, 0xff],
    [0],
  )
  const change = fc.record({
    at: fc.nat(),
    bytes: fc.oneof(hostile, fc.array(fc.nat(255), { maxLength: 6 })),
  })
  const mutated = fc
    .record({
      frame: fc.constantFrom(...frames),
      changes: fc.array(change, { maxLength: 4 }),
      cut: fc.option(fc.nat()),
    })
    .map(({ frame, changes, cut }) => {
      const copy = Uint8Array.from(frame)
      for (const { at, bytes } of changes)
        for (const [index, byte] of bytes.entries()) copy[(at % copy.length) + index] = byte
      return cut === null ? copy : copy.subarray(0, cut % copy.length)
    })

  test('that were nearly right throw nothing but our error, and make no more than they hold', () => {
    fc.assert(
      fc.property(mutated, (frame) => {
        const reader = new Reader(frame)
        expectOurError(() => {
          const { apiKey, version } = readRequestHeader(reader)
          const api = apis.find(({ key }) => key === apiKey)
          return api && readRequest(api, version, reader)
        }, frame)
      }),
      { numRuns: 3_000 },
    )
  })

  test('that are anything at all throw nothing but our error, in both directions', () => {
    const anything = fc.uint8Array({ maxLength: 200 })
    fc.assert(
      fc.property(fc.constantFrom(...apiVersions), anything, ({ api, version }, frame) => {
        expectOurError(() => api.decodeRequest(version, frame), frame)
        expectOurError(() => api.decodeResponse(version, frame), frame)
      }),
      { numRuns: 3_000 },
    )
  })
})

function expectOurError(decode: () => unknown, frame: Uint8Array): void {
  let value: unknown
  try {
    value = decode()
  } catch (error) {
    assert.ok(error instanceof ShoalError, String(error))
    assert.equal(error.code, 'SHOAL_PROTOCOL_DECODE')
    return
  }
  assert.ok(elementsIn(value) <= frame.length, 'more elements than bytes')
}

function elementsIn(value: unknown): number {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return 0
  const own = Array.isArray(value) ? value.length : 0
  return Object.values(value).reduce((sum: number, inner) => sum + elementsIn(inner), own)
}

/** Values that a field can have in a version; the default where the version lacks it. */
function valuesOf(spec: FieldSpec, dialect: Dialect): fc.Arbitrary<unknown> {
  const isPresent = dialect.version >= spec.since && dialect.version <= spec.until
  if (!isPresent || (spec.tag !== null && !dialect.flexible)) return fc.constant(spec.absent)
  const present = presentValuesOf(spec.shape, dialect)
  const values = dialect.version >= spec.nullableSince ? fc.option(present, { nil: null }) : present
  return spec.tag === null ? values : fc.oneof(fc.constant(spec.absent), values)
}

function presentValuesOf(shape: Shape, dialect: Dialect): fc.Arbitrary<unknown> {
  switch (shape.kind) {
    case 'bool':
      return fc.boolean()
    case 'int8':
      return fc.integer({ min: -0x80, max: 0x7f })
    case 'int16':
      return fc.integer({ min: -0x8000, max: 0x7fff })
    case 'uint16':
      return fc.integer({ min: 0, max: 0xffff })
    case 'int32':
      return fc.integer()
    case 'int64':
      return fc.maxSafeInteger()
    case 'bigint64':
      return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
    case 'float64':
      return fc.double()
    case 'errorCode':
      return fc.integer({ min: -0x8000, max: 0x7fff }).map(kafkaErrorOf)
    case 'uuid':
      return fc
        .uint8Array({ minLength: 16, maxLength: 16 })
        .map((bytes) => Buffer.from(bytes).toString('base64url'))
    case 'string':
      return fc.oneof(
        fc.string({ maxLength: 10 }),
        fc.string({ unit: 'grapheme', maxLength: 10 }),
        fc.string({ unit: 'binary-ascii', minLength: 60, maxLength: 70 }),
      )
    case 'bytes':
      return fc.uint8Array({ maxLength: 20 })
    case 'records':
      return fc.oneof(fc.uint8Array({ maxLength: 20 }), fc.constant(new Uint8Array(2_000).fill(7)))
    case 'array':
      return fc.array(valuesOf(shape.element, dialect), { maxLength: 3 })
    case 'struct':
      return fc.record(
        Object.fromEntries(shape.fields.map(({ name, spec }) => [name, valuesOf(spec, dialect)])),
        { noNullPrototype: true },
      )
  }
}
