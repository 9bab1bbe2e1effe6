/**
 * RabbitMQ's management API, for what AMQP does not tell: which queues there are, who consumes them, what is
 * unacknowledged. It is a plugin, so it may not be there; its figures are some seconds old, and a queue that was just made has
 * none.
 *
 * Answers are checked where they are read: what is not what the documentation says counts as not told.
 */

import { Buffer } from 'node:buffer'
import { ShoalError, messageOf } from '../../../core/index.ts'

export interface ManagementOptions {
  /** `http://user:password@host:15672`, without the path. */
  readonly url: string
  readonly vhost: string
  readonly timeoutMs: number
  readonly fetch: typeof fetch
}

/** Null: not told. */
export interface QueueFacts {
  readonly name: string
  readonly isExclusive: boolean
  readonly unacknowledged: number | null
  readonly published: number | null
  /** Of the first message, milliseconds since the epoch: classic queues whose messages have a timestamp. */
  readonly headTimestampMs: number | null
  readonly consumers: readonly QueueConsumerFacts[]
}

export interface QueueConsumerFacts {
  readonly queue: string
  readonly tag: string
  /** Of the queue's consumers with single active consumer, the one. */
  readonly isActive: boolean
  /** As members of ours say it of themselves. */
  readonly group: string | null
  readonly member: string | null
  readonly host: string | null
  readonly channel: string | null
}

export interface ChannelFacts {
  readonly unacknowledged: number | null
  /** Wall time since which nothing happened on it; null while something does. */
  readonly idleSinceMs: number | null
}

const PAGE_SIZE = 500
/** 50,000 queues; more are not looked at. */
const MAX_PAGES = 100
const MAX_BODY_BYTES = 64 * 1024 * 1024

export class ManagementApi {
  readonly #base: string
  readonly #headers: Readonly<Record<string, string>>
  readonly #options: ManagementOptions

