/**
 * Frames that no client should send, over the wire to a real broker: sizes that lie, keys and versions that nobody serves,
 * bodies cut short, counts beyond the frame, other protocols. (Noise in bulk is bad-input-noise.test.ts.)
 *
 * Kafka closes the connection and sends no error; so does Shoal, with one line in the log (at most one a second, the others
 * are counted in it), no memory for what was only claimed, and everybody else served. The same damage by the hundred
 * thousand, without sockets, is test/fuzz/.
 */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import {
  apiVersions,
  decodeResponseFrame,
  metadata,
  servedApis,
  type Api,
} from '../../src/protocol/index.ts'
import { goldenPairs } from '../golden/corpus.ts'
import { residentBytes } from '../real/resident-bytes.ts'
import { framed, offer, RawClient, requestHead } from './raw-client.ts'
import { isKafka, startSubject, type Subject } from './subject.ts'

const MiB = 1024 * 1024
const MAX_REQUEST_BYTES = 100 * MiB
/** What only Shoal promises: memory, log lines, and that it lives through what Kafka need not. */
const ofShoal = { skip: isKafka && 'a promise of Shoal' }

const served: readonly Api[] = servedApis
let broker: Subject
/** A client that does nothing wrong; whatever the others do, it is served. */
let healthy: RawClient
/** Connections that the broker had to end for what they sent. */
let refused = 0

before(async () => {
  broker = await startSubject()
  healthy = await RawClient.connect(broker.port)
})

after(async () => {
  healthy[Symbol.dispose]()
  await broker[Symbol.asyncDispose]()
})

describe('a frame whose size lies', () => {
  // Smaller than a request header: Kafka waits for the seven bytes before it says no.
  const tooSmall = isKafka ? [] : [7]
  for (const size of [2 ** 31 - 1, MAX_REQUEST_BYTES + 1, -1, -(2 ** 31), 0, ...tooSmall])
    test(`closes the connection at once: ${size}`, () => closesOn(int32(size)))

  test('of the largest legal size buys no memory before its bytes come', ofShoal, async () => {
    const idle = residentBytes(broker.pid)
    const clients = await Promise.all(
      Array.from({ length: 200 }, () => RawClient.connect(broker.port)),
    )
    for (const client of clients)
      client.write(Buffer.concat([int32(MAX_REQUEST_BYTES), requestHead(metadata.key, 12)]))
    assert.ok(await healthy.isServed())
    const grown = residentBytes(broker.pid) - idle
    for (const client of clients) client[Symbol.dispose]()
    assert.ok(grown < MAX_REQUEST_BYTES, `${Math.round(grown / MiB)} MiB more for 200 such claims`)
  })
})

describe('a request that is not served', () => {
  for (const key of [32_767, -1, 4, 5, 7, 55])
    test(`closes the connection: api key ${key}`, () =>
      closesOn(framed(Buffer.concat([requestHead(key, 0), Buffer.alloc(16)]))))

  test('closes the connection, of every API in the versions beside those that are', async () => {
    for (const { key, versions } of served.filter((api) => api !== apiVersions))
      for (const version of isKafka ? [100] : [versions[0] - 1, versions[1] + 1])
        await closesOn(framed(Buffer.concat([requestHead(key, version), Buffer.alloc(64)])))
  })

  test('is answered in one case: ApiVersions of a newer version names the one range to use', async () => {
    for (const version of [5, 127]) {
      using client = await RawClient.connect(broker.port)
      client.write(framed(Buffer.concat([requestHead(apiVersions.key, version), Buffer.alloc(9)])))
      const { response } = decodeResponseFrame(apiVersions, 0, await client.frame())
      assert.equal(response.errorCode, 'UNSUPPORTED_VERSION')
      const range = { apiKey: apiVersions.key, minVersion: 0, maxVersion: 4 }
      assert.deepEqual(response.apiKeys, [range])
      assert.ok(await client.isServed(), 'and the same connection goes on')
    }
  })

  test('is refused with INVALID_REQUEST and no keys where the client names itself strangely', async () => {
    using client = await RawClient.connect(broker.port)
    for (const clientSoftwareName of ['', '-', 'a b', 'naïve', 'x\n - ERROR - forged']) {
      const request = { clientSoftwareName, clientSoftwareVersion: '1' }
      const { errorCode, apiKeys } = await client.request(apiVersions, request)
      assert.deepEqual([errorCode, apiKeys], ['INVALID_REQUEST', []])
    }
    assert.ok(await client.isServed())
  })
})

