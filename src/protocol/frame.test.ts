import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { concatBytes } from '../core/index.ts'
import { apiVersions, heartbeat } from './apis/index.ts'
import {
  correlationIdOf,
  decodeResponseFrame,
  encodeRequestFrame,
  encodeResponseFrame,
  readRequest,
  readRequestHeader,
} from './frame.ts'
import { Reader } from './reader.ts'

const beat = { groupId: 'g', generationId: 1, memberId: 'm', groupInstanceId: null }

describe('a frame', () => {
  for (const version of [0, 3, 4])
    test(`of a request in version ${version} begins with its size and a header to match`, () => {
      const header = { version, correlationId: -5, clientId: 'café' }

      const frame = concatBytes(encodeRequestFrame(heartbeat, header, beat))
      const reader = new Reader(frame)
      const size = reader.int32()
      const readBack = readRequestHeader(reader)

      assert.equal(size, frame.length - 4)
      assert.deepEqual(readBack, { apiKey: heartbeat.key, ...header })
      assert.deepEqual(readRequest(heartbeat, version, reader), beat)
      assert.equal(reader.remaining, 0)
    })

  for (const version of [0, 4])
    test(`of a response in version ${version} comes back with its correlation id`, () => {
      const response = { throttleTimeMs: 0, errorCode: 'REBALANCE_IN_PROGRESS' } as const

      const frame = concatBytes(encodeResponseFrame(heartbeat, version, 77, response))
      const body = frame.subarray(4)

      assert.equal(new Reader(frame).int32(), body.length)
      assert.equal(correlationIdOf(body), 77)
      assert.deepEqual(decodeResponseFrame(heartbeat, version, body), {
        correlationId: 77,
        response,
      })
    })

  test('of an ApiVersions response has no tagged fields in its header, whatever the version', () => {
    assert.equal(apiVersions.requestHeaderVersion(3), 2)
    assert.equal(apiVersions.responseHeaderVersion(3), 0)
  })

  test('may have a header without a client id, and one with tagged fields', () => {
    const hex = '000c 0004 00000001 ffff 01 07 02 abcd 0267 00000001 026d 00 00'
    const reader = new Reader(new Uint8Array(Buffer.from(hex.replaceAll(' ', ''), 'hex')))

    const { clientId, version } = readRequestHeader(reader)

    assert.equal(clientId, null)
    assert.deepEqual(readRequest(heartbeat, version, reader), beat)
  })

  const damaged: readonly [what: string, hex: string][] = [
    ['nothing', ''],
    ['a header that is cut off', '000c 0004 0000'],
    ['a client id that is cut off', '000c 0004 00000001 7fff 61'],
    ['a flood of tagged fields in its header', '000c 0004 00000001 ffff ffffffff0f'],
    ['a version that the API does not have', '000c 0063 00000001 ffff 00'],
  ]
  for (const [what, hex] of damaged)
    test(`with ${what} is refused`, () => {
      const reader = new Reader(new Uint8Array(Buffer.from(hex.replaceAll(' ', ''), 'hex')))
      assert.throws(() => readRequest(heartbeat, readRequestHeader(reader).version, reader), {
        code: 'SHOAL_PROTOCOL_DECODE',
      })
    })

  test('with a response that is cut off is refused', () => {
    for (const frame of [new Uint8Array(0), new Uint8Array(3), new Uint8Array(5)])
      assert.throws(() => decodeResponseFrame(heartbeat, 4, frame), {
        code: 'SHOAL_PROTOCOL_DECODE',
      })
  })
})
