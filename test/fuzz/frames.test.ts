/**
 * Broken frames against a listener that serves every API: what real clients sent, damaged where it hurts.
 *
 * Whatever arrives, the connection is closed or the request answered, the next connection is served, nothing takes long
 * and nothing is kept. Handlers answer an empty response, so this is about the wire; what handlers do with strange but
 * well-formed values is their own tests' matter. SHOAL_FUZZ_COUNT sets the number of frames, SHOAL_FUZZ_SEED repeats a run.
 */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { FrameAssembler } from '../../src/broker/kafka/frame-assembler.ts'
import type { Handler } from '../../src/broker/kafka/handler.ts'
import { handlerFor } from '../../src/broker/kafka/handler.ts'
import { KafkaListener } from '../../src/broker/kafka/listener.ts'
import type { Random } from '../../src/core/index.ts'
import {
  concatBytes,
  memoryLogger,
  randomBelow,
  seededRandom,
  SimNetwork,
  systemClock,
  systemTimers,
} from '../../src/core/index.ts'
import type { Api, InputsOf, FieldMap } from '../../src/protocol/index.ts'
import { allApis, apiVersions, encodeRequestFrame, ZERO_UUID } from '../../src/protocol/index.ts'
import { goldenPairs } from '../golden/corpus.ts'

const COUNT = Number(process.env['SHOAL_FUZZ_COUNT'] ?? 100_000)
const SEED = Number(process.env['SHOAL_FUZZ_SEED'] ?? 1)
const AT_ONCE = 50
const PROBE_ID = 0x5ca1ab1e
const LONGEST_MS = 30_000
const KEPT_BYTES = 32 * 1024 * 1024

const apis: readonly Api[] = allApis
const golden = goldenPairs().map(({ requestHeader, request }) =>
  concatBytes([requestHeader, request]),
)

describe('whatever arrives', { timeout: 600_000 }, () => {
  test(`${COUNT} damaged frames are answered or refused, and nothing is kept (seed ${SEED})`, async (context) => {
    await using fixture = await listening()
    const random = seededRandom(SEED)
    await fixture.offer(golden.map((body) => framed(body)))
    const before = keptBytes()
    let slowestMs = 0

    for (let done = 0; done < COUNT; done += AT_ONCE) {
      const startedMs = performance.now()
      await fixture.offer(Array.from({ length: AT_ONCE }, () => damaged(random)))
      slowestMs = Math.max(slowestMs, performance.now() - startedMs)
    }

    assert.ok(slowestMs < LONGEST_MS, `${AT_ONCE} frames took ${slowestMs} ms`)
    assert.equal(fixture.outcomes().stuck, 0)
    assert.ok(fixture.outcomes().answered > 0 && fixture.outcomes().closed > 0)
    assert.deepEqual(
      fixture.logger.lines.filter(({ level }) => level === 'error'),
      [],
    )
    const { connections, bytesInFlight, requestsInFlight } = fixture.listener.snapshot()
    assert.deepEqual([connections, bytesInFlight, requestsInFlight], [0, 0, 0])
    const drift = keptBytes() - before
    assert.ok(drift < KEPT_BYTES, `${drift} bytes more are kept than before`)
    context.diagnostic(JSON.stringify({ ...fixture.outcomes(), slowestMs, drift }))
  })

  test('counts and lengths beyond the frame buy no memory, in any place of any request', async () => {
    await using fixture = await listening()
    const before = keptBytes()

    for (const api of apis)
      for (let version = api.versions[0]; version <= api.versions[1]; version++)
        for (const fill of [0x7f, 0xff, 0x00, 0x01])
          await fixture.offer([headed(api, version, new Uint8Array(4_096).fill(fill))])

    assert.equal(fixture.outcomes().stuck, 0)
    const drift = keptBytes() - before
    assert.ok(drift < KEPT_BYTES, `${drift} bytes more are kept than before`)
  })

  test('a large request of very many small elements is refused by their number', async () => {
    await using fixture = await listening()
    const count = 4_000_000
    const body = Buffer.alloc(4 + 2 * count)
    body.writeInt32BE(count)
    const metadata = apis.find(({ name }) => name === 'Metadata')
    assert.ok(metadata !== undefined)

    await fixture.offer([headed(metadata, 0, body)])

    assert.deepEqual(fixture.outcomes(), { answered: 0, closed: 1, stuck: 0 })
    assert.match(String(fixture.logger.lines[0]?.fields['reason']), /too many elements/)
  })
})

