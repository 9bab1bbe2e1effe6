/**
 * Where the members of a group talk to each other: a fanout exchange, and a queue of each member's own that goes with it.
 */

import type { Channel } from 'amqplib'
import { parseAnnouncement, type Announcement } from './presence.ts'
import type { RabbitLink } from './rabbit-link.ts'

/** Nobody needs to hear what was said longer ago, milliseconds. */
const STALE_MS = 30_000

export class GroupChannel {
  readonly #channel: Channel
  readonly #exchange: string
  #isClosed = false

  private constructor(channel: Channel, exchange: string) {
    this.#channel = channel
    this.#exchange = exchange
    channel.on('close', () => (this.#isClosed = true))
  }

  /** Calls `hear` with what any member says, ourselves included, from the moment that the promise resolves. */
  static async open(
    link: RabbitLink,
    group: string,
    hear: (announcement: Announcement) => void,
  ): Promise<GroupChannel> {
    const channel = await link.channel()
    const exchange = `shoal.${group}.members`
    await link.limited(channel.assertExchange(exchange, 'fanout', { autoDelete: true }))
    const { queue } = await link.limited(
      channel.assertQueue('', { exclusive: true, autoDelete: true, messageTtl: STALE_MS }),
    )
    await link.limited(channel.bindQueue(queue, exchange, ''))
    await link.limited(
      channel.consume(
        queue,
        (message) => {
          const announcement = message === null ? null : parseAnnouncement(message.content)
          if (announcement !== null) hear(announcement)
        },
        { noAck: true },
      ),
    )
    return new GroupChannel(channel, exchange)
  }

  announce(announcement: Announcement): void {
    if (this.#isClosed) return
    this.#channel.publish(this.#exchange, '', Buffer.from(JSON.stringify(announcement)))
  }

  /** What was said before is sent before. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    // A channel that the server closed meanwhile is closed.
    await this.#channel.close().catch(() => {})
  }
}
