/**
 * Connections to one Redis, shared by all members of the process that name the same address.
 *
 * One connection carries commands, one listens to channels; a read that waits at the server has one of its own, which
 * its member takes and gives back. ioredis connects, logs in and reconnects (with our backoff); nothing is queued while
 * it is away and nothing is sent twice behind our back: a request that failed is its caller's to repeat.
 */

import { createHash } from 'node:crypto'
import type { Redis as RedisClient } from 'ioredis'
import { ShoalError } from '../../core/index.ts'
import { backoffMs, retry, within } from '../backoff.ts'
import type { RedisSettings } from './options.ts'
import { redisError, troubleOf } from './redis-errors.ts'
import type { ScriptSource } from './scripts.ts'

export type Argument = string | number | Uint8Array

/** What a connection tells of its state. */
export interface LinkListener {
  connected(): void
  disconnected(reason: string): void
}

export class RedisLink {
  readonly #settings: RedisSettings
  readonly #Redis: typeof RedisClient
  readonly #commands: RedisClient
  readonly #channels: RedisClient
  readonly #listeners = new Map<string, Set<() => void>>()
  readonly #watchers = new Set<LinkListener>()
  readonly #hashes = new Map<string, string>()
  #uses = 0
  /** Why there is no connection, when there is none. */
  #lastError: Error | null = null

