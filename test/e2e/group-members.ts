/**
 * Members of consumer groups of every kind behind one face, for tests that let them come, go and die.
 *
 *   eager, cooperative   Shoal's runtime by the classic protocol, in this process; killing it cuts its connections, so that
 *                        nothing is said to anybody any more
 *   consumer             the same by KIP-848
 *   http                 `shoal/client` over the HTTP API, in this process; killing it makes every request of it fail
 *   librdkafka           librdkafka 2.16.1 by KIP-848, a process each; killing it is SIGKILL
 *
 * Each tells a journal what it owns, and a listener what it processed, when.
 */

import { consumer as declare } from 'shoal'
import type { Running } from 'shoal'
import { newConsumer } from 'shoal/client'
import type { PollingConsumer, Rebalance } from 'shoal/client'
import { kafka } from 'shoal/kafka'
import type { KafkaAssignorName, KafkaSourceOptions } from 'shoal/kafka'
import { ShoalError } from '../../src/core/index.ts'
import type { LogFields } from '../../src/core/index.ts'
import type { FetchPort } from '../../src/http/index.ts'
import { consumerGroupHeartbeat, leaveGroup } from '../../src/protocol/index.ts'
import type { EncodedRequest } from '../../src/sources/kafka/index.ts'
import { CuttableTransport } from './cuttable-transport.ts'
import { Member as PythonMember } from '../seeds/member.ts'
import type { OwnershipJournal } from './ownership-journal.ts'

export const kinds = ['eager', 'cooperative', 'consumer', 'http', 'librdkafka'] as const
export type MemberKind = (typeof kinds)[number]

export interface Place {
  readonly bootstrap: string
  /** Of the HTTP API, which `http` needs. */
  readonly url?: string
  readonly group: string
  readonly topic: string
  readonly sessionTimeoutMs: number
  readonly heartbeatIntervalMs: number
  /** Foreign clients: `each` record synchronously before the next, or by their own interval. */
  readonly commit: 'each' | 'interval'
  readonly journal: OwnershipJournal
  readonly processed: (member: string, partition: number, offset: number, atMs: number) => void
}

/** What a fenced member would commit with. */
export interface Identity {
  readonly memberId: string
  readonly generation: number
}

export interface GroupMember {
  readonly name: string
  /** Who it is in the group, where it knows; the others are found by their name, which is their client id. */
  readonly identity: Identity | null
  leave(): Promise<void>
  kill(): Promise<void>
}

export async function startMember(
  kind: MemberKind,
  name: string,
  place: Place,
): Promise<GroupMember> {
  switch (kind) {
    case 'eager':
      return RuntimeMember.start(name, place, classic(place, 'range'))
    case 'cooperative':
      return RuntimeMember.start(name, place, classic(place, 'cooperative-sticky'))
    case 'consumer':
      return RuntimeMember.start(name, place, { groupProtocol: 'consumer' })
    case 'http':
      return HttpMember.start(name, place)
    case 'librdkafka':
      return new LibrdkafkaMember(name, place)
  }
}

function classic(
  { sessionTimeoutMs, heartbeatIntervalMs }: Place,
  assignor: KafkaAssignorName,
): Partial<KafkaSourceOptions> {
  return { groupProtocol: 'classic', assignors: [assignor], sessionTimeoutMs, heartbeatIntervalMs }
}

class RuntimeMember implements GroupMember {
  readonly name: string
  readonly #place: Place
  readonly #transport: CuttableTransport
  readonly #isClassic: boolean
  #running: Running | null = null
  #isAlive = true
  identity: Identity | null = null

