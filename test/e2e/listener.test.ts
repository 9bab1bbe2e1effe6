/**
 * The Kafka listener over real sockets: what clients' first bytes get, and what everything else gets.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { describe, test } from 'node:test'
import { FrameAssembler } from '../../src/broker/kafka/frame-assembler.ts'
import { handlerFor } from '../../src/broker/kafka/handler.ts'
import { apiVersionsHandler } from '../../src/broker/kafka/handlers/api-versions.ts'
import { KafkaListener } from '../../src/broker/kafka/listener.ts'
import { TcpNetwork } from '../../src/broker/tcp-network.ts'
import { concatBytes, memoryLogger, systemClock, systemTimers } from '../../src/core/index.ts'
import {
  apiVersions,
  decodeResponseFrame,
  encodeRequestFrame,
  listGroups,
} from '../../src/protocol/index.ts'
import { goldenPairs } from '../golden/corpus.ts'

const GENEROUS = { timeout: 180_000 }

describe('the listener on a real socket', GENEROUS, () => {
  const first = goldenPairs().filter(({ api }) => api === apiVersions.key)

  test('answers the ApiVersions request of every recorded client', async () => {
    await using fixture = await listening()

    for (const { requestHeader, request, version, correlation, client } of first) {
      const socket = await fixture.connect()
      socket.write(framed(concatBytes([requestHeader, request])))
      const [frame] = await fixture.frames(socket, 1)
      const known = version <= apiVersions.versions[1]
      const { correlationId, response } = decodeResponseFrame(
        apiVersions,
        known ? version : 0,
        frame!,
      )

      assert.equal(correlationId, correlation, client)
      assert.equal(response.errorCode, known ? 'NONE' : 'UNSUPPORTED_VERSION', client)
      assert.deepEqual(
        response.apiKeys.map(({ apiKey }) => apiKey),
        known ? [listGroups.key, apiVersions.key] : [apiVersions.key],
        client,
      )
      socket.destroy()
    }
  })

  for (const [what, bytes, reason] of [
    ['a TLS hello', '16030100a5010000a10303', /a TLS hello/],
    ['an HTTP request', Buffer.from('GET / HTTP/1.1\r\n\r\n').toString('hex'), /an HTTP request/],
    ['a request without end', '7fffffff', /2147483647 bytes/],
    ['an api that nobody knows', '0000000a7fff000000000001ffff', /api key 32767 is not served/],
  ] as const)
    test(`closes on ${what}, and says what it looked like`, async () => {
      await using fixture = await listening()
      const socket = await fixture.connect()

      socket.write(Buffer.from(bytes, 'hex'))
      await gone(socket)

      assert.match(String(fixture.logger.lines[0]?.fields['reason']), reason)
    })

  test('serves ten thousand requests that a client sends before it reads, with bounded memory', async () => {
    await using fixture = await listening()
    const count = 10_000
    const socket = await fixture.connect()
    socket.pause()

    socket.write(concatBytes(Array.from({ length: count }, (_, id) => listGroupsFrame(id, 1_000))))
    const other = await fixture.connect()
    other.write(listGroupsFrame(7, 10))
    await fixture.frames(other, 1)
    assert.ok(fixture.listener.snapshot().bytesInFlight < 4 * 1024 * 1024)
    const frames = await fixture.frames(socket, count)

    assert.deepEqual(
      frames.map((frame) => Buffer.from(frame).readInt32BE(0)),
      Array.from({ length: count }, (_, id) => id),
    )
  })

  test('forgets connections that come and go', async () => {
    await using fixture = await listening()

    for (let round = 0; round < 10; round++) {
      const sockets = await Promise.all(Array.from({ length: 50 }, () => fixture.connect()))
      for (const socket of sockets) socket.write(Buffer.from('00000100', 'hex'))
      for (const socket of sockets) socket.resetAndDestroy()
    }
    const last = await fixture.connect()
    last.write(listGroupsFrame(1, 0))
    await fixture.frames(last, 1)
    last.end()
    await gone(last)
    await fixture.listener.close()

    const { connections, bytesInFlight, acceptedConnections } = fixture.listener.snapshot()
    assert.deepEqual([connections, bytesInFlight, acceptedConnections], [0, 0, 501])
  })
})

async function listening() {
  const logger = memoryLogger()
  const listGroupsHandler = handlerFor<null>()(listGroups, ({ clientId }) =>
    Promise.resolve({
      throttleTimeMs: 0,
      errorCode: 'NONE',
      groups: [
        { groupId: 'g'.repeat(Number(clientId)), protocolType: '', groupState: '', groupType: '' },
      ],
    }),
  )
  const listener = await KafkaListener.open({
    network: new TcpNetwork(),
    address: { host: '127.0.0.1', port: 0 },
    handlers: [apiVersionsHandler({ served: [listGroupsHandler] }), listGroupsHandler],
    context: null,
    clock: systemClock,
    timers: systemTimers,
    logger,
  })
  const sockets: Socket[] = []

  async function openSocket(): Promise<Socket> {
    const socket = connect(listener.address.port, listener.address.host)
    socket.on('error', () => {}) // A reset is one way of being closed; `gone` waits for the close.
    sockets.push(socket)
    await once(socket, 'connect')
    return socket
  }

  /** Reads until so many answers are there. */
  function frames(socket: Socket, count: number): Promise<readonly Uint8Array[]> {
    const assembler = new FrameAssembler({ minFrameBytes: 4, maxFrameBytes: 2 ** 30 })
    const seen: Uint8Array[] = []
    return new Promise((resolve, reject) => {
      socket.once('close', () => reject(new Error(`closed after ${seen.length} answers`)))
      socket.on('data', (chunk) => {
        assembler.push(chunk)
        for (let next = assembler.next(); next.kind === 'frame'; next = assembler.next())
          seen.push(next.bytes)
        if (seen.length >= count) resolve(seen)
      })
      socket.resume()
    })
  }

  return {
    listener,
    logger,
    frames,
    connect: openSocket,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await listener.close()
    },
  }
}

async function gone(socket: Socket): Promise<void> {
  socket.resume()
  if (!socket.closed) await once(socket, 'close')
}

function listGroupsFrame(correlationId: number, answerBytes: number): Uint8Array {
  return concatBytes(
    encodeRequestFrame(
      listGroups,
      { version: 0, correlationId, clientId: String(answerBytes) },
      { statesFilter: [], typesFilter: [] },
    ),
  )
}

function framed(body: Uint8Array): Uint8Array {
  const size = Buffer.alloc(4)
  size.writeInt32BE(body.length)
  return concatBytes([size, body])
}
