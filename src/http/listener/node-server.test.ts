import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, test } from 'node:test'
import { silentLogger, systemTimers } from '../../core/index.ts'
import type { Answer, ApiRequest } from '../exchange.ts'
import { HttpListener } from './node-server.ts'

const post = (body: string) =>
  `POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n${body}`
const chunked = (body: string) =>
  `POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n${body.length}\r\n${body}\r\n0\r\n\r\n`

/** A listener that answers bodies with themselves, and a connection to it. */
async function opened(t: { after(end: () => Promise<void>): void }) {
  const began = Promise.withResolvers<ApiRequest>()
  const asked = Promise.withResolvers<void>()
  const ended = Promise.withResolvers<string>()
  const answer = async (request: ApiRequest): Promise<Answer> => {
    began.resolve(request)
    await asked.promise
    try {
      const body = Buffer.from((await request.body(() => null)) ?? []).toString()
      ended.resolve(body)
      return { status: 200, headers: {}, text: body }
    } catch (error) {
      ended.resolve('broken off')
      throw error
    }
  }
  const listener = await HttpListener.open({
    address: { host: '127.0.0.1', port: 0 },
    api: { isClosing: false, answer, close: async () => {} },
    timers: systemTimers,
    logger: silentLogger,
  })
  const socket = connect(listener.address.port, '127.0.0.1')
  t.after(async () => {
    socket.destroy()
    await listener.close()
  })
  let received = ''
  const answered = Promise.withResolvers<void>()
  socket.on('data', (data) => {
    received += data.toString()
    if (received.includes('last')) answered.resolve()
  })
  await once(socket, 'connect')
  return {
    socket,
    began: began.promise,
    ask: asked.resolve,
    ended: ended.promise,
    /** The bodies of all answers up to the one that says `last`. */
    bodies: async () => {
      await answered.promise
      return [...received.matchAll(/\r\n\r\n([a-z ]*)/g)].map(([, body]) => body)
    },
  }
}

describe('a body over a socket', () => {
  test('is whole when it comes with its headers, and of requests that follow at once', async (t) => {
    const { socket, ask, bodies } = await opened(t)
    ask()
    socket.write(post('first') + post('') + chunked('third') + post('last'))
    assert.deepEqual(await bodies(), ['first', '', 'third', 'last'])
  })

  test('is whole when it comes after its headers, in parts', async (t) => {
    const { socket, began, ask, bodies } = await opened(t)
    const text = post('comes last')
    socket.write(text.slice(0, -7))
    await began
    ask()
    socket.write(text.slice(-7))
    assert.deepEqual(await bodies(), ['comes last'])
  })

  test('is whole when it was there long before it is asked for', async (t) => {
    const { socket, began, ask, bodies } = await opened(t)
    socket.write(post('last'))
    await began
    setImmediate(ask)
    assert.deepEqual(await bodies(), ['last'])
  })

  test('ends the request when the peer goes away before it, also before it is asked for', async (t) => {
    for (const order of ['asked for first', 'gone first'] as const) {
      const { socket, began, ask, ended } = await opened(t)
      socket.write(post('never whole').slice(0, -3))
      const { signal } = await began
      if (order === 'asked for first') ask()
      const gone = once(signal, 'abort')
      socket.destroy()
      await gone
      ask()
      assert.equal(await ended, 'broken off')
    }
  })
})
