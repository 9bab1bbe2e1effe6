import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ApiRequest, ServedApi } from '../exchange.ts'
import { LazyApi } from './lazy-api.ts'

const request: ApiRequest = {
  method: 'GET',
  target: '/version',
  peerHost: '127.0.0.1',
  signal: new AbortController().signal,
  header: () => undefined,
  body: async () => new Uint8Array(0),
}

class FakeApi implements ServedApi {
  isClosing = false

  async answer() {
    return { status: this.isClosing ? 503 : 200, headers: {}, text: '' }
  }

  async close() {
    this.isClosing = true
  }
}

describe('an API that is put together at its first request', () => {
  test('is not before, and once for all requests', async () => {
    let loads = 0
    const lazy = new LazyApi(async () => {
      loads++
      return new FakeApi()
    })
    assert.equal(loads, 0)
    const answers = await Promise.all([lazy.answer(request), lazy.answer(request)])
    assert.deepEqual([answers.map(({ status }) => status), loads], [[200, 200], 1])
  })

  test('that cannot be is tried again by the next request', async () => {
    let loads = 0
    const lazy = new LazyApi(async () => {
      if (++loads === 1) throw new Error('out of memory')
      return new FakeApi()
    })
    await assert.rejects(lazy.answer(request), /out of memory/)
    assert.equal((await lazy.answer(request)).status, 200)
  })

  test('closes what was put together, also when it closed in between', async () => {
    const api = new FakeApi()
    const gate = Promise.withResolvers<ServedApi>()
    const lazy = new LazyApi(() => gate.promise)
    const answer = lazy.answer(request)
    const closed = lazy.close()
    gate.resolve(api)
    assert.equal((await answer).status, 503)
    await closed
    assert.ok(api.isClosing)
    const unasked = new LazyApi(() => Promise.reject(new Error('nobody asked')))
    await unasked.close()
    assert.ok(unasked.isClosing)
  })
})
