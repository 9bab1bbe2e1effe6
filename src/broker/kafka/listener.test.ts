import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BufferPool, ShoalError } from '../../core/index.ts'
import { heartbeat } from '../../protocol/index.ts'
import {
  headerFrame,
  heartbeatFrame,
  joinGroupFrame,
  listenerFixture,
  listGroupsFrame,
  produceFrame,
} from './listener-fixture.test.ts'

describe('a connection', () => {
  test('answers a request with the client, the host and the address it came by in the handlers hands', async () => {
    const { connect, settle, started, network, listener } = await listenerFixture()
    const client = await connect()

    client.send(heartbeatFrame(7, 'billing'))
    await settle()
    started[0]!.answer()
    await settle()

    assert.deepEqual(client.correlationIds, [7])
    assert.deepEqual(client.answer(heartbeat, 4), { throttleTimeMs: 0, errorCode: 'NONE' })
    const { clientId, connection } = started[0]!
    assert.deepEqual(
      [clientId, connection.clientHost, connection.listenerAddress],
      ['billing', '/127.0.0.1', listener.address],
    )
    assert.equal(network.links.length, 1)
  })

  test('reads requests that arrive byte by byte', async () => {
    const { connect, settle, started } = await listenerFixture({ faults: { maxChunkBytes: 1 } })
    const client = await connect()

    client.send(heartbeatFrame(1), produceFrame(2, 20))
    await settle()
    started[0]!.answer()
    await settle()
    started[1]!.answer()
    await settle()

    assert.deepEqual(
      started.map(({ api }) => api),
      ['Heartbeat', 'Produce'],
    )
    assert.deepEqual(client.correlationIds, [1, 2])
  })

  test('gives the buffer of a large Produce request back when it is answered, that of no other', async () => {
    const buffers = new BufferPool()
    const faults = { maxChunkBytes: 50_000 }
    const { connect, settle, started } = await listenerFixture({ buffers, faults })
    const client = await connect()

    client.send(produceFrame(1, 300_000), heartbeatFrame(2, 'h'.repeat(30_000)))
    await settle()
    assert.deepEqual([started.length, buffers.freeBytes], [1, 0])
    started[0]!.answer()
    await settle()
    const freeBytes = buffers.freeBytes
    assert.ok(freeBytes >= 300_000 && freeBytes < 400_000, `${freeBytes}`)
    started[1]!.answer()
    await settle()

    client.send(produceFrame(3, 300_000))
    await settle()
    assert.equal(buffers.freeBytes, 0)
    started[2]!.fail(new Error('the disk failed'))
    await settle()
    assert.equal(buffers.freeBytes, 0)
  })

  test('runs one request at a time', async () => {
    const { connect, settle, started } = await listenerFixture()
    const client = await connect()

    client.send(joinGroupFrame(1), heartbeatFrame(2), produceFrame(3))
    await settle()
    assert.equal(started.length, 1)
    started[0]!.answer()
    await settle()
    assert.equal(started.length, 2)
    started[1]!.answer()
    await settle()

    assert.deepEqual(
      started.map(({ api }) => api),
      ['JoinGroup', 'Heartbeat', 'Produce'],
    )
    assert.deepEqual(client.correlationIds, [1, 2])
  })

  test('starts Produce requests that follow each other, and answers them in order', async () => {
    const { connect, settle, started } = await listenerFixture()
    const client = await connect()

    client.send(produceFrame(1), produceFrame(2), produceFrame(3), heartbeatFrame(4))
    await settle()
    assert.deepEqual(
      started.map(({ api }) => api),
      ['Produce', 'Produce', 'Produce'],
    )
    started[2]!.answer()
    started[1]!.answer()
    await settle()
    assert.deepEqual(client.correlationIds, [])
    started[0]!.answer()
    await settle()
    assert.deepEqual(client.correlationIds, [1, 2, 3])

    assert.deepEqual(started.at(-1)?.api, 'Heartbeat')
  })

  test('starts no more Produce requests than it may', async () => {
    const { connect, settle, started, listener } = await listenerFixture({
      limits: { maxPipelinedRequests: 2 },
    })
    const client = await connect()

    client.send(...[1, 2, 3, 4].map((id) => produceFrame(id)))
    await settle()
    assert.equal(started.length, 2)
    assert.equal(listener.snapshot().requestsInFlight, 2)
    started[0]!.answer()
    await settle()

    assert.equal(started.length, 3)
  })

  test('sends nothing for a request that has no answer, and goes on', async () => {
    const { connect, settle, started } = await listenerFixture()
    const client = await connect()

    client.send(produceFrame(1), produceFrame(2))
    await settle()
    started[0]!.stayQuiet()
    started[1]!.answer()
    await settle()

    assert.deepEqual(client.correlationIds, [2])
  })

  test('tells whoever waits for a client that it went away', async () => {
    const { connect, settle, started, listener } = await listenerFixture()
    const client = await connect()
    client.send(joinGroupFrame(1))
    await settle()
    const { signal } = started[0]!.connection
    assert.equal(signal.aborted, false)

    client.connection.destroy()
    await settle()

    assert.equal(signal.aborted, true)
    assert.equal(listener.snapshot().connections, 0)
    started[0]!.answer()
    await settle()
    assert.equal(listener.snapshot().bytesInFlight, 0)
  })

  test('that a handler ends gets the answers before, then closes', async () => {
    const { connect, settle, started } = await listenerFixture()
    const client = await connect()

    client.send(produceFrame(1), produceFrame(2), produceFrame(3))
    await settle()
    started[1]!.connection.close('acks=0 and the record was refused')
    started[1]!.stayQuiet()
    started[2]!.answer()
    started[0]!.answer()
    await settle()

    assert.deepEqual(client.correlationIds, [1, 3])
    assert.ok(client.isClosed)
  })
})

