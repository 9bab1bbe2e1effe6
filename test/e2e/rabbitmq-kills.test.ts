/**
 * The runtime over a RabbitMQ that is killed under load.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect, type ChannelModel, type ConfirmChannel } from 'amqplib'
import { consumer } from 'shoal'
import { rabbitmq } from 'shoal/rabbitmq'
import { waitUntil } from '../conformance/recording-member.ts'
import { RabbitMqServer, rabbitmqMissing } from '../real/rabbitmq-server.ts'
import { needs } from '../real/services.ts'
import { send } from './rabbit-send.ts'

/** A start takes RabbitMQ ten seconds: two on every push, more by SHOAL_RABBITMQ_KILLS. */
const KILLS = Number(process.env['SHOAL_RABBITMQ_KILLS'] ?? 2)
const KEYS = 20
const MESSAGES_PER_KILL = 200
const SHARDS = 4

// Classic queues: Debian's RabbitMQ 3.10.8, killed and started again, confirms nothing more to its quorum queues.
test(
  `RabbitMQ: ${KILLS} kills of the server under load: nothing lost, every key in order`,
  needs(rabbitmqMissing()),
  async () => {
    await using crashing = await RabbitMqServer.start()
    const seen = new Map<string, number[]>()
    const changed = new Set<() => void>()
    const handle = (value: unknown, { key }: { readonly key: string | null }) => {
      const list = seen.get(key ?? '') ?? []
      seen.set(key ?? '', list)
      list.push(Number(value))
      for (const wake of changed) wake()
    }
    const topic = 'load'
    const declared = consumer({
      group: 'g',
      source: rabbitmq({
        url: crashing.url,
        topics: [topic],
        shards: SHARDS,
        queueType: 'classic',
      }),
      decode: 'text',
      handle,
    })
    const [first, second] = [await declared.start(), await declared.start()]
    await using feeder = new Feeder(crashing.url)
    for (let kill = 0; kill < KILLS; kill++) {
      await feeder.send(topic, MESSAGES_PER_KILL)
      await crashing.kill()
      await crashing.restart()
    }
    await feeder.send(topic, MESSAGES_PER_KILL)
    const missing = () => feeder.sent - new Set([...seen.values()].flat()).size
    await waitUntil(
      'everything',
      () => missing() === 0,
      (wake) => changed.add(wake),
    )
    const reports = [await first.drain(), await second.drain()]
    const handled = reports.reduce((sum, report) => sum + report.handled, 0)
    for (const [key, values] of seen) assert.deepEqual(violations(values), [], `key ${key}`)
    console.log(
      `rabbitmq: ${KILLS} kills, ${feeder.sent} messages, 0 lost, 0 out of order, repeated ${handled - feeder.sent}`,
    )
  },
)

/** A value may come again; what may not happen is to come before an earlier one of its key ever came. */
function violations(values: readonly number[]): number[] {
  let latest = -1
  return values.filter((value) => {
    if (value <= latest) return false
    const isNext = latest === -1 || value === latest + KEYS
    latest = value
    return !isNext
  })
}

/** Sends values in order of their key, each again until it is confirmed. */
class Feeder implements AsyncDisposable {
  readonly #url: string
  #connection: ChannelModel | null = null
  #channel: ConfirmChannel | null = null
  sent = 0

  constructor(url: string) {
    this.#url = url
  }

  async send(topic: string, count: number): Promise<void> {
    for (let left = count; left > 0; left--) await this.#confirmed(topic, this.sent++)
  }

  async #confirmed(topic: string, value: number): Promise<void> {
    for (;;)
      try {
        this.#channel ??= await this.#open()
        const headers = { 'shoal-key': Buffer.from(`k${value % KEYS}`) }
        await send(this.#channel, `${topic}.${value % SHARDS}`, `${value}`, headers)
        return
      } catch {
        // The server is away or coming back: whatever became of the message, it is sent again.
        this.#channel = null
        await new Promise((resolve) => setImmediate(resolve))
      }
  }

  async #open(): Promise<ConfirmChannel> {
    const connection = await connect(this.#url)
    connection.on('error', () => {})
    this.#connection = connection
    const channel = await connection.createConfirmChannel()
    channel.on('error', () => {})
    return channel
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection?.close()
  }
}
