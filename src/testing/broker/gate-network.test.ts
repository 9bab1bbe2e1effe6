import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { seededRandom, SimNetwork, VirtualClock } from '../../core/index.ts'
import type { Connection } from '../../core/index.ts'
import { GateNetwork } from './gate-network.ts'

const address = { host: '127.0.0.1', port: 9_092 }

describe('a network behind a gate', () => {
  test('holds what both sides say while it is shut, and lets it through in order', async () => {
    const { clock, gate, client, server } = await connected()
    client.write('1')
    await clock.advance(1)
    gate.stall()
    client.write('2')
    server.write('a')
    client.write('3')
    server.write('b')
    await clock.advance(1_000)
    assert.deepEqual([server.heard, client.heard], ['1', ''])

    gate.resume()
    await clock.advance(1)
    assert.deepEqual([server.heard, client.heard], ['123', 'ab'])
  })

  test('refuses more while it is shut and asks for it again when it opens', async () => {
    const { clock, gate, server } = await connected()
    gate.stall()
    assert.equal(server.write('a'), false)
    gate.resume()
    await clock.advance(1)
    assert.equal(server.drained, 1)
  })

  test('keeps a reader that paused for itself waiting when it opens', async () => {
    const { clock, gate, client, server } = await connected()
    server.connection.pause()
    gate.stall()
    client.write('1')
    gate.resume()
    await clock.advance(1)
    assert.equal(server.heard, '')
    server.connection.resume()
    await clock.advance(1)
    assert.equal(server.heard, '1')
  })

  test('takes new connections while it is shut, and they hear nothing', async () => {
    const { clock, network, gate, accepted } = await connected()
    gate.stall()
    const client = listenTo(await settled(clock, network.connect(address)))
    const server = listenTo(accepted[1] as Connection)
    client.write('1')
    server.write('a')
    await clock.advance(1_000)
    assert.deepEqual([server.heard, client.heard], ['', ''])
    gate.resume()
    await clock.advance(1)
    assert.deepEqual([server.heard, client.heard], ['1', 'a'])
  })

  test('ends every connection when it is cut', async () => {
    const { clock, gate, client, server } = await connected()
    gate.cut()
    await clock.advance(1)
    assert.deepEqual([client.closed, server.closed], [1, 1])
  })
})

async function connected() {
  const clock = new VirtualClock()
  const network = new SimNetwork({ timers: clock, random: seededRandom(1) })
  const gate = new GateNetwork(network)
  const accepted: Connection[] = []
  await gate.listen(address, (connection) => void accepted.push(connection))
  const client = listenTo(await settled(clock, network.connect(address)))
  const server = listenTo(accepted[0] as Connection)
  return { clock, network, gate, accepted, client, server }
}

function listenTo(connection: Connection) {
  const end = {
    connection,
    heard: '',
    drained: 0,
    closed: 0,
    write: (text: string) => connection.write([new TextEncoder().encode(text)]),
  }
  connection.open({
    data: (chunk) => void (end.heard += new TextDecoder().decode(chunk)),
    drain: () => void end.drained++,
    close: () => void end.closed++,
  })
  return end
}

async function settled<T>(clock: VirtualClock, work: Promise<T>): Promise<T> {
  await clock.advance(1)
  return work
}