  private constructor(name: string, place: Place, isClassic: boolean) {
    this.name = name
    this.#place = place
    this.#isClassic = isClassic
    this.#transport = new CuttableTransport((request) => {
      if (isLeave(request)) this.#end()
    })
  }

  static async start(
    name: string,
    place: Place,
    protocol: Partial<KafkaSourceOptions>,
  ): Promise<RuntimeMember> {
    const member = new RuntimeMember(name, place, protocol.groupProtocol === 'classic')
    const { bootstrap, topic, group } = place
    const source = kafka(
      {
        brokers: bootstrap,
        topics: [topic],
        clientId: name,
        ...protocol,
        fetch: { maxWaitMs: 100 },
      },
      { transport: member.#transport },
    )
    const app = declare({
      group,
      source,
      order: 'partition',
      commit: { every: 200 },
      logger: { log: (_, message, fields = {}) => member.#heard(message, fields) },
      handle: (_, { partition, offset }) => member.#handled(partition, offset),
    })
    member.#running = await app.start()
    return member
  }

  async leave(): Promise<void> {
    await this.#running?.drain('10s')
    this.#end()
  }

  async kill(): Promise<void> {
    this.#end()
    this.#transport.cut()
    // What is left of it in this process may end when it likes: nobody hears of it.
    void this.#running?.drain(0)
  }

  #end(): void {
    if (this.#isAlive) this.#place.journal.gone(this.name, Date.now())
    this.#isAlive = false
  }

  #handled(partition: number, offset: number): void {
    if (this.#isAlive) this.#place.processed(this.name, partition, offset, Date.now())
  }

  #heard(message: string, fields: LogFields): void {
    if (!this.#isAlive) return
    const { journal } = this.#place
    if (message === 'source: joined') {
      const generation = Number(fields['generation'])
      this.identity = { memberId: String(fields['memberId']), generation }
      if (this.#isClassic) journal.joined(this.name, generation, Date.now())
    }
    const [, what] = /^partitions (assigned|released|lost)$/.exec(message) ?? []
    if (what === undefined) return
    const partitions = (fields['partitions'] as readonly string[]).map((id) =>
      Number(id.slice(id.lastIndexOf('/') + 1)),
    )
    if (what === 'assigned') journal.assigned(this.name, partitions, Date.now())
    else journal.ended(this.name, partitions, what === 'lost' ? 'lost' : 'revoked', Date.now())
  }
}

/** LeaveGroup, or a ConsumerGroupHeartbeat with the epoch -1. */
function isLeave({ apiKey, body }: EncodedRequest): boolean {
  if (apiKey === leaveGroup.key) return true
  if (apiKey !== consumerGroupHeartbeat.key) return false
  const bytes = Buffer.concat(body)
  // Two short texts, each after a byte with its length and one, then the epoch.
  const afterGroup = bytes[0]!
  const afterMember = afterGroup + bytes[afterGroup]!
  return bytes.readInt32BE(afterMember) === -1
}

class HttpMember implements GroupMember {
  readonly name: string
  readonly #place: Place
  readonly #killed = new AbortController()
  #consumer: PollingConsumer | null = null
  #working: Promise<void> = Promise.resolve()
  #isAlive = true
  #generation = -1

  private constructor(name: string, place: Place) {
    this.name = name
    this.#place = place
  }

  static async start(name: string, place: Place): Promise<HttpMember> {
    const member = new HttpMember(name, place)
    const { url = '', group, topic, sessionTimeoutMs, heartbeatIntervalMs } = place
    member.#consumer = await newConsumer(
      {
        brokers: url,
        groupId: group,
        topics: [topic],
        memberId: name,
        autoCommit: false,
        sessionTimeout: sessionTimeoutMs,
        heartbeatInterval: heartbeatIntervalMs,
        requestTimeout: '1m',
        onRebalance: (rebalance) => member.#heard(rebalance),
      },
      { fetch: (asked, init) => member.#fetch(asked, init) },
    )
    member.#working = member.#work(member.#consumer)
    return member
  }

  get identity(): Identity | null {
    return this.#generation < 0 ? null : { memberId: this.name, generation: this.#generation }
  }

  async leave(): Promise<void> {
    await this.#consumer?.close()
    this.#end()
    await this.#working
  }

  async kill(): Promise<void> {
    this.#end()
    this.#killed.abort(new TypeError('fetch failed'))
    void this.#consumer?.close()
    await this.#working
  }

  async #work(consumer: PollingConsumer): Promise<void> {
    while (this.#isAlive)
      try {
        const messages = await consumer.poll({ max: 100, timeout: '1s' })
        for (const { partition, offset } of messages) this.#handled(partition, offset)
        if (messages.length > 0) await consumer.ack(messages)
      } catch (error) {
        // A partition that was lost meanwhile, or the end.
        if (this.#isAlive && !isShoalError(error, 'SHOAL_PARTITION_LOST', 'SHOAL_CLOSED'))
          throw error
      }
  }

  /** A process that was killed sends nothing and hears nothing. */
  async #fetch(...[url, init]: Parameters<FetchPort>): ReturnType<FetchPort> {
    this.#killed.signal.throwIfAborted()
    if (url.endsWith('/leave')) this.#end()
    const signals = [this.#killed.signal, init.signal].filter((signal) => signal !== undefined)
    return fetch(url, { ...init, signal: AbortSignal.any(signals) })
  }

  #heard({ kind, partitions, generation }: Rebalance): void {
    if (generation !== null) this.#generation = generation
    if (!this.#isAlive) return
    const { journal } = this.#place
    const numbers = partitions.map(({ partition }) => partition)
    if (kind === 'assigned') journal.assigned(this.name, numbers, Date.now())
    else journal.ended(this.name, numbers, kind, Date.now())
  }

  #handled(partition: number, offset: number): void {
    if (this.#isAlive) this.#place.processed(this.name, partition, offset, Date.now())
  }

  #end(): void {
    if (this.#isAlive) this.#place.journal.gone(this.name, Date.now())
    this.#isAlive = false
  }
}

function isShoalError(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof ShoalError && codes.includes(error.code)
}

class LibrdkafkaMember implements GroupMember {
  readonly name: string
  readonly identity: null = null
  readonly #place: Place
  readonly #program: PythonMember
  readonly #watching: Promise<void>
  #seen = 0

  constructor(name: string, place: Place) {
    this.name = name
    this.#place = place
    const conf = {
      'bootstrap.servers': place.bootstrap,
      'group.id': place.group,
      'client.id': name,
      'group.protocol': 'consumer',
      'auto.offset.reset': 'earliest',
      'enable.auto.commit': place.commit === 'interval',
      'auto.commit.interval.ms': 200,
      'fetch.wait.max.ms': 100,
    }
    const commit = place.commit === 'each' ? 'each' : 'none'
    this.#program = new PythonMember('2.16.1', { conf, topics: [place.topic], commit })
    this.#watching = this.#watch()
  }

  async leave(): Promise<void> {
    await this.#program.close()
    await this.#watching
    this.#place.journal.gone(this.name, Date.now())
  }

  /** It owns nothing from the signal on, however late its end is heard of here. */
  async kill(): Promise<void> {
    const killedMs = Date.now()
    await this.#program.crash()
    await this.#watching
    this.#place.journal.gone(this.name, killedMs)
  }

  /** Reads its events as they come, to its end. */
  async #watch(): Promise<void> {
    const isOver = () => this.#program.events.some(({ event }) => event === 'closed')
    try {
      while (!isOver()) {
        await this.#program.until((events) => events.length > this.#seen, 600_000)
        this.#read()
      }
    } catch {
      // It was killed: what it wrote before counts.
      this.#read()
    }
  }

  #read(): void {
    const { journal, processed } = this.#place
    const { events } = this.#program
    for (; this.#seen < events.length; this.#seen++) {
      const { event, at, partitions = [], partition = -1, offset = -1 } = events[this.#seen]!
      const numbers = partitions.map(([, number]) => number)
      const atMs = at * 1_000
      if (event === 'assign') journal.assigned(this.name, numbers, atMs)
      else if (event === 'revoke') journal.ended(this.name, numbers, 'revoked', atMs)
      else if (event === 'lost') journal.ended(this.name, numbers, 'lost', atMs)
      else if (event === 'message') processed(this.name, partition, offset, atMs)
    }
  }
}
