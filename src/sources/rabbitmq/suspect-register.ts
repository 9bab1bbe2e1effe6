/**
 * How often a message was started alone: written down in a queue of its own beside the message's, that survives its writer.
 *
 * RabbitMQ counts deliveries of everything that a dead process had, started or not, so a message that kills its process
 * drags its whole prefetch along. Who takes a message that came back twice therefore takes it alone and writes it down first;
 * what dies with it is counted against it and nothing else. The queue keeps its last message only (`x-max-length` 1), goes
 * when the message ended, and by itself when nobody has asked for an hour.
 */

import { createHash } from 'node:crypto'
import type { ConfirmChannel } from 'amqplib'
import type { RabbitLink } from './rabbit-link.ts'

/** Deliveries without an end from which a message is handed out alone. */
export const SUSPECT_DELIVERIES = 2

const EXPIRES_MS = 3_600_000

export class SuspectRegister {
  readonly #link: RabbitLink
  readonly #queue: string
  #channel: ConfirmChannel | null = null
  /** The queue of the message in hand. */
  #current: string | null = null

  constructor(link: RabbitLink, queue: string) {
    this.#link = link
    this.#queue = queue
  }

  /** Writes down that the message is started once more; answers how often it was before. Resolves when it is on disk. */
  async start(id: string): Promise<number> {
    const channel = (this.#channel ??= await this.#link.confirmChannel())
    const digest = createHash('sha1').update(id).digest('hex')
    const queue = `${this.#queue}.shoal-suspect.${digest}`
    const options = { durable: true, arguments: { 'x-max-length': 1, 'x-expires': EXPIRES_MS } }
    await this.#link.limited(channel.assertQueue(queue, options))
    this.#current = queue
    const found = await this.#link.limited(channel.get(queue))
    const before = found === false ? 0 : startsOf(found.content)
    await this.#link.limited(confirmed(channel, queue, Buffer.from(`${before + 1}`)))
    // Until then the older one goes back when we die: it is pushed out by the newer.
    if (found !== false) channel.ack(found)
    return before
  }

  /** The message in hand ended. */
  ended(): void {
    const queue = this.#current
    this.#current = null
    // Where the channel went meanwhile, the queue goes by itself.
    if (queue !== null) this.#channel?.deleteQueue(queue).catch(() => {})
  }

  async close(): Promise<void> {
    const channel = this.#channel
    this.#channel = null
    // A channel that the server closed meanwhile is closed.
    await channel?.close().catch(() => {})
  }
}

function confirmed(channel: ConfirmChannel, queue: string, body: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    channel.sendToQueue(queue, body, { persistent: true }, (error: unknown) =>
      error === null || error === undefined
        ? resolve()
        : reject(error instanceof Error ? error : new Error('not confirmed')),
    )
  })
}

/** What no member of ours wrote counts for nothing. */
function startsOf(bytes: Uint8Array): number {
  const text = new TextDecoder().decode(bytes)
  return /^\d{1,9}$/.test(text) ? Number(text) : 0
}
