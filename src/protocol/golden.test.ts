/**
 * Bytes of real clients and a real Kafka, through our schemas and back.
 */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { goldenPairs, type GoldenPair } from '../../test/golden/corpus.ts'
import { concatBytes, EMPTY_BYTES } from '../core/index.ts'
import { allApis, apiVersions, metadata, produce } from './apis/index.ts'
import {
  correlationIdOf,
  decodeResponseFrame,
  encodeRequestFrame,
  encodeResponseFrame,
  FRAME_LENGTH_BYTES,
  readRequest,
  readRequestHeader,
} from './frame.ts'
import { Reader } from './reader.ts'
import { batchesIn } from './record-batch.ts'
import { decodeRecords } from './records.ts'
import type { Api } from './schema.ts'

const apis: ReadonlyMap<number, Api> = new Map(allApis.map((api): [number, Api] => [api.key, api]))
const pairs = goldenPairs()
const isKnown = ({ api, version }: GoldenPair) => apis.get(api)?.serves(version) === true
const known = pairs.filter(isKnown)

/** What librdkafka leaves after the last field of a Metadata v13 request: a null list, four bytes long where one is due. */
const LEFT_OVER = '000000'

describe('what real clients and a real Kafka sent', () => {
  test('covers every API that has a schema, and is checked but for versions without one', (t) => {
    const seen = new Set(known.map(({ api }) => api))
    const unseen = allApis.filter(({ key }) => !seen.has(key)).map(({ name }) => name)
    const unknown = pairs.filter((pair) => !isKnown(pair))
    const without = [...new Set(unknown.map(({ api, version }) => `${api} v${version}`))]
    t.diagnostic(
      `${known.length} of ${pairs.length} pairs checked; no schema for ${without.join(', ')}`,
    )

    assert.equal(pairs.length, 264)
    assert.deepEqual(unseen, [])
    assert.ok(known.length >= 236, `only ${known.length} pairs are checked`)
  })

  for (const [index, pair] of known.entries()) {
    const api = apis.get(pair.api)!
    test(`${api.name} v${pair.version} of ${pair.client} (${index}) comes back as the same bytes`, () => {
      const leftOver = roundTripRequest(api, pair)
      roundTripResponse(api, pair)

      const mayLeaveOver = api.key === metadata.key && pair.client.startsWith('librdkafka')
      assert.ok(leftOver === '' || (mayLeaveOver && leftOver === LEFT_OVER), leftOver)
    })
  }

  test('an ApiVersions request of an unknown version has a header to read, and an answer of version 0', () => {
    const newer = pairs.filter(({ api, version }) => api === apiVersions.key && version === 5)
    assert.equal(newer.length, 1)
    for (const pair of newer) {
      const header = readRequestHeader(new Reader(pair.requestHeader))
      assert.deepEqual([header.apiKey, header.version], [apiVersions.key, 5])

      const frame = concatBytes([pair.responseHeader, pair.response])
      const { response } = decodeResponseFrame(apiVersions, 0, frame)
      const encoded = encodeResponseFrame(apiVersions, 0, pair.correlation, response)
      assert.equal(response.errorCode, 'UNSUPPORTED_VERSION')
      assert.deepEqual(response.apiKeys, [
        { apiKey: apiVersions.key, minVersion: 0, maxVersion: 4 },
      ])
      assert.equal(hex(withoutLength(encoded)), hex(frame))
    }
  })

  test('the record batches of every producer are whole, and decode to the records that were sent', () => {
    const compressions: string[] = []
    for (const pair of known.filter(({ api }) => api === produce.key))
      for (const batch of producedBatches(pair)) {
        const records = decodeRecords(batch)
        compressions.push(`${batch.compression}`)

        assert.equal(batch.isCrcValid, true)
        assert.equal(batch.baseOffset, 0)
        assert.equal(records.length, batch.recordCount)
        assert.deepEqual(
          records.map(({ offset }) => offset),
          records.map((_, index) => index),
        )
        for (const { value, timestampMs } of records) {
          assert.match(Buffer.from(value ?? EMPTY_BYTES).toString(), /^[\x20-\x7e]+$/)
          assert.ok(timestampMs > Date.UTC(2020) && timestampMs < Date.UTC(2040), `${timestampMs}`)
        }
      }
    assert.deepEqual(new Set(compressions), new Set(['none', 'gzip', 'snappy', 'lz4', 'zstd']))
  })
})

/** Answers the bytes that were left after the last field. */
function roundTripRequest(api: Api, pair: GoldenPair): string {
  const frame = concatBytes([pair.requestHeader, pair.request])
  const reader = new Reader(frame)
  const { apiKey, ...header } = readRequestHeader(reader)
  const request = readRequest(api, header.version, reader)
  const encoded = hex(withoutLength(encodeRequestFrame(api, header, request)))

  const { version, correlationId } = header
  assert.deepEqual([apiKey, version, correlationId], [pair.api, pair.version, pair.correlation])
  assert.equal(encoded, hex(frame).slice(0, encoded.length))
  return hex(frame).slice(encoded.length)
}

function roundTripResponse(api: Api, pair: GoldenPair): void {
  const frame = concatBytes([pair.responseHeader, pair.response])
  const { correlationId, response } = decodeResponseFrame(api, pair.version, frame)
  const encoded = encodeResponseFrame(api, pair.version, correlationId, response)

  assert.equal(correlationIdOf(frame), pair.correlation)
  assert.equal(hex(withoutLength(encoded)), hex(frame))
}

function producedBatches({ version, request }: GoldenPair) {
  const { topicData } = produce.decodeRequest(version, request)
  return topicData.flatMap(({ partitionData }) =>
    partitionData.flatMap(({ records }) => [...batchesIn(records ?? EMPTY_BYTES)]),
  )
}

function withoutLength(chunks: readonly Uint8Array[]): Uint8Array {
  return concatBytes(chunks).subarray(FRAME_LENGTH_BYTES)
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
