/**
 * The broker port over RabbitMQ: how much is ready by AMQP, as it is now; everything else by the management API.
 *
 * Without that API a queue, or a topic's shards, can still be described by name; what is then missing is said in one
 * sentence. Messages are never taken out to look at them: that would mark them as delivered and move them.
 */

import type { BrokerPort, GroupBacklog, GroupListing } from '../../../admin/index.ts'
import { ShoalError } from '../../../core/index.ts'
import { rabbitSettings, type RabbitMqPorts, type RabbitSettings } from '../options.ts'
import { RabbitLink } from '../rabbit-link.ts'
import { queueName } from '../topology.ts'
import { ManagementApi, type ChannelFacts } from './management-api.ts'
import { passiveQueue } from './passive.ts'
import {
  listedGroups,
  placeOfQueue,
  queueBacklog,
  queuesOfGroup,
  type QueueLook,
} from './queue-backlog.ts'
import { RabbitDeadLetters } from './rabbit-dead-letters.ts'

export interface RabbitAdminOptions {
  /** `amqp://[user:password@]host[:5672][/vhost]`, `amqps://` for TLS. */
  readonly url: string
  /**
   * Where the management API is: `http://host:15672`; default: the host of the URL with port 15672 (15671 with TLS). User and
   * password are those of the URL unless it has its own.
   */
  readonly managementUrl?: string
  /** How long opening goes on trying, milliseconds; default 10,000. */
  readonly bootstrapTimeoutMs?: number
}

export interface RabbitAdminPorts extends RabbitMqPorts {
  readonly fetch?: typeof fetch
}

/** Channels asked for what they hold; further ones are not. */
const MAX_CHANNELS = 500
/** Queues asked at a time. */
const AT_ONCE = 20
/** Shards looked for by name; further ones are not. */
const MAX_SHARDS = 1_000
/** Of dead-letter queues. */
const SUFFIX = '-dlq'

/** @throws ShoalError SHOAL_INVALID_ARGUMENT, SHOAL_BROKER_UNREACHABLE, SHOAL_REQUEST_FAILED for wrong credentials */
export async function openRabbitAdmin(
  options: RabbitAdminOptions,
  ports: RabbitAdminPorts = {},
): Promise<BrokerPort> {
  const { managementUrl, ...given } = options
  const { fetch: ask = fetch, ...own } = ports
  // Settings of a member; its topics are neither declared nor asked for here.
  const settings = rabbitSettings({ ...given, topics: ['*'] }, own)
  const api = new ManagementApi({
    url: managementUrlOf(settings.url, managementUrl),
    vhost: vhostOf(settings.url),
    timeoutMs: settings.requestTimeoutMs,
    fetch: ask,
  })
  return new RabbitAdmin(await RabbitLink.open(settings), settings, api)
}

class RabbitAdmin implements BrokerPort {
  readonly backend = 'rabbitmq'
  readonly deadLetters: RabbitDeadLetters
  readonly #link: RabbitLink
  readonly #settings: RabbitSettings
  readonly #api: ManagementApi
  #isClosed = false

  constructor(link: RabbitLink, settings: RabbitSettings, api: ManagementApi) {
    this.#link = link
    this.#settings = settings
    this.#api = api
    this.deadLetters = new RabbitDeadLetters(link, settings, api)
  }

  async listGroups(): Promise<readonly GroupListing[]> {
    const { queues, consumers, exchanges } = await this.#everything()
    return listedGroups(queues, consumers, exchanges, SUFFIX)
  }

