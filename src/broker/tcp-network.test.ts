import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Connection, ConnectionEvents, Listener } from '../core/index.ts'
import { byteLengthOf, concatBytes } from '../core/index.ts'
import { TcpNetwork } from './tcp-network.ts'

describe('a TCP connection', () => {
  test('carries chunk lists both ways, in order', async () => {
    await using pair = await connected()

    pair.client.write([Uint8Array.of(1, 2), Uint8Array.of(3)])
    pair.client.write([Uint8Array.of(4)])
    await pair.atServer.until(() => byteLengthOf(pair.atServer.chunks) === 4)
    pair.server.write([Uint8Array.of(9)])
    await pair.atClient.until(() => byteLengthOf(pair.atClient.chunks) === 1)

    assert.deepEqual([...concatBytes(pair.atServer.chunks)], [1, 2, 3, 4])
    assert.deepEqual([...concatBytes(pair.atClient.chunks)], [9])
    assert.deepEqual(pair.client.remote, pair.server.local)
    assert.deepEqual(pair.client.local, pair.server.remote)
  })

  test('tells a writer to wait for a reader that pauses, and when to go on', async () => {
    await using pair = await connected()
    const total = 32 * 1024 * 1024

    pair.server.pause()
    assert.equal(pair.client.write([new Uint8Array(total)]), false)
    assert.ok(pair.client.writableLength > 0)
    pair.server.resume()
    await pair.atServer.until(() => pair.atServer.bytes === total)
    await pair.atClient.until(() => pair.atClient.drains === 1)

    assert.equal(pair.client.writableLength, 0)
  })

  test('that ends delivers first what was written', async () => {
    await using pair = await connected()

    pair.client.write([Uint8Array.of(1, 2, 3)])
    pair.client.end()
    await pair.atServer.until(() => pair.atServer.closes === 1)
    await pair.atClient.until(() => pair.atClient.closes === 1)

    assert.deepEqual([...concatBytes(pair.atServer.chunks)], [1, 2, 3])
  })

  test('reads into the room of its receiver, asked anew for each read', async () => {
    const room = new Uint8Array(8)
    let filled = 0
    const received: number[] = []
    const data = (chunk: Uint8Array) => {
      assert.equal(chunk.buffer, room.buffer)
      assert.equal(chunk.byteOffset, filled)
      filled = (filled + chunk.length) % room.length
      received.push(...chunk)
      if (received.length === 100) done.resolve()
    }
    const done = Promise.withResolvers<void>()
    await using pair = await connected({ data, room: () => room.subarray(filled) })

    const sent = Array.from({ length: 100 }, (_, index) => index)
    pair.server.pause()
    pair.client.write([Uint8Array.from(sent)])
    pair.server.resume()
    await done.promise
    pair.client.end()
    await pair.atServer.until(() => pair.atServer.closes === 1)

    assert.deepEqual(received, sent)
  })

  test('survives its listener, which takes no other', async () => {
    await using pair = await connected()

    await pair.listener.close()
    await pair.listener.close()
    await assert.rejects(new TcpNetwork().connect(pair.listener.address), {
      code: 'SHOAL_BROKER_UNREACHABLE',
    })
    pair.client.write([Uint8Array.of(5)])
    await pair.atServer.until(() => byteLengthOf(pair.atServer.chunks) === 1)

    assert.deepEqual([...concatBytes(pair.atServer.chunks)], [5])
  })
})

test('an address that is taken is refused with its name', async () => {
  await using pair = await connected()

  await assert.rejects(
    new TcpNetwork().listen(pair.listener.address, () => {}),
    (error: Error & { code: string }) =>
      error.code === 'SHOAL_ADDRESS_UNUSABLE' &&
      error.message.includes(`127.0.0.1:${pair.listener.address.port}`),
  )
})

async function connected(reader: Partial<ConnectionEvents> = {}) {
  const network = new TcpNetwork()
  const atServer = watcher()
  const atClient = watcher()
  const accepted = Promise.withResolvers<Connection>()
  const listener: Listener = await network.listen({ host: '127.0.0.1', port: 0 }, (connection) => {
    connection.open({ ...atServer, ...reader })
    accepted.resolve(connection)
  })
  const client = await network.connect(listener.address)
  client.open(atClient)
  const server = await accepted.promise
  return {
    listener,
    client,
    server,
    atClient,
    atServer,
    async [Symbol.asyncDispose]() {
      client.destroy()
      server.destroy()
      await listener.close()
    },
  }
}

/** Remembers what a connection says, and wakes whoever waits for it. */
function watcher() {
  let wake: (() => void)[] = []
  const changed = () => {
    for (const look of wake) look()
  }
  const seen = {
    chunks: [] as Uint8Array[],
    bytes: 0,
    drains: 0,
    closes: 0,
    data(chunk: Uint8Array) {
      seen.chunks.push(chunk)
      seen.bytes += chunk.length
      changed()
    },
    drain() {
      seen.drains++
      changed()
    },
    close() {
      seen.closes++
      changed()
    },
    until: (holds: () => boolean) =>
      new Promise<void>((resolve) => {
        const look = () => {
          if (!holds()) return
          wake = wake.filter((other) => other !== look)
          resolve()
        }
        wake.push(look)
        look()
      }),
  }
  return seen
}
