import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { describe, test } from 'node:test'
import type { Channel, ConsumeMessage } from 'amqplib'
import type { Closable } from './ending.ts'
import { GroupChannel } from './group-channel.ts'

type Take = (message: ConsumeMessage | null) => void

/** As amqplib's: what is closed, or closing, throws when something is published. */
class FakeChannel extends EventEmitter {
  readonly published: string[] = []
  readonly consumed = Promise.withResolvers<void>()
  take: Take = () => {}
  isClosed = false

  async assertQueue() {
    return { queue: 'mine' }
  }

  async assertExchange() {}

  async bindQueue() {}

  consume(_queue: string, take: Take): Promise<void> {
    this.take = take
    return this.consumed.promise
  }

  publish(_exchange: string, _key: string, body: Buffer): void {
    if (this.isClosed) throw new Error('Channel closing')
    this.published.push(body.toString())
  }

  async close(): Promise<void> {
    this.isClosed = true
  }
}

function opening(channel: FakeChannel) {
  const link = {
    channel: async () => channel as unknown as Channel,
    limited: <Value>(answer: Promise<Value>) => answer,
    end: (closable: Closable) => closable.close(),
  }
  let losses = 0
  const group = GroupChannel.open(
    link,
    'g',
    () => {},
    () => losses++,
  )
  return { group, losses: () => losses }
}

const here = { memberId: 'm', topics: [], holds: [] }

describe('the channel between members', () => {
  test('whose queue was deleted is lost once, and nothing is said on it while it closes', async () => {
    const channel = new FakeChannel()
    channel.consumed.resolve()
    const { group, losses } = opening(channel)
    const opened = await group
    opened.announce(here)
    channel.take(null)
    opened.announce(here)
    channel.emit('close')
    assert.deepEqual([channel.published.length, channel.isClosed, losses()], [1, true, 1])
  })

  test('that goes in the moment in which it is open is not taken for one', async () => {
    const channel = new FakeChannel()
    const { group } = opening(channel)
    // The caller is told after what else came with the answer.
    setImmediate(() => {
      channel.consumed.resolve()
      channel.emit('close')
    })
    await assert.rejects(group, { message: /was closed/ })
  })

  test('that cannot be opened is not left behind', async () => {
    const channel = new FakeChannel()
    channel.consumed.reject(new Error('no answer'))
    const { group, losses } = opening(channel)
    await assert.rejects(group, { message: 'no answer' })
    assert.deepEqual([channel.isClosed, losses()], [true, 0])
  })
})