/** A listener of every API over a network in memory, in real time. */
async function listening() {
  const random = seededRandom(SEED)
  const network = new SimNetwork({ timers: systemTimers, random })
  const logger = memoryLogger()
  const listener = await KafkaListener.open({
    network,
    address: { host: '127.0.0.1', port: 9092 },
    handlers: apis.map(emptyHandler),
    context: null,
    clock: systemClock,
    timers: systemTimers,
    logger,
  })
  const outcomes = { answered: 0, closed: 0, stuck: 0 }

  /** Sends each frame on a connection of its own with a request behind it, and waits for what becomes of them. */
  async function offer(frames: readonly Uint8Array[]): Promise<void> {
    await Promise.all(
      frames.map(async (frame) => {
        outcomes[await offerOne(frame)]++
      }),
    )
  }

  async function offerOne(frame: Uint8Array): Promise<keyof typeof outcomes> {
    const connection = await network.connect(listener.address)
    return new Promise((resolve) => {
      const answers = new FrameAssembler({ minFrameBytes: 4, maxFrameBytes: 2 ** 30 })
      let answered = false
      // A size that lies swallows the request behind it: then there is nothing to wait for.
      const lies = frame.length < 4 || sizeOf(frame) !== frame.length - 4
      const overdue = systemTimers.schedule(60_000, () => resolve('stuck'))
      connection.open({
        data(chunk) {
          answers.push(chunk)
          for (let next = answers.next(); next.kind === 'frame'; next = answers.next())
            answered ||= Buffer.from(next.bytes).readInt32BE(0) === PROBE_ID
          if (answered) connection.end()
        },
        drain() {},
        close() {
          overdue.cancel()
          resolve(answered ? 'answered' : 'closed')
        },
      })
      connection.write([frame, PROBE])
      if (lies) connection.end()
    })
  }

  return {
    listener,
    logger,
    offer,
    outcomes: () => ({ ...outcomes }),
    [Symbol.asyncDispose]: () => listener.close(),
  }
}

const PROBE = concatBytes(
  encodeRequestFrame(
    apiVersions,
    { version: 0, correlationId: PROBE_ID, clientId: null },
    { clientSoftwareName: '', clientSoftwareVersion: '' },
  ),
)

function emptyHandler(api: Api): Handler<null> {
  const response = emptyOf(api.response) as InputsOf<FieldMap>
  return handlerFor<null>()(api, () => Promise.resolve(response))
}

/** The smallest value of a description. */
function emptyOf({ shape, nullableSince }: Api['response']): unknown {
  switch (shape.kind) {
    case 'struct':
      return Object.fromEntries(shape.fields.map(({ name, spec }) => [name, emptyOf(spec)]))
    case 'array':
      return []
    case 'bool':
      return false
    case 'bigint64':
      return 0n
    case 'uuid':
      return ZERO_UUID
    case 'errorCode':
      return 'NONE'
    case 'string':
      return nullableSince === 0 ? null : ''
    case 'bytes':
    case 'records':
      return new Uint8Array(0)
    default:
      return 0
  }
}

const INTERESTING = [0, 1, -1, 0x7f, 0x80, 0xff, 0x7fff, -0x8000, 0x7fff_ffff, -0x8000_0000]

/** A recorded request with one to four wounds, in a frame whose size is right unless that is the wound. */
function damaged(random: Random): Uint8Array {
  let body = Buffer.from(pick(random, golden))
  for (let wounds = 1 + randomBelow(random, 4); wounds > 0; wounds--) body = wound(random, body)
  const frame = framed(body)
  if (randomBelow(random, 20) === 0)
    new DataView(frame.buffer, frame.byteOffset).setInt32(0, pick(random, INTERESTING))
  return frame
}

function wound(random: Random, body: Buffer<ArrayBuffer>): Buffer<ArrayBuffer> {
  const at = randomBelow(random, body.length)
  const value = pick(random, INTERESTING)
  switch (randomBelow(random, 9)) {
    case 0:
      body[at] = (body[at] ?? 0) ^ (1 << randomBelow(random, 8))
      return body
    case 1:
      body[at] = randomBelow(random, 256)
      return body
    case 2:
      if (at + 2 <= body.length) body.writeInt16BE((value << 16) >> 16, at)
      return body
    case 3:
      if (at + 4 <= body.length) body.writeInt32BE(value, at)
      return body
    case 4: // A varint that does not end, or claims much.
      body.fill(0xff, at, Math.min(body.length, at + 1 + randomBelow(random, 10)))
      return body
    case 5:
      return body.subarray(0, Math.max(8, at))
    case 6:
      return Buffer.concat([body, random.bytes(1 + randomBelow(random, 64))])
    case 7: // Another version of the same API.
      body.writeInt16BE(randomBelow(random, 20) - 1, 2)
      return body
    default: // The head of one request, the tail of another.
      return Buffer.concat([body.subarray(0, Math.max(8, at)), pick(random, golden).subarray(at)])
  }
}

function headed(api: Api, version: number, body: Uint8Array): Uint8Array {
  const head = Buffer.alloc(10)
  head.writeInt16BE(api.key, 0)
  head.writeInt16BE(version, 2)
  head.writeInt16BE(-1, 8)
  const tagged = api.requestHeaderVersion(version) === 2 ? Buffer.alloc(1) : Buffer.alloc(0)
  return framed(concatBytes([head, tagged, body]))
}

function framed(body: Uint8Array): Uint8Array {
  const size = Buffer.alloc(4)
  size.writeInt32BE(body.length)
  return concatBytes([size, body])
}

function sizeOf(frame: Uint8Array): number {
  return Buffer.from(frame.buffer, frame.byteOffset).readInt32BE(0)
}

function pick<Value>(random: Random, values: readonly Value[]): Value {
  const value = values[randomBelow(random, values.length)]
  assert.ok(value !== undefined)
  return value
}

/** What is still referenced once the garbage is gone. */
function keptBytes(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  const { heapUsed, external, arrayBuffers } = process.memoryUsage()
  return heapUsed + external + arrayBuffers
}
