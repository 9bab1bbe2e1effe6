import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Connection } from './network.ts'
import { concatBytes } from './bytes.ts'
import { seededRandom } from './random.ts'
import type { LinkFaults } from './sim-network.ts'
import { SimNetwork } from './sim-network.ts'
import { VirtualClock } from './virtual-clock.ts'

describe('a simulated link', () => {
  test('delivers what was written, in order, in slices no larger than it may', async () => {
    const { clock, client, atServer } = await fixture({ maxChunkBytes: 1 })

    client.write([Uint8Array.of(1, 2), Uint8Array.of(3)])
    client.write([Uint8Array.of(4)])
    await clock.advance(0)

    assert.deepEqual(
      atServer.chunks.map((chunk) => [...chunk]),
      [[1], [2], [3], [4]],
    )
  })

  test('takes its latency in virtual time', async () => {
    const { clock, client, atServer } = await fixture({ latencyMs: 1_000 })

    client.write([Uint8Array.of(1)])
    await clock.advance(0)
    assert.equal(atServer.chunks.length, 0)
    await clock.advance(1_000)

    assert.deepEqual([...concatBytes(atServer.chunks)], [1])
  })

  test('makes the writer wait for a reader that pauses, and tells it when all has arrived', async () => {
    const { clock, client, server, atClient, atServer } = await fixture({})

    server.pause()
    assert.equal(client.write([new Uint8Array(100_000)]), false)
    await clock.advance(10)
    assert.deepEqual([client.writableLength, atServer.chunks.length], [100_000, 0])
    server.resume()
    await clock.advance(10)

    assert.deepEqual([client.writableLength, atClient.drains], [0, 1])
    assert.equal(concatBytes(atServer.chunks).length, 100_000)
  })

  test('breaks after the bytes it may carry, and both ends learn it once', async () => {
    const { clock, client, network, atClient, atServer } = await fixture({ cutAfterBytes: 3 })

    client.write([Uint8Array.of(1, 2, 3, 4, 5)])
    await clock.advance(0)

    assert.deepEqual([...concatBytes(atServer.chunks)], [1, 2, 3])
    assert.deepEqual([atClient.closes, atServer.closes], [1, 1])
    assert.equal(network.links.length, 0)
  })

  test('that is frozen delivers nothing and tells nobody; thawed, it goes on', async () => {
    const { clock, client, network, atClient, atServer } = await fixture({})

    network.links[0]!.freeze()
    client.write([Uint8Array.of(7)])
    await clock.advance(60_000)
    assert.deepEqual([atServer.chunks.length, atServer.closes, atClient.closes], [0, 0, 0])
    network.links[0]!.thaw()
    await clock.advance(0)

    assert.deepEqual([...concatBytes(atServer.chunks)], [7])
  })

  test('that ends delivers first what was written', async () => {
    const { clock, client, atClient, atServer } = await fixture({ maxChunkBytes: 2 })

    client.write([Uint8Array.of(1, 2, 3)])
    client.end()
    await clock.advance(0)

    assert.deepEqual([...concatBytes(atServer.chunks)], [1, 2, 3])
    assert.deepEqual([atClient.closes, atServer.closes], [1, 1])
  })

  test('is not there when nobody listens, or when the address refuses', async () => {
    const { clock, network } = await fixture({})
    const nobody = network.connect({ host: 'b', port: 1 })
    network.refuse({ host: 'a', port: 9092 })
    const refused = network.connect({ host: 'a', port: 9092 })

    await Promise.all([
      assert.rejects(nobody, { code: 'SHOAL_BROKER_UNREACHABLE' }),
      assert.rejects(refused, { code: 'SHOAL_BROKER_UNREACHABLE' }),
      clock.advance(0),
    ])
  })
})

async function fixture(faults: LinkFaults) {
  const clock = new VirtualClock()
  const network = new SimNetwork({ timers: clock, random: seededRandom(1), faults })
  const accepted: Connection[] = []
  const atServer = watcher()
  await network.listen({ host: 'a', port: 9092 }, (connection) => {
    accepted.push(connection)
    connection.open(atServer)
  })
  const connecting = network.connect({ host: 'a', port: 9092 })
  await clock.advance(0)
  const client = await connecting
  const atClient = watcher()
  client.open(atClient)
  await clock.advance(0)
  return { clock, network, client, server: accepted[0]!, atClient, atServer }
}

function watcher() {
  const seen = {
    chunks: [] as Uint8Array[],
    drains: 0,
    closes: 0,
    data: (chunk: Uint8Array) => void seen.chunks.push(chunk),
    drain: () => void seen.drains++,
    close: () => void seen.closes++,
  }
  return seen
}