  constructor(options: ManagementOptions) {
    const { username, password, origin, pathname } = new URL(options.url)
    this.#base = `${origin}${pathname.replace(/\/$/, '')}`
    const user = decodeURIComponent(username || 'guest')
    const secret = decodeURIComponent(username === '' ? 'guest' : password)
    this.#headers = {
      authorization: `Basic ${Buffer.from(`${user}:${secret}`).toString('base64')}`,
    }
    this.#options = options
  }

  /** Without the password. */
  get address(): string {
    return this.#base
  }

  /** Names of all queues that are not somebody's own. */
  async queueNames(): Promise<readonly string[]> {
    const items = await this.#pages('queues', 'name,exclusive')
    return items.filter((item) => item['exclusive'] !== true).map((item) => textOf(item['name']))
  }

  /** Exchanges that send each key to one of several queues. */
  async hashExchanges(): Promise<ReadonlySet<string>> {
    const items = await this.#pages('exchanges', 'name,type')
    return new Set(
      items.flatMap((item) => (item['type'] === 'x-consistent-hash' ? [textOf(item['name'])] : [])),
    )
  }

  async consumers(): Promise<readonly QueueConsumerFacts[]> {
    const answer = await this.#get(`consumers/${this.#vhost}`)
    return listOf(answer).map(consumerFacts)
  }

  /** Null where there is no such queue. */
  async queue(name: string): Promise<QueueFacts | null> {
    const answer = await this.#get(`queues/${this.#vhost}/${encodeURIComponent(name)}`)
    return answer === null ? null : queueFacts(recordOf(answer))
  }

  /** Null where it was closed meanwhile. */
  async channel(name: string): Promise<ChannelFacts | null> {
    const answer = await this.#get(`channels/${encodeURIComponent(name)}`)
    if (answer === null) return null
    const channel = recordOf(answer)
    const idleSinceMs = Date.parse(textOf(channel['idle_since']))
    return {
      unacknowledged: wholeOf(channel['messages_unacknowledged']),
      idleSinceMs: Number.isNaN(idleSinceMs) ? null : idleSinceMs,
    }
  }

  get #vhost(): string {
    return encodeURIComponent(this.#options.vhost)
  }

  async #pages(what: string, columns: string): Promise<readonly Item[]> {
    const items: Item[] = []
    for (let page = 1; page <= MAX_PAGES; page++) {
      const query = `page=${page}&page_size=${PAGE_SIZE}&columns=${columns}`
      const answer = recordOf(await this.#get(`${what}/${this.#vhost}?${query}`))
      items.push(...listOf(answer['items']))
      if (page >= (wholeOf(answer['page_count']) ?? 1)) break
    }
    return items
  }

  /** Null for 404. */
  async #get(path: string): Promise<unknown> {
    const response = await this.#request(`${this.#base}/api/${path}`)
    if (response.status === 404) {
      await response.body?.cancel()
      return null
    }
    const text = await this.#text(response)
    if (response.status === 401 || response.status === 403)
      throw this.#failed('refused the user or the password (a user of it needs the tag management)')
    if (!response.ok) throw this.#failed(`answered ${response.status}`)
    try {
      return JSON.parse(text)
    } catch (cause) {
      throw this.#failed('answered what is not JSON', cause)
    }
  }

  async #request(url: string): Promise<Response> {
    const { timeoutMs, fetch: ask } = this.#options
    try {
      return await ask(url, { headers: this.#headers, signal: AbortSignal.timeout(timeoutMs) })
    } catch (cause) {
      throw this.#away(cause)
    }
  }

  async #text(response: Response): Promise<string> {
    const chunks: Uint8Array[] = []
    let byteLength = 0
    try {
      for await (const chunk of response.body ?? []) {
        byteLength += chunk.length
        if (byteLength > MAX_BODY_BYTES) break
        chunks.push(chunk)
      }
    } catch (cause) {
      throw this.#away(cause)
    }
    if (byteLength > MAX_BODY_BYTES)
      throw this.#failed(`answered more than ${MAX_BODY_BYTES} bytes`)
    return Buffer.concat(chunks).toString('utf8')
  }

  #away(cause: unknown): ShoalError {
    const reason = messageOf(cause instanceof Error && cause.cause ? cause.cause : cause)
    return new ShoalError(
      'SHOAL_BROKER_UNREACHABLE',
      `the management API of RabbitMQ does not answer at ${this.#base} (${reason})`,
      { cause },
    )
  }

  #failed(what: string, cause?: unknown): ShoalError {
    return new ShoalError(
      'SHOAL_REQUEST_FAILED',
      `the management API of RabbitMQ at ${this.#base} ${what}`,
      { cause },
    )
  }
}

type Item = Readonly<Record<string, unknown>>

function queueFacts(queue: Item): QueueFacts {
  const headSeconds = wholeOf(queue['head_message_timestamp'])
  return {
    name: textOf(queue['name']),
    isExclusive: queue['exclusive'] === true,
    unacknowledged: wholeOf(queue['messages_unacknowledged']),
    published: wholeOf(recordOf(queue['message_stats'])['publish']),
    headTimestampMs: headSeconds === null ? null : headSeconds * 1_000,
    consumers: listOf(queue['consumer_details']).map(consumerFacts),
  }
}

function consumerFacts(consumer: Item): QueueConsumerFacts {
  const said = recordOf(consumer['arguments'])
  const channel = recordOf(consumer['channel_details'])
  return {
    queue: textOf(recordOf(consumer['queue'])['name']),
    tag: textOf(consumer['consumer_tag']),
    isActive: consumer['active'] !== false,
    group: textOf(said['shoal-group']) || null,
    member: textOf(said['shoal-member']) || null,
    host: textOf(channel['peer_host']) || null,
    channel: textOf(channel['name']) || null,
  }
}

function recordOf(value: unknown): Item {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Item) : {}
}

function listOf(value: unknown): readonly Item[] {
  return Array.isArray(value) ? value.map(recordOf) : []
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function wholeOf(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) ? value : null
}
