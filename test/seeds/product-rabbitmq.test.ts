/**
 * Rows of seed 002 that the runtime shows over a real RabbitMQ: retries with dead letters, and queues that do not hold up
 * each other.
 */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { connect, type ChannelModel, type ConfirmChannel, type ConsumeMessage } from 'amqplib'
import { consumer } from 'shoal'
import { rabbitmq } from 'shoal/rabbitmq'
import { waitFor } from 'shoal/testing'
import { RabbitMqServer, rabbitmqMissing } from '../real/rabbitmq-server.ts'
import { needs } from '../real/services.ts'

describe('the runtime over RabbitMQ', needs(rabbitmqMissing()), () => {
  let server: RabbitMqServer
  let connection: ChannelModel
  let channel: ConfirmChannel

  before(async () => {
    server = await RabbitMqServer.start()
    connection = await connect(server.url)
    channel = await connection.createConfirmChannel()
  })
  after(async () => {
    await connection.close()
    await server[Symbol.asyncDispose]()
  })

  test('S002-18 tries again, then sends the message to a dead-letter queue; the others go on', async () => {
    const attempts = new Map<string, number>()
    await using _running = await consumer({
      group: 'tasks',
      source: rabbitmq({ url: server.url, topics: ['tasks'] }),
      decode: 'text',
      order: 'none',
      retry: { attempts: 3, backoff: { kind: 'fixed', base: '10ms' } },
      deadLetter: 'tasks.dlq',
      handle: (value) => {
        const name = value ?? ''
        attempts.set(name, (attempts.get(name) ?? 0) + 1)
        if (name === 'bad') throw new RangeError('this one is bad')
      },
    }).start()
    for (const body of ['good', 'bad', 'also good']) await publish('tasks', body)

    await waitFor(() => hasQueue('tasks.dlq'), { what: 'the queue of dead letters is made' })
    const letter = await new Promise<ConsumeMessage>((resolve, reject) => {
      channel
        .consume('tasks.dlq', (message) => message !== null && resolve(message), { noAck: true })
        .catch(reject)
    })
    assert.equal(letter.content.toString(), 'bad')
    assert.equal(String(letter.properties.headers?.['shoal-dlq-reason']), 'RangeError')
    await waitFor(() => attempts.size === 3, { what: 'every message is handled' })
    assert.deepEqual(Object.fromEntries(attempts), { good: 1, bad: 3, 'also good': 1 })
  })

  test('S002-23 reads separate queues independently: one that stands still holds up no other', async () => {
    const gate = Promise.withResolvers<void>()
    const done: string[] = []
    await using running = await consumer({
      group: 'separate',
      source: rabbitmq({ url: server.url, topics: ['slow', 'quick'] }),
      decode: 'text',
      order: 'partition',
      handle: async (value, { topic }) => {
        if (topic === 'slow') await gate.promise
        done.push(`${topic} ${value}`)
      },
    }).start()
    for (const body of ['1', '2']) {
      await publish('slow', body)
      await publish('quick', body)
    }
    await waitFor(() => done.length === 2, { what: 'the quick queue is read' })
    assert.deepEqual(done, ['quick 1', 'quick 2'])
    gate.resolve()
    await waitFor(() => done.length === 4, { what: 'the slow queue is read' })
    assert.deepEqual(done.slice(2), ['slow 1', 'slow 2'])
    assert.equal((await running.drain()).handled, 4)
  })

  /** Resolves when the server has it. */
  async function publish(queue: string, body: string): Promise<void> {
    await waitFor(() => hasQueue(queue), { what: `the queue ${queue} is there` })
    channel.sendToQueue(queue, Buffer.from(body), { persistent: true })
    await channel.waitForConfirms()
  }

  /** A channel ends when it asks for a queue that is not there. */
  async function hasQueue(queue: string): Promise<boolean> {
    const asking = await connection.createChannel()
    asking.on('error', () => {})
    try {
      await asking.checkQueue(queue)
      await asking.close()
      return true
    } catch {
      return false
    }
  }
})