  private constructor(settings: RedisSettings, Redis: typeof RedisClient) {
    this.#settings = settings
    this.#Redis = Redis
    this.#commands = this.#connection('commands')
    this.#channels = this.#connection('channels')
    this.#channels.on('message', (channel: string) => {
      for (const wake of this.#listeners.get(channel) ?? []) wake()
    })
    this.#channels.on('ready', () => this.#listenAgain())
    this.#commands.on('ready', () => {
      this.#lastError = null
      for (const watcher of this.#watchers) watcher.connected()
    })
    this.#commands.on('close', () => {
      for (const watcher of this.#watchers) watcher.disconnected('the connection was closed')
    })
  }

  /** The process's link to this address, connected. Every `open` has its `close`. */
  static async open(settings: RedisSettings): Promise<RedisLink> {
    const Redis = await loadRedis()
    const known = links.get(settings.url)
    const link = known ?? new RedisLink(settings, Redis)
    links.set(settings.url, link)
    link.#uses++
    try {
      await link.#reach(settings)
      return link
    } catch (error) {
      link.close()
      throw error
    }
  }

  close(): void {
    if (--this.#uses > 0) return
    if (links.get(this.#settings.url) === this) links.delete(this.#settings.url)
    endConnection(this.#commands)
    endConnection(this.#channels)
  }

  watch(listener: LinkListener): () => void {
    this.#watchers.add(listener)
    return () => void this.#watchers.delete(listener)
  }

  /** Answers as Redis does, texts as bytes. Rejects with what ioredis says; `redis-errors.ts` knows what it means. */
  command(...[name, ...args]: [string, ...Argument[]]): Promise<unknown> {
    if (this.#commands.status !== 'ready' && this.#lastError !== null)
      return Promise.reject(this.#lastError)
    return this.#limited(this.#commands.callBuffer(name, args.map(sendable)))
  }

  async script(
    { name, keyCount, lua }: ScriptSource,
    ...args: readonly Argument[]
  ): Promise<unknown> {
    const hash = this.#hashes.get(name) ?? createHash('sha1').update(lua).digest('hex')
    this.#hashes.set(name, hash)
    try {
      return await this.command('EVALSHA', hash, keyCount, ...args)
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error
      return this.command('EVAL', lua, keyCount, ...args)
    }
  }

  /** Calls `wake` on every message of the channel, from the moment that the promise resolves. */
  async listen(channel: string, wake: () => void): Promise<() => void> {
    const wakes = this.#listeners.get(channel) ?? new Set()
    this.#listeners.set(channel, wakes)
    wakes.add(wake)
    await this.#limited(this.#channels.subscribe(channel))
    return () => void wakes.delete(wake)
  }

  /** On a new connection. Whoever listened missed what was said meanwhile: all are woken. */
  #listenAgain(): void {
    for (const [channel, wakes] of this.#listeners)
      this.#channels.subscribe(channel).then(
        () => {
          for (const wake of wakes) wake()
        },
        // The connection went again: the next one is told.
        () => {},
      )
  }

  /** A connection for reads that wait at the server. */
  waitingReads(): WaitingReads {
    return new WaitingReads(this.#connection('reads'), (id) =>
      this.command('CLIENT', 'UNBLOCK', id),
    )
  }

  async #reach(settings: RedisSettings): Promise<void> {
    const { bootstrapTimeoutMs: timeoutMs, ports, url } = settings
    try {
      await retry(
        ports,
        {
          timeoutMs,
          limits: limitsOf(settings),
          retriable: (error) => troubleOf(error) === 'away',
        },
        () => this.command('PING'),
      )
    } catch (error) {
      throw redisError(error, `redis at ${new URL(url).host}`)
    }
  }

  #connection(purpose: string): RedisClient {
    const { ports, url, connectTimeoutMs } = this.#settings
    const options = {
      // Replies as lists, whatever the server's version.
      protocol: 2 as const,
      connectTimeout: connectTimeoutMs,
      connectionName: `shoal-${purpose}`,
      enableOfflineQueue: purpose === 'channels',
      // What was under way when the connection went fails at once, instead of waiting for the next one.
      maxRetriesPerRequest: 0,
      autoResendUnfulfilledCommands: false,
      // ioredis would not look at what becomes of it, and a connection that goes meanwhile would end the process.
      autoResubscribe: false,
      retryStrategy: (times: number) =>
        ended.has(client) ? null : backoffMs(times, limitsOf(this.#settings), ports.random),
    }
    const client: RedisClient = new this.#Redis(url, options)
    // What is lost is told by the commands that fail, and by `close`.
    client.on('error', (error: Error) => {
      this.#lastError = error
      ports.logger.log('debug', 'redis connection', { purpose, error: error.message })
    })
    return client
  }

  #limited<Value>(answer: Promise<Value>): Promise<Value> {
    const { ports, requestTimeoutMs } = this.#settings
    return within(
      ports.timers,
      requestTimeoutMs,
      answer,
      () =>
        new ShoalError(
          'SHOAL_REQUEST_TIMEOUT',
          `redis did not answer within ${requestTimeoutMs} ms`,
        ),
    )
  }
}

/** A read is never so many round trips behind the word that ends it: what still does not wait has ended, or never arrives. */
const MOST_TRIES = 100

/** One read at a time that waits at the server, and can be told not to. */
export class WaitingReads {
  readonly #client: Pick<RedisClient, 'on' | 'client' | 'callBuffer' | 'disconnect'>
  readonly #unblock: (id: number) => Promise<unknown>
  /** The server's name for the connection; null while there is none. */
  #id: number | null = null
  #underWay = 0
  #interruptions = 0

  constructor(
    client: Pick<RedisClient, 'on' | 'client' | 'callBuffer' | 'disconnect'>,
    unblock: (id: number) => Promise<unknown>,
  ) {
    this.#client = client
    this.#unblock = unblock
    client.on('close', () => (this.#id = null))
  }

  /** True when one of the streams has something after its id. Rejects when the connection is away. */
  async somethingAfter(
    positions: readonly { readonly stream: string; readonly id: string }[],
    blockMs: number,
  ): Promise<boolean> {
    const streams = positions.map(({ stream }) => stream)
    const ids = positions.map(({ id }) => id)
    const args = ['COUNT', 1, 'BLOCK', blockMs, 'STREAMS', ...streams, ...ids]
    return (await this.command('XREAD', args)) !== null
  }

  /** A command that may wait at the server; answers as Redis does, texts as bytes; null when it was interrupted. */
  async command(name: string, args: readonly (string | number)[]): Promise<unknown> {
    const interruptions = this.#interruptions
    this.#id ??= await this.#client.client('ID')
    if (interruptions !== this.#interruptions) return null
    this.#underWay++
    try {
      return await this.#client.callBuffer(name, [...args])
    } finally {
      this.#underWay--
    }
  }

  /** Ends a read that waits, or is on its way to: it goes by another connection than this word. Harmless when none does. */
  async interrupt(): Promise<void> {
    this.#interruptions++
    for (let tries = 0; tries < MOST_TRIES && this.#underWay > 0 && this.#id !== null; tries++)
      if ((await this.#unblock(this.#id)) !== 0) return
  }

  close(): void {
    endConnection(this.#client)
  }
}

const links = new Map<string, RedisLink>()

const ended = new WeakSet<object>()

/**
 * For good: while a server loads its data ioredis asks it every second whether it is ready, and begins anew when it goes
 * meanwhile, also after `disconnect`.
 */
function endConnection(client: Pick<RedisClient, 'disconnect'>): void {
  ended.add(client)
  client.disconnect()
}

function limitsOf({ reconnectBackoffMs, reconnectBackoffMaxMs }: RedisSettings): {
  firstMs: number
  longestMs: number
} {
  return { firstMs: reconnectBackoffMs, longestMs: reconnectBackoffMaxMs }
}

function sendable(argument: Argument): string | number | Buffer {
  if (!(argument instanceof Uint8Array)) return argument
  return Buffer.from(argument.buffer, argument.byteOffset, argument.byteLength)
}

/** ioredis is the application's to install: who reads from Kafka alone does without. */
async function loadRedis(): Promise<typeof RedisClient> {
  try {
    return (await import('ioredis')).Redis
  } catch (cause) {
    throw new ShoalError(
      'SHOAL_INVALID_ARGUMENT',
      'redisStreams() needs the package ioredis: npm install ioredis',
      { cause },
    )
  }
}