describe('a body that is not whole', () => {
  test('closes the connection, of every API in every version that has a body', async () => {
    for (const { key, name, versions, requestHeaderVersion } of served) {
      if (name === 'ApiVersions' || name === 'ListGroups') continue // Their first versions have none.
      for (let version = versions[0]; version <= versions[1]; version++) {
        const tags = Buffer.alloc(requestHeaderVersion(version) === 2 ? 1 : 0)
        await closesOn(framed(Buffer.concat([requestHead(key, version), tags])))
      }
    }
  })

  test('closes the connection where a recorded request of a client ends in the middle', async () => {
    for (const { api, request, requestHeader } of goldenPairs()) {
      if (!served.some(({ key }) => key === api) || request.length < 8 || api === 18) continue
      const half = Buffer.concat([requestHeader, request.subarray(0, request.length >> 1)])
      using client = await RawClient.connect(broker.port)
      client.write(framed(half))
      await client.closed()
      refused++
    }
    assert.ok(await healthy.isServed())
  })

  test('is one whose header lies as well: client id, tagged fields', async () => {
    const tagged = Buffer.concat([requestHead(metadata.key, 12), Buffer.from('ffffffff0f', 'hex')])
    const longId = requestHead(metadata.key, 12)
    longId.writeInt16BE(32_767, 8)
    const negativeId = requestHead(metadata.key, 12)
    negativeId.writeInt16BE(-2, 8)
    for (const bytes of [tagged, longId, negativeId, Buffer.alloc(8)]) await closesOn(framed(bytes))
  })

  test('is not one with bytes after the last field: librdkafka leaves some', async () => {
    using client = await RawClient.connect(broker.port)
    // Metadata v12: no header tags, null topics, two flags, no tags; then three bytes too many.
    const body = Buffer.from('0000000000000000', 'hex')
    client.write(framed(Buffer.concat([requestHead(metadata.key, 12), body])))
    const { response } = decodeResponseFrame(metadata, 12, await client.frame())
    assert.equal(response.brokers.length, 1)
  })

  test('is not one that comes a byte at a time, nor one with tagged fields of the future', async () => {
    using client = await RawClient.connect(broker.port)
    const header = Buffer.concat([requestHead(metadata.key, 12), Buffer.from('0163026162', 'hex')])
    const frame = framed(Buffer.concat([header, Buffer.from('00000000', 'hex')]))
    for (const byte of frame) client.write(Uint8Array.of(byte))
    decodeResponseFrame(metadata, 12, await client.frame())
  })
})

