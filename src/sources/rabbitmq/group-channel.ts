/**
 * Where the members of a group talk to each other: a fanout exchange, and a queue of each member's own that goes with it.
 */

import type { Channel, ConsumeMessage } from 'amqplib'
import { parseAnnouncement, type Announcement } from './presence.ts'
import { troubleOf } from './rabbit-errors.ts'
import type { RabbitLink } from './rabbit-link.ts'

/** Where channels come from. */
type Channels = Pick<RabbitLink, 'channel' | 'limited' | 'end'>

/** Nobody needs to hear what was said longer ago, milliseconds. */
const STALE_MS = 30_000

/** An exchange that goes with its last member can go between two calls of the next one; not so often in a row. */
const MOST_TRIES = 10

export class GroupChannel {
  readonly #link: Channels
  readonly #channel: Channel
  readonly #exchange: string
  readonly #lost: () => void
  /** Nothing can be said any more. */
  #isClosed = false

  private constructor(link: Channels, channel: Channel, exchange: string, lost: () => void) {
    this.#link = link
    this.#channel = channel
    this.#exchange = exchange
    this.#lost = lost
    channel.on('close', () => this.#gone())
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
    const opened = new GroupChannel(link, channel, exchange, lost)
    const take = (message: ConsumeMessage | null) => {
      if (message === null) return opened.#gone()
      const announcement = parseAnnouncement(message.content)
      if (announcement !== null) hear(announcement)
    }
    try {
      await link.limited(channel.consume(queue, take, { noAck: true }))
    } catch (error) {
      await opened.close()
      throw error
    }
    if (opened.#isClosed) throw new Error('the channel to the other members was closed')
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
    await this.#link.end(this.#channel)
  }

  #gone(): void {
    if (this.#isClosed) return
    void this.close()
    this.#lost()
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
      if (troubleOf(error) === 'gone' && attempt < MOST_TRIES) continue
      await link.end(channel)
      throw error
    }
  }
}
