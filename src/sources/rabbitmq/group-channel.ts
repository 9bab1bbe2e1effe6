/**
 * Where the members of a group talk to each other: a fanout exchange, and a queue of each member's own that goes with it.
 */

import type { Channel, ConsumeMessage } from 'amqplib'
import { parseAnnouncement, type Announcement } from './presence.ts'
import { troubleOf } from './rabbit-errors.ts'
import type { RabbitLink } from './rabbit-link.ts'

/** Where channels come from. */
type Channels = Pick<RabbitLink, 'channel' | 'limited'>

/** Nobody needs to hear what was said longer ago, milliseconds. */
const STALE_MS = 30_000

/** An exchange that goes with its last member can go between two calls of the next one; not so often in a row. */
const MOST_TRIES = 10

export class GroupChannel {
  readonly #channel: Channel
  readonly #exchange: string
  #isClosed = false

  private constructor(channel: Channel, exchange: string, lost: () => void) {
    this.#channel = channel
    this.#exchange = exchange
    channel.on('close', () => {
      if (this.#isClosed) return
      this.#isClosed = true
      lost()
    })
  }

  /**
   * Calls `hear` with what any member says, ourselves included, from the moment that the promise resolves; and `lost` when
   * nothing is heard any more: the server closed the channel, the queue was deleted, the connection went.
   */
  static async open(
    link: Channels,
    group: string,
    hear: (announcement: Announcement) => void,
    lost: () => void,
  ): Promise<GroupChannel> {
    const exchange = `shoal.${group}.members`
    const { channel, queue } = await listen(link, exchange)
    const opened = new GroupChannel(channel, exchange, lost)
    const take = (message: ConsumeMessage | null) => {
      if (message === null) return void opened.#channel.close().catch(() => {})
      const announcement = parseAnnouncement(message.content)
      if (announcement !== null) hear(announcement)
    }
    await link.limited(channel.consume(queue, take, { noAck: true }))
    return opened
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

/** A queue of our own behind the group's exchange. */
async function listen(
  link: Channels,
  exchange: string,
): Promise<{ readonly channel: Channel; readonly queue: string }> {
  const options = { exclusive: true, autoDelete: true, messageTtl: STALE_MS }
  let queue = ''
  for (let attempt = 1; ; attempt++) {
    const channel = await link.channel()
    try {
      if (queue === '') ({ queue } = await link.limited(channel.assertQueue('', options)))
      await link.limited(channel.assertExchange(exchange, 'fanout', { autoDelete: true }))
      await link.limited(channel.bindQueue(queue, exchange, ''))
      return { channel, queue }
    } catch (error) {
      if (troubleOf(error) !== 'gone' || attempt === MOST_TRIES) throw error
    }
  }
}
