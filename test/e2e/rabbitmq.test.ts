/**
 * The runtime over a real RabbitMQ: sharing queues, handing them over, and what happens when the server, the queues or the
 * connection are not as they should be. That the server is killed is in its own file.
 */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { connect, type ChannelModel, type ConfirmChannel } from 'amqplib'
import { consumer } from 'shoal'
import { rabbitmq, type RabbitMqOptions } from 'shoal/rabbitmq'
import type { Closable } from '../../src/sources/rabbitmq/ending.ts'
import { GroupChannel } from '../../src/sources/rabbitmq/group-channel.ts'
import { RecordingMember, waitUntil } from '../conformance/recording-member.ts'
import type { Seen } from '../conformance/recording-member.ts'
import { RabbitMqServer, rabbitmqMissing } from '../real/rabbitmq-server.ts'
import { freePort, needs } from '../real/services.ts'
import { send } from './rabbit-send.ts'
import { TcpRelay } from '../real/tcp-relay.ts'

const SHARDS = 4
/** Class and method of a frame (AMQP 0-9-1, 1.5.2 and 1.7.2). */
const CHANNEL_CLOSE = Buffer.from([0, 20, 0, 40])
const QUEUE_DECLARE = Buffer.from([0, 50, 0, 10])

describe('RabbitMQ: hard cases', needs(rabbitmqMissing()), () => {
  let server: RabbitMqServer
  let connection: ChannelModel
  let channel: ConfirmChannel
  let names = 0

  before(async () => {
    server = await RabbitMqServer.start()
    connection = await connect(server.url)
    channel = await connection.createConfirmChannel()
  })
  after(async () => {
    await connection.close()
    await server[Symbol.asyncDispose]()
  })

  const fresh = () => `orders-${names++}`
  const source = (topic: string, options: Partial<RabbitMqOptions> = {}) =>
    rabbitmq({ url: server.url, topics: [topic], heartbeatIntervalMs: 500, ...options })

  test('a server that is away at the start: one sentence with its address, in time', async () => {
    const port = await freePort()
    const url = `amqp://127.0.0.1:${port}`
    const away = rabbitmq({ url, topics: ['orders'], bootstrapTimeoutMs: 300 })
    await assert.rejects(RecordingMember.join(away, 'g'), {
      code: 'SHOAL_BROKER_UNREACHABLE',
      message: new RegExp(`rabbitmq at 127.0.0.1:${port}: RabbitMQ did not answer`),
    })
  })

  test('a wrong password is told as such, and not tried again', async () => {
    const url = `amqp://guest:wrong@127.0.0.1:${server.port}`
    await assert.rejects(RecordingMember.join(rabbitmq({ url, topics: ['orders'] }), 'g'), {
      code: 'SHOAL_REQUEST_FAILED',
      message: /refused the user, the password or the vhost/,
    })
  })

  test('a queue of another type is named, and left as it is', async () => {
    const topic = fresh()
    await channel.assertQueue(topic, { durable: true })
    await assert.rejects(RecordingMember.join(source(topic), 'g'), {
      code: 'SHOAL_REQUEST_FAILED',
      message: new RegExp(`topics ${topic}, group g: a queue or exchange of this name exists`),
    })
    assert.equal((await channel.checkQueue(topic)).messageCount, 0)
  })

  test('a second member takes its share, each queue after its owner drained', async () => {
    const topic = fresh()
    await using first = await RecordingMember.join(source(topic, { shards: SHARDS }), 'g')
    await first.until('all queues', () => first.owned.size === SHARDS)
    for (let shard = 0; shard < SHARDS; shard++)
      for (let value = 0; value < 5; value++) await send(channel, `${topic}.${shard}`, `${value}`)
    await first.until('all messages', () => first.seen.length === 5 * SHARDS)
    const gate = Promise.withResolvers<void>()
    first.onRevoked = async (partitions) => {
      await gate.promise
      await first.commit(partitions.map((each) => ({ ...each, offset: 3, metadata: '' })))
    }
    await using second = await RecordingMember.join(source(topic, { shards: SHARDS }), 'g')
    await first.until('the revoke', () => first.revocations.length === 2)
    assert.equal(second.owned.size, 0)
    gate.resolve()
    await second.until('its share', () => second.owned.size === 2)
    await second.until('what was not acknowledged', () => second.seen.length === 4)
    assert.deepEqual(
      [...Map.groupBy(second.seen, ({ partition }) => partition).values()].map((list) =>
        list.map(({ record }) => [text(record.value), record.deliveryCount]),
      ),
      [
        [
          ['3', 2],
          ['4', 2],
        ],
        [
          ['3', 2],
          ['4', 2],
        ],
      ],
    )
    await second.session.close()
    await first.until('all queues again', () => first.owned.size === SHARDS)
  })

  test('members whose exchange is deleted, or made anew by somebody, find each other again', async () => {
    const topic = fresh()
    const group = `of-${topic}`
    const options = { shards: 2, sessionTimeoutMs: 3_000 }
    await using first = await RecordingMember.join(source(topic, options), group)
    await first.until('both queues', () => first.owned.size === 2)
    await using second = await RecordingMember.join(source(topic, options), group)
    await second.until('a queue', () => second.owned.size === 1)
    const exchange = `shoal.${group}.members`
    for (const isMadeAnew of [false, true]) {
      const before = [first, second].map(joined)
      await channel.deleteExchange(exchange)
      // Whoever speaks now is not refused, and not heard either.
      if (isMadeAnew) await channel.assertExchange(exchange, 'fanout', { autoDelete: true })
      for (const [index, member] of [first, second].entries())
        await member.until('to have joined again', () => joined(member) > before[index]!)
    }
    await first.session.close()
    await second.until('both queues', () => second.owned.size === 2)
    assert.deepEqual([second.losses, second.errors, first.errors], [[], [], []])
  })

  test('an exchange that goes with its last member while the next one comes is made again', async () => {
    const group = fresh()
    const exchange = `shoal.${group}.members`
    let deletions = 0
    const link = {
      limited: <Value>(answer: Promise<Value>) => answer,
      channel: async () => {
        const opened = await connection.createChannel()
        opened.on('error', () => {})
        const bindQueue = opened.bindQueue.bind(opened)
        opened.bindQueue = async (...args) => {
          if (deletions++ < 2) await channel.deleteExchange(exchange)
          return bindQueue(...args)
        }
        return opened
      },
      end: (opened: Closable) => opened.close(),
    }
    const heard = Promise.withResolvers<unknown>()
    const lost = () => heard.reject(new Error('lost'))
    const members = await GroupChannel.open(link, group, heard.resolve, lost)
    const greeting = { memberId: 'm', topics: [], holds: [], isGreeting: true }
    members.announce(greeting)
    assert.deepEqual(await heard.promise, { ...greeting, isLeaving: false })
    assert.equal(deletions, 3)
    await members.close()
  })

  test('a connection that goes while a queue is made again ends nothing', async () => {
    const topic = fresh()
    await using relay = await TcpRelay.listen(server.port)
    const url = `amqp://guest:guest@127.0.0.1:${relay.port}`
    await using member = await RecordingMember.join(source(topic, { url }), 'g')
    await member.until('the queue', () => member.owned.size === 1)
    let isDeclared = false
    relay.onRequest = (bytes) => {
      isDeclared ||= bytes.includes(QUEUE_DECLARE)
      if (!isDeclared || !bytes.includes(CHANNEL_CLOSE)) return true
      // The queue is there, and the server's answer to the end of the channel is not.
      relay.onRequest = () => true
      relay.cut()
      return false
    }
    await channel.deleteQueue(topic)
    await member.until('to have joined again', () => joined(member) === 2)
    await member.until('the queue again', () => member.owned.size === 1)
    await send(channel, topic, 'v')
    await member.until('what comes now', () => member.seen.length === 1)
    assert.deepEqual(member.errors, [])
  })

  test('a connection that goes while its member leaves keeps nobody waiting', async () => {
    const topic = fresh()
    await using relay = await TcpRelay.listen(server.port)
    const url = `amqp://guest:guest@127.0.0.1:${relay.port}`
    const member = await RecordingMember.join(source(topic, { url }), 'g')
    await member.until('the queue', () => member.owned.size === 1)
    relay.onRequest = (bytes) => {
      if (bytes.includes(CHANNEL_CLOSE)) relay.cut()
      return true
    }
    await member.session.close()
    await relay.untilIdle()
  })

  test('a server that accepts and says nothing is left, and no connection to it stays', async () => {
    await using relay = await TcpRelay.listen(server.port)
    relay.hold()
    const url = `amqp://guest:guest@127.0.0.1:${relay.port}`
    const silent = source(fresh(), { url, requestTimeoutMs: 200, bootstrapTimeoutMs: 300 })
    await assert.rejects(RecordingMember.join(silent, 'g'), { message: /did not answer/ })
    await relay.untilIdle()
  })

  test('competing members share one queue: each message to one of them', async () => {
    const topic = fresh()
    const sharing = { sharing: 'competing', prefetch: 5 } as const
    const members = await Promise.all(
      [0, 1, 2].map(() => RecordingMember.join(source(topic, sharing), 'g')),
    )
    await using ending = new AsyncDisposableStack()
    for (const member of members) ending.use(member)
    const [first, second, third] = members as [RecordingMember, RecordingMember, RecordingMember]
    await waitUntil(
      'the queue',
      () => members.every((member) => member.owned.size === 1),
      (wake) => {
        for (const member of members) member.onNextEvent(wake)
      },
    )
    for (let value = 0; value < 15; value++) await send(channel, topic, `${value}`)
    await first.until('its fair share', () => first.seen.length === 5)
    await second.until('its fair share', () => second.seen.length === 5)
    await third.until('its fair share', () => third.seen.length === 5)
    const values = members.flatMap((member) => member.seen.map(({ record }) => text(record.value)))
    assert.equal(new Set(values).size, 15)
  })

  test('a queue that is deleted under its member is lost, told, and made again', async () => {
    const topic = fresh()
    await using member = await RecordingMember.join(source(topic), 'g')
    await member.until('the queue', () => member.owned.size === 1)
    await channel.deleteQueue(topic)
    await member.until('the loss', () => member.losses.length === 1)
    assert.ok(member.notices.some(({ kind }) => kind === 'disconnected'))
    await member.until('the queue again', () => member.owned.size === 1)
    await send(channel, topic, 'v')
    await member.until('what comes now', () => member.seen.length === 1)
  })

  test('a message to a queue that is gone is an error, never a silence', async () => {
    const topic = fresh()
    const letters = fresh()
    await using member = await RecordingMember.join(source(topic), 'g')
    await member.until('the queue', () => member.owned.size === 1)
    const letter = { topic: letters, partition: null, key: null, value: null, headers: [] }
    await member.session.produce(letter)
    await channel.deleteQueue(letters)
    await assert.rejects(member.session.produce(letter), {
      code: 'SHOAL_UNKNOWN_TOPIC',
      message: new RegExp(`topic ${letters}: no queue took the message`),
    })
    // Nobody had to do anything: the next one makes it again.
    await member.session.produce(letter)
    assert.equal((await channel.checkQueue(letters)).messageCount, 1)
  })

  test('a dead letter that its queue refuses ends nothing: its message comes again', async () => {
    const topic = fresh()
    const letters = fresh()
    // As its owner made it: room for one, and a refusal for the next.
    await channel.assertQueue(letters, {
      arguments: { 'x-max-length': 1, 'x-overflow': 'reject-publish' },
    })
    await send(channel, letters, 'the one')
    await using first = await RecordingMember.join(source(topic), 'g')
    await first.until('the queue', () => first.owned.size === 1)
    await send(channel, topic, 'bad')
    await first.until('the message', () => first.seen.length === 1)
    const letter = { topic: letters, partition: null, key: null, value: null, headers: [] }
    const [seen] = first.seen as [Seen]
    await assert.rejects(async () => first.session.deadLetter?.(letter, seen), {
      message: new RegExp(`topic ${letters}`),
    })
    await first.session.close()
    await channel.purgeQueue(letters)
    await using second = await RecordingMember.join(source(topic), 'g')
    await second.until('the message again', () => second.seen.length === 1)
    const [again] = second.seen as [Seen]
    assert.equal(await second.session.deadLetter?.(letter, again), 'done')
    assert.equal((await channel.checkQueue(letters)).messageCount, 1)
  })

  test('a message is called the same in every delivery: by its id, else by one of its delivery', async () => {
    const topic = fresh()
    await using first = await RecordingMember.join(source(topic), 'g')
    await first.until('the queue', () => first.owned.size === 1)
    await first.session.produce({ topic, partition: null, key: null, value: null, headers: [] })
    await send(channel, topic, 'of a stranger')
    await first.until('two', () => first.seen.length === 2)
    await first.session.close()
    await using second = await RecordingMember.join(source(topic), 'g')
    await second.until('two', () => second.seen.length === 2)
    const [before, after] = [first, second].map(({ seen }) => seen.map(({ record }) => record.id))
    assert.equal(after?.[0], before?.[0])
    assert.notEqual(after?.[1], before?.[1])
    assert.equal(new Set([...(before ?? []), ...(after ?? [])]).size, 3)
  })

  test('what is done behind a message that is not is acknowledged alone', async () => {
    const topic = fresh()
    const gate = Promise.withResolvers<void>()
    let first = true
    const declared = consumer({
      group: 'g',
      source: source(topic, { prefetch: 3 }),
      decode: 'text',
      order: 'none',
      handle: () => {
        if (!first) return handled()
        first = false
        return gate.promise
      },
    })
    let count = 0
    let wake = (): void => {}
    const handled = () => {
      count++
      wake()
    }
    await using running = await declared.start()
    // More than the prefetch: without acknowledgements behind the first one, the queue would stand still.
    for (let value = 0; value < 10; value++) await send(channel, topic, `${value}`)
    await waitUntil(
      'the others',
      () => count === 9,
      (woken) => (wake = woken),
    )
    gate.resolve()
    await running.drain()
    assert.equal((await channel.checkQueue(topic)).messageCount, 0)
  })

  test('what came back twice is handed out few at a time, then alone, and only what was started is counted', async () => {
    const topic = fresh()
    const members: RecordingMember[] = []
    await using ending = new AsyncDisposableStack()
    const next = async (): Promise<RecordingMember> => {
      await members.at(-1)?.session.close()
      const member = ending.use(await RecordingMember.join(source(topic), 'g'))
      members.push(member)
      return member
    }
    const first = await next()
    await first.until('the queue', () => first.owned.size === 1)
    for (let value = 0; value < 66; value++)
      await send(channel, topic, `${value}`, {}, `id-${value}`)
    await first.until('all', () => first.seen.length === 66)
    const second = await next()
    await second.until('all again', () => second.seen.length === 66)
    // RabbitMQ counts all of them each time that a member had them; the member counts those that it started.
    const counted = ({ record }: Seen) => [text(record.value), record.deliveryCount]
    for (const [index, count] of [64, 8, 1].entries()) {
      const member = await next()
      await member.until(`${count} of them`, () => member.seen.length >= count)
      const expected = Array.from({ length: count }, (_, value) => [`${value}`, 3 + index])
      assert.deepEqual(member.seen.map(counted), expected)
    }
    const last = await next()
    await last.until('the first, alone', () => last.seen.length > 0)
    await send(channel, topic, 'new')
    for (let ended = 1; ended < 67; ended = last.seen.length) {
      const { epoch } = last.assignment(topic, 0)
      await last.commit([{ topic, partition: 0, epoch, offset: ended, metadata: '' }])
      await last.until('what comes next', () => last.seen.length > ended)
      if (ended === 1) assert.equal(last.seen.length, 2)
    }
    const all = last.seen.map(counted)
    assert.deepEqual(all.slice(0, 3).concat(all.slice(7, 9), all.slice(63)), [
      ['0', 6],
      ['1', 5],
      ['2', 5],
      ['7', 5],
      ['8', 4],
      ['63', 4],
      ['64', 3],
      ['65', 3],
      ['new', undefined],
    ])
    const { epoch } = last.assignment(topic, 0)
    await last.commit([{ topic, partition: 0, epoch, offset: 67, metadata: '' }])
    await last.session.close()
    assert.equal((await channel.checkQueue(`${topic}.shoal-suspects`)).messageCount, 0)
  })
})

/** How often it joined its group. */
function joined(member: RecordingMember): number {
  return member.notices.filter(({ kind }) => kind === 'joined').length
}

function text(bytes: Uint8Array | null): string {
  return new TextDecoder().decode(bytes ?? undefined)
}