  async groupBacklog(groupId: string): Promise<GroupBacklog> {
    const nowMs = this.#settings.ports.clock.wallMs()
    try {
      const { queues, consumers, exchanges } = await this.#everything()
      const named = queuesOfGroup(groupId, queues, consumers, exchanges)
      const looks: QueueLook[] = []
      for (let at = 0; at < named.length; at += AT_ONCE)
        looks.push(
          ...(
            await Promise.all(
              named.slice(at, at + AT_ONCE).map((queue) => this.#look(queue, exchanges)),
            )
          ).filter((look) => look !== null),
        )
      if (looks.length === 0) throw unknownGroup(groupId, null)
      const channels = await this.#channels(looks)
      return queueBacklog({ groupId, looks, channels, nowMs, missing: null })
    } catch (error) {
      if (!(error instanceof ShoalError) || error.code === 'SHOAL_UNKNOWN_GROUP') throw error
      const looks = await this.#looksByName(groupId)
      if (looks.length === 0) throw unknownGroup(groupId, error)
      const channels = new Map<string, ChannelFacts>()
      return queueBacklog({ groupId, looks, channels, nowMs, missing: error.message })
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#link.close()
  }

  async #everything() {
    const [queues, consumers, exchanges] = await Promise.all([
      this.#api.queueNames(),
      this.#api.consumers(),
      this.#api.hashExchanges(),
    ])
    return { queues, consumers, exchanges }
  }

  /** Null for a queue that went meanwhile. */
  async #look(queue: string, exchanges: ReadonlySet<string>): Promise<QueueLook | null> {
    const [facts, declared] = await Promise.all([this.#api.queue(queue), this.#declared(queue)])
    if (facts === null || declared === null) return null
    return { queue, ...placeOfQueue(queue, exchanges), ...declared, facts }
  }

  async #channels(looks: readonly QueueLook[]): Promise<ReadonlyMap<string, ChannelFacts>> {
    const names = new Set(
      looks.flatMap(({ facts }) => facts?.consumers ?? []).flatMap(({ channel }) => channel ?? []),
    )
    const channels = new Map<string, ChannelFacts>()
    for (const name of [...names].slice(0, MAX_CHANNELS)) {
      const channel = await this.#api.channel(name)
      if (channel !== null) channels.set(name, channel)
    }
    return channels
  }

  /** The queue of that name, or the shards of a topic, as far as AMQP tells. */
  async #looksByName(name: string): Promise<readonly QueueLook[]> {
    const whole = await this.#declared(name)
    if (whole !== null) return [{ queue: name, topic: name, partition: 0, ...whole, facts: null }]
    const looks: QueueLook[] = []
    for (let partition = 0; partition < MAX_SHARDS; partition++) {
      const queue = queueName(name, partition, MAX_SHARDS)
      const shard = await this.#declared(queue)
      if (shard === null) break
      looks.push({ queue, topic: name, partition, ...shard, facts: null })
    }
    return looks
  }

  async #declared(queue: string): Promise<Pick<QueueLook, 'ready' | 'consumerCount'> | null> {
    const answer = await passiveQueue(this.#link, queue)
    return answer === null
      ? null
      : { ready: answer.messageCount, consumerCount: answer.consumerCount }
  }
}

function managementUrlOf(amqpUrl: string, given: string | undefined): string {
  const amqp = new URL(amqpUrl)
  const isSecure = amqp.protocol === 'amqps:'
  const derived = `${isSecure ? 'https' : 'http'}://${amqp.hostname}:${isSecure ? 15_671 : 15_672}`
  if (given !== undefined && (!URL.canParse(given) || !/^https?:\/\//.test(given)))
    throw new ShoalError(
      'SHOAL_INVALID_ARGUMENT',
      'the management URL of RabbitMQ must be like http://localhost:15672',
    )
  const url = new URL(given ?? derived)
  if (url.username === '') {
    url.username = amqp.username
    url.password = amqp.password
  }
  return url.href
}

function vhostOf(amqpUrl: string): string {
  const path = new URL(amqpUrl).pathname.slice(1)
  return path === '' ? '/' : decodeURIComponent(path)
}

function unknownGroup(groupId: string, unasked: ShoalError | null): ShoalError {
  const more =
    unasked === null
      ? ', and no consumer says that it belongs to it'
      : `; which queues a group reads is told by the management API alone: ${unasked.message}`
  return new ShoalError(
    'SHOAL_UNKNOWN_GROUP',
    `group ${groupId} does not exist: there is no queue of this name${more}`,
    { details: { group: groupId }, ...(unasked === null ? {} : { cause: unasked }) },
  )
}
