/** What the transport over @platformatic/kafka makes of brokers that misbehave, on real sockets. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { describe, test } from 'node:test'
import { PlatformaticTransport } from '../../src/sources/kafka/platformatic-transport.ts'

const request = {
  apiKey: 3,
  apiVersion: 1,
  headerVersion: 1,
  body: [Uint8Array.of(0, 0, 0, 0)],
} as const
const MAX_RESPONSE_BYTES = 64 * 1_024

describe('a connection', () => {
  test('hands over the bytes after the correlation id, however the answer is cut', async () => {
    await using broker = await misbehave((socket, correlationId) => {
      socket.write(Buffer.from([0, 0, 0, 8]))
      socket.write(Buffer.concat([correlationId, Buffer.from([1])]))
      socket.write(Buffer.from([2, 3, 4]))
    })
    const { connection } = await broker.connect()
    assert.deepEqual([...(await connection.send(request))], [1, 2, 3, 4])
    connection.destroy()
  })

  test('is ended when an answer grows beyond the limit, whatever length it claims', async () => {
    await using broker = await misbehave((socket, correlationId) => {
      socket.write(Buffer.concat([Buffer.from([0x3f, 0xff, 0xff, 0xff]), correlationId]))
      const piece = Buffer.alloc(32 * 1_024)
      const more = () => void (socket.writable && socket.write(piece, more))
      more()
    })
    const { connection, closed } = await broker.connect()
    await assert.rejects(connection.send(request), { code: 'SHOAL_BROKER_UNREACHABLE' })
    assert.match(await closed, /maxResponseBytes/)
  })

  test('that the broker ends rejects what waits', async () => {
    await using broker = await misbehave((socket) => socket.destroy())
    const { connection, closed } = await broker.connect()
    await assert.rejects(connection.send(request), { code: 'SHOAL_BROKER_UNREACHABLE' })
    await closed
    await assert.rejects(connection.send(request), { code: 'SHOAL_BROKER_UNREACHABLE' })
  })

  test('that is refused says where and why', async () => {
    const broker = await misbehave(() => {})
    await broker[Symbol.asyncDispose]()
    await assert.rejects(broker.connect(), {
      code: 'SHOAL_BROKER_UNREACHABLE',
      message: /127\.0\.0\.1:\d+ cannot be reached: .*ECONNREFUSED/,
    })
  })
})

/** A server that does as it likes with each request. */
async function misbehave(answer: (socket: Socket, correlationId: Buffer) => unknown) {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('data', (frame) => answer(socket, frame.subarray(8, 12)))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    async connect() {
      const { promise: closed, resolve } = Promise.withResolvers<string>()
      const options = { clientId: 'c', timeoutMs: 30_000, maxResponseBytes: MAX_RESPONSE_BYTES }
      const connection = await new PlatformaticTransport().connect(
        { host: '127.0.0.1', port },
        { ...options, onClose: resolve },
      )
      return { connection, closed }
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      if (server.listening) await once(server, 'close')
    },
  }
}