describe('counts and lengths beyond the frame', ofShoal, () => {
  const claims: readonly (readonly [string, Uint8Array])[] = [
    ['2^31-1 of everything', new Uint8Array(MiB).map((_, at) => (at % 4 === 0 ? 0x7f : 0xff))],
    ['2^32-1 of everything', new Uint8Array(MiB).fill(0xff)],
    ['many small ones', new Uint8Array(MiB).fill(0x01)],
    ['many of 2^14', new Uint8Array(MiB).map((_, at) => (at % 3 === 2 ? 0x01 : 0xff))],
    ['nothing of anything', new Uint8Array(MiB)],
  ]
  for (const [what, body] of claims)
    test(`buy no memory, in any place of any request: ${what}`, async () => {
      await memoryStays(2 * MAX_REQUEST_BYTES, async () => {
        for (const api of served)
          for (const version of new Set(api.versions))
            await offer(broker.port, headed(api, version, body))
      })
    })

  test('buy none in a request as large as one may be: tagged fields, empty names, long names', async () => {
    const count = 20_000_000
    const tagged = Buffer.alloc(14 + 2 * count)
    requestHead(metadata.key, 12).copy(tagged)
    tagged.set(varint(count), 10)
    const name = Buffer.concat([int16(32_767), Buffer.alloc(32_767, 'n')])
    const longNames = Array.from({ length: 3_000 }, () => name)
    const names = (elements: readonly Uint8Array[], bytes: number) =>
      Buffer.concat([requestHead(metadata.key, 0), int32(elements.length || bytes), ...elements])
    const empty = Buffer.concat([names([], 40_000_000), Buffer.alloc(80_000_000)])
    // Names that are really there are read, and told in the answer: that is memory for bytes, not for claims.
    const long = names(longNames, 0)
    for (const [body, limit] of [
      [tagged, 2 * MAX_REQUEST_BYTES],
      [empty, 2 * MAX_REQUEST_BYTES],
      [long, 2 * MAX_REQUEST_BYTES + 2 * long.length],
    ] as const)
      await memoryStays(limit, () => offer(broker.port, framed(body)))
  })
})

test('every refused connection is told in the log, in a line a second', ofShoal, async () => {
  await using other = await startSubject()
  let sent = 0
  const startedMs = performance.now()
  // What was held back is told by the next line, which comes when its second is over.
  for (let now = refusals(other.log); now.told === now.lines; now = refusals(other.log)) {
    using client = await RawClient.connect(other.port)
    client.write(int32(-1))
    await client.closed()
    sent++
  }
  const { lines, told } = refusals(other.log)
  const seconds = (performance.now() - startedMs) / 1_000
  assert.ok(lines <= 1 + seconds, `${lines} lines in ${seconds} s`)
  // The line is read a moment after the connection's end: a few more may have been sent by then.
  assert.ok(told > lines && told <= sent, `${told} of ${sent} are told`)
  assert.match(other.log, /a request of -1 bytes/)
})

test('the broker has met no error of its own, and still serves', ofShoal, async () => {
  assert.ok(await healthy.isServed())
  assert.ok(refused > 0)
  assert.doesNotMatch(broker.log, / - ERROR - |\bat .*:\d+:\d+|unhandled|uncaught/i)
})

/** Sends bytes that must end the connection, and sees that others do not notice. */
async function closesOn(bytes: Uint8Array): Promise<void> {
  using client = await RawClient.connect(broker.port)
  client.write(bytes)
  await client.closed()
  refused++
  assert.ok(await healthy.isServed())
}

async function memoryStays(limitBytes: number, work: () => Promise<void>): Promise<void> {
  const idle = residentBytes(broker.pid)
  await work()
  assert.ok(await healthy.isServed())
  const grown = residentBytes(broker.pid) - idle
  assert.ok(grown < limitBytes, `${Math.round(grown / MiB)} MiB more are resident`)
}

/** Lines about refused connections, and how many connections they tell of. */
function refusals(log: string): { readonly lines: number; readonly told: number } {
  const lines = log.split('\n').filter((line) => line.includes('sent what cannot be served'))
  const heldBack = lines.map((line) => Number(/heldBack=(\d+)/.exec(line)?.[1] ?? 0))
  return { lines: lines.length, told: heldBack.reduce((sum, count) => sum + count, lines.length) }
}

function headed(api: Api, version: number, body: Uint8Array): Uint8Array {
  const tags = Buffer.alloc(api.requestHeaderVersion(version) === 2 ? 1 : 0)
  return framed(Buffer.concat([requestHead(api.key, version), tags, body]))
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeInt16BE(value)
  return bytes
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  for (let left = value; left > 0; left >>>= 7) bytes.push((left & 0x7f) | (left > 0x7f ? 0x80 : 0))
  return Buffer.from(bytes)
}