describe('a request that fails', () => {
  test('closes its connection after the answers before it, with a line that says why', async () => {
    const { connect, settle, started, logger } = await listenerFixture()
    const client = await connect()

    client.send(produceFrame(1), produceFrame(2), produceFrame(3))
    await settle()
    started[1]!.fail(new Error('the disk is gone'))
    started[2]!.answer()
    started[0]!.answer()
    await settle()

    assert.deepEqual(client.correlationIds, [1])
    assert.ok(client.isClosed)
    assert.deepEqual(
      logger.lines.map(({ level, fields }) => [level, fields['reason']]),
      [['error', 'Produce version 9: the disk is gone']],
    )
  })

  test('because the broker closes is no error', async () => {
    const { connect, settle, started, logger } = await listenerFixture()
    const client = await connect()

    client.send(heartbeatFrame(1))
    await settle()
    started[0]!.fail(new ShoalError('SHOAL_CLOSED', 'the broker closes'))
    await settle()

    assert.ok(client.isClosed)
    assert.deepEqual(
      logger.lines.map(({ level }) => level),
      ['debug'],
    )
  })
})

describe('what cannot be served closes the connection with one line', () => {
  const cases: readonly (readonly [string, Uint8Array, RegExp])[] = [
    ['an unknown api key', headerFrame(4711, 0), /api key 4711 is not served/],
    ['an unsupported version', headerFrame(12, 9), /Heartbeat version 9 is not between 0 and 4/],
    ['Produce v2', headerFrame(0, 2), /Produce version 2 is not between 3 and 12/],
    ['a negative version', headerFrame(12, -1), /Heartbeat version -1/],
    ['a body that is cut', headerFrame(12, 0), /Heartbeat request version 0/],
    ['a negative size', Buffer.from('ffffffff', 'hex'), /a request of -1 bytes/],
    ['an empty request', Buffer.from('00000000', 'hex'), /a request of 0 bytes/],
    ['a size beyond the limit', Buffer.from('7fffffff', 'hex'), /a request of 2147483647 bytes/],
    ['a TLS hello', Buffer.from('16030100a5010000a10303', 'hex'), /a TLS hello/],
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'), /an HTTP request/],
    ['half a request of an unknown api', Buffer.from('000100007fff0000', 'hex'), /api key 32767/],
  ]
  for (const [what, bytes, reason] of cases)
    test(what, async () => {
      const { connect, settle, logger, listener } = await listenerFixture()
      const client = await connect()

      client.send(bytes)
      await settle()

      assert.ok(client.isClosed)
      assert.equal(logger.lines.length, 1)
      assert.match(String(logger.lines[0]!.fields['reason']), reason)
      assert.deepEqual([listener.snapshot().bytesInFlight, client.frames.length], [0, 0])
    })

  test('but the requests before it are answered', async () => {
    const { connect, settle, started } = await listenerFixture()
    const client = await connect()

    client.send(produceFrame(1), headerFrame(4711, 0))
    await settle()
    assert.equal(client.isClosed, false)
    started[0]!.answer()
    await settle()

    assert.deepEqual(client.correlationIds, [1])
    assert.ok(client.isClosed)
  })

  test('and a crowd of them gets one line a second, with the number held back', async () => {
    const { connect, clock, logger } = await listenerFixture()
    const attack = async () => {
      const client = await connect()
      client.send(headerFrame(4711, 0))
      await clock.advance(0)
    }

    for (let count = 0; count < 5; count++) await attack()
    assert.equal(logger.lines.length, 1)
    await clock.advance(1_000)
    await attack()

    assert.equal(logger.lines.length, 2)
    assert.equal(logger.lines[1]!.fields['heldBack'], 4)
  })
})

