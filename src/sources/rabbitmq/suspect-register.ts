/**
 * How often messages of one queue were started with care: written down beside it, in a queue that survives its writer.
 *
 * RabbitMQ counts deliveries of everything that a dead process had, started or not: its count says who is a suspect, and nothing
 * more. So who hands suspects out writes their starts down first, all that go together in one message; what dies is counted
 * against those alone. A member takes the message, writes the next one and only then acknowledges the first. Two members that
 * do so at the same time leave two: whoever comes next takes both, and the higher of two counts holds. A count that is
 * missed by that is made up for by one more death. The queue goes by itself when nobody has asked for an hour.
 */

import { createHash } from 'node:crypto'
import type { ConfirmChannel, GetMessage } from 'amqplib'
import type { RabbitLink } from './rabbit-link.ts'

const OPTIONS = { durable: true, arguments: { 'x-expires': 3_600_000 } }

export class SuspectRegister {
  readonly #link: RabbitLink
  readonly #queue: string
  #channel: ConfirmChannel | null = null
  /** Not taken out of the register yet. */
  readonly #ended = new Set<string>()
  #last: Promise<unknown> = Promise.resolve()

  constructor(link: RabbitLink, queue: string) {
    this.#link = link
    this.#queue = `${queue}.shoal-suspects`
  }

  /**
   * Writes down that messages are started once more: as many of these, in order, as `choose` says when it is told how often each
   * was started before. Answers how often those were. Resolves when it is on disk.
   */
  start(
    ids: readonly string[],
    choose: (starts: readonly number[]) => number,
  ): Promise<readonly number[]> {
    return this.#update((register) => {
      const digests = ids.map(digestOf)
      const starts = digests.map((digest) => register.get(digest) ?? 0)
      const chosen = starts.slice(0, choose(starts))
      for (const [at, before] of chosen.entries()) register.set(digests[at] ?? '', before + 1)
      return chosen
    })
  }

  /** A message in hand ended: it leaves the register with the next ones that start. */
  ended(id: string): void {
    this.#ended.add(digestOf(id))
  }

  /** Nothing more starts for now: the register forgets what ended. */
  tidy(): void {
    if (this.#ended.size === 0) return
    // What cannot be taken out now stays until the queue goes.
    this.#update(() => null).catch(() => {})
  }

  async close(): Promise<void> {
    // Its caller was told.
    await this.#last.catch(() => {})
    const channel = this.#channel
    this.#channel = null
    if (channel !== null) await this.#link.end(channel)
  }

  #update<Value>(change: (register: Map<string, number>) => Value): Promise<Value> {
    const next = this.#last.catch(() => {}).then(() => this.#replace(change))
    this.#last = next
    return next
  }

  async #replace<Value>(change: (register: Map<string, number>) => Value): Promise<Value> {
    const channel = (this.#channel ??= await this.#link.confirmChannel())
    await this.#link.limited(channel.assertQueue(this.#queue, OPTIONS))
    const register = new Map<string, number>()
    const found = await this.#take(channel)
    for (const [digest, starts] of found.flatMap(({ content }) => startsIn(content)))
      register.set(digest, Math.max(starts, register.get(digest) ?? 0))
    const ended = [...this.#ended]
    for (const digest of ended) register.delete(digest)
    const value = change(register)
    if (register.size > 0) {
      const text = [...register].map(([digest, starts]) => `${digest} ${starts}`).join('\n')
      await this.#link.limited(confirmed(channel, this.#queue, Buffer.from(text)))
    }
    for (const message of found) channel.ack(message)
    for (const digest of ended) this.#ended.delete(digest)
    return value
  }

  async #take(channel: ConfirmChannel): Promise<readonly GetMessage[]> {
    const found: GetMessage[] = []
    for (;;) {
      const message = await this.#link.limited(channel.get(this.#queue))
      if (message === false) return found
      found.push(message)
    }
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

/** Message ids are of any length. */
function digestOf(id: string): string {
  return createHash('sha1').update(id).digest('hex')
}

/** What no member of ours wrote counts for nothing. */
function startsIn(bytes: Uint8Array): [string, number][] {
  const lines = new TextDecoder().decode(bytes).matchAll(/^([0-9a-f]{40}) (\d{1,9})$/gm)
  return [...lines].map(([, digest = '', starts]) => [digest, Number(starts)])
}
