import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Connection, ConnectionEvents } from '../../core/index.ts'
import { NetworkTransport } from './network-transport.ts'

describe('a framed connection', () => {
  test('writes the request header that its version has, and hands over what follows the correlation id', async () => {
    const { connect, written, receive } = fixture()
    const connection = await connect()
    const answer = connection.send({
      apiKey: 3,
      apiVersion: 9,
      headerVersion: 2,
      body: [Uint8Array.of(1), Uint8Array.of(2, 3)],
    })
    assert.equal(
      Buffer.concat(written).toString('hex'),
      // length, key, version, correlation id, client id, no tags, body
      ['00000010', '0003', '0009', '00000001', '0002', '6d65', '00', '010203'].join(''),
    )
    receive('00000006', '00000001', 'abcd')
    assert.equal(Buffer.from(await answer).toString('hex'), 'abcd')
  })

  test('puts answers together however they are cut, and keeps apart those that come together', async () => {
    const both = ['00000005', '00000001', 'aa', '00000006', '00000002', 'bbbb'].join('')
    for (let cut = 2; cut < both.length; cut += 2) {
      const { connect, receive } = fixture()
      const connection = await connect()
      const answers = Promise.all([connection.send(request), connection.send(request)])
      receive(both.slice(0, cut))
      receive(both.slice(cut))
      assert.deepEqual(
        (await answers).map((bytes) => Buffer.from(bytes).toString('hex')),
        ['aa', 'bbbb'],
      )
    }
  })

  const wrong: readonly (readonly [string, string])[] = [
    ['a negative length', 'ffffffff'],
    ['a length below the correlation id', '00000003'],
    ['more than the limit', '00000401'],
    ['the answer to another request', '0000000400000002'],
  ]
  for (const [name, bytes] of wrong)
    test(`ends at ${name}, and rejects what waits`, async () => {
      const { connect, receive, closed, state } = fixture()
      const connection = await connect()
      const waiting = assert.rejects(connection.send(request), { code: 'SHOAL_BROKER_UNREACHABLE' })
      receive(bytes)
      await waiting
      assert.equal(state.isDestroyed, true)
      assert.equal(closed.length, 1)
      await assert.rejects(connection.send(request), { code: 'SHOAL_BROKER_UNREACHABLE' })
    })
})

const request = { apiKey: 3, apiVersion: 1, headerVersion: 1, body: [] } as const

function fixture() {
  const written: Uint8Array[] = []
  const closed: string[] = []
  const state = { isDestroyed: false }
  let events: ConnectionEvents | null = null
  const address = { host: 'h', port: 1 }
  const connection: Connection = {
    remote: address,
    local: address,
    open: (given) => (events = given),
    write: (chunks) => (written.push(...chunks), true),
    writableLength: 0,
    pause: () => {},
    resume: () => {},
    end: () => {},
    destroy: () => (state.isDestroyed = true),
  }
  const transport = new NetworkTransport({
    listen: () => Promise.reject(new Error('not asked for')),
    connect: async () => connection,
  })
  return {
    written,
    closed,
    state,
    connect: () =>
      transport.connect(address, {
        clientId: 'me',
        timeoutMs: 1_000,
        maxResponseBytes: 1_024,
        onClose: (reason) => closed.push(reason),
      }),
    receive: (...hex: string[]) => events?.data(Buffer.from(hex.join(''), 'hex')),
  }
}