describe('limits', () => {
  test('more connections than there may be are closed at once', async () => {
    const { connect, settle, listener } = await listenerFixture({ limits: { maxConnections: 2 } })
    const clients = [await connect(), await connect(), await connect()]
    await settle()

    assert.deepEqual(
      clients.map(({ isClosed }) => isClosed),
      [false, false, true],
    )
    assert.equal(listener.snapshot().refusedConnections, 1)
    clients[0]!.connection.destroy()
    await settle()
    const another = await connect()
    await settle()
    assert.equal(another.isClosed, false)
  })

  test('one host gets no more connections than its share', async () => {
    const { connect, settle } = await listenerFixture({ limits: { maxConnectionsPerHost: 1 } })
    const clients = [await connect(), await connect()]
    await settle()

    assert.deepEqual(
      clients.map(({ isClosed }) => isClosed),
      [false, true],
    )
  })

  test('an idle connection is closed, one that waits for an answer is not', async () => {
    const { connect, clock, settle, started } = await listenerFixture({
      limits: { idleTimeoutMs: 60_000 },
    })
    const idle = await connect()
    const waiting = await connect()
    waiting.send(joinGroupFrame(1))
    await settle()

    await clock.advance(70_000)
    assert.deepEqual([idle.isClosed, waiting.isClosed], [true, false])
    started[0]!.answer()
    await settle()
    assert.deepEqual(waiting.correlationIds, [1])
  })

  test('a request that drips is closed, a large one on a slow link is not', async () => {
    const { connect, clock } = await listenerFixture()
    const drip = await connect()
    const slow = await connect()
    const large = produceFrame(1, 2_000_000)
    const dripped = heartbeatFrame(1)

    for (let second = 0; second < 50; second++) {
      drip.connection.write([dripped.subarray(second % 9, (second % 9) + 1).fill(0)])
      slow.connection.write([large.subarray(second * 32_768, (second + 1) * 32_768)])
      await clock.advance(1_000)
    }

    assert.deepEqual([drip.isClosed, slow.isClosed], [true, false])
  })

  test('a client that does not take its answers is not read from, and nothing is piled up for it', async () => {
    const { connect, settle, network } = await listenerFixture()
    const client = await connect()
    client.connection.pause()

    for (let id = 0; id < 50; id++) client.send(listGroupsFrame(id, 100_000))
    await settle()

    const { server } = network.links[0]!
    assert.ok(server.writableLength < 200_000, `${server.writableLength} bytes wait`)
    client.connection.resume()
    await settle()
    assert.equal(client.frames.length, 50)
  })

  test('sockets are not read while too many bytes are unanswered, and all requests are answered in the end', async () => {
    const limits = { maxInFlightBytes: 100_000 }
    const { connect, settle, started, listener } = await listenerFixture({ limits })
    const clients = []
    for (let count = 0; count < 8; count++) clients.push(await connect())

    for (const client of clients) client.send(produceFrame(1, 60_000))
    await settle()
    assert.ok(started.length >= 2 && started.length < 8, `${started.length} started`)
    for (let answered = 0; answered < 8; answered++) {
      started[answered]!.answer()
      await settle()
    }

    assert.deepEqual(
      clients.map(({ correlationIds }) => correlationIds),
      clients.map(() => [1]),
    )
    assert.equal(listener.snapshot().bytesInFlight, 0)
  })

  test('half requests that fill the budget do not wait for each other for ever', async () => {
    const limits = { maxInFlightBytes: 100_000 }
    const { connect, settle, started, listener } = await listenerFixture({ limits })
    const clients = []
    for (let count = 0; count < 4; count++) clients.push(await connect())
    const frame = produceFrame(1, 60_000)

    for (const client of clients) client.send(frame.subarray(0, 30_000))
    await settle()
    for (const client of clients) client.send(frame.subarray(30_000))
    for (let answered = 0; answered < 4; answered++) {
      await settle()
      assert.ok(listener.snapshot().bytesInFlight <= 100_000 + 2 * frame.length)
      started[answered]!.answer()
    }
    await settle()

    assert.deepEqual(
      clients.map(({ correlationIds }) => correlationIds),
      clients.map(() => [1]),
    )
  })

  test('thousands of requests in one chunk are answered, in order, a share each turn', async () => {
    const { connect, clock, settle } = await listenerFixture()
    const greedy = await connect()
    const modest = await connect()
    const ids = Array.from({ length: 3_000 }, (_, id) => id)

    greedy.send(...ids.map((id) => listGroupsFrame(id, 0)))
    modest.send(listGroupsFrame(1, 0))
    await settle()
    await clock.advance(10)

    assert.deepEqual(greedy.correlationIds, ids)
    assert.deepEqual(modest.correlationIds, [1])
  })
})

describe('closing the listener', () => {
  test('answers what was asked, takes no more, and ends', async () => {
    const { connect, clock, settle, started, listener } = await listenerFixture()
    const busy = await connect()
    const idle = await connect()
    busy.send(joinGroupFrame(1))
    await settle()
    const { signal } = started[0]!.connection

    let closed = false
    const closing = listener.close().then(() => (closed = true))
    await settle()
    assert.deepEqual(
      [signal.aborted, closed, idle.isClosed, busy.isClosed],
      [true, false, true, false],
    )
    busy.send(heartbeatFrame(2))
    started[0]!.answer()
    await clock.advance(1)
    await closing

    assert.deepEqual(busy.correlationIds, [1])
    assert.ok(busy.isClosed)
    assert.equal(started.length, 1)
    assert.equal(clock.pendingCount, 0)
    await listener.close()
  })

  test('does not wait for ever for a handler that does not end', async () => {
    const { connect, clock, settle, listener } = await listenerFixture()
    const client = await connect()
    client.send(joinGroupFrame(1))
    await settle()

    const closing = listener.close()
    await clock.advance(5_000)
    await closing

    assert.ok(client.isClosed)
  })
})

/** A request that has a header and nothing else. */
