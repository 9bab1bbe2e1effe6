/**
 * Members of consumer groups of every kind behind one face, for tests that let them come, go and die.
 *
 *   eager, cooperative   Shoal's runtime by the classic protocol, in this process; killing it cuts its connections, so that
 *                        nothing is said to anybody any more
 *   consumer             the same by KIP-848
 *   librdkafka           librdkafka 2.16.1 by KIP-848, a process each; killing it is SIGKILL
 *
 * Each tells a journal what it owns, and a listener what it processed, when.
 */

import { consumer as declare } from 'shoal'
import type { Running } from 'shoal'
import { kafka } from 'shoal/kafka'
import type { KafkaAssignorName, KafkaSourceOptions } from 'shoal/kafka'
import type { LogFields } from '../../src/core/index.ts'
import { consumerGroupHeartbeat, leaveGroup } from '../../src/protocol/index.ts'
import type { EncodedRequest } from '../../src/sources/kafka/index.ts'
import { CuttableTransport } from './cuttable-transport.ts'
import { Member as PythonMember } from '../seeds/member.ts'
import type { OwnershipJournal } from './ownership-journal.ts'

export const kinds = ['eager', 'cooperative', 'consumer', 'librdkafka'] as const
export type MemberKind = (typeof kinds)[number]

export interface Place {
  readonly bootstrap: string
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
  #running: Running | null = null
  #isAlive = true
  identity: Identity | null = null

  private constructor(name: string, place: Place) {
    this.name = name
    this.#place = place
    this.#transport = new CuttableTransport((request) => {
      if (isLeave(request)) this.#end()
    })
  }

  static async start(
    name: string,
    place: Place,
    protocol: Partial<KafkaSourceOptions>,
  ): Promise<RuntimeMember> {
    const member = new RuntimeMember(name, place)
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
    if (message === 'source: joined')
      this.identity = {
        memberId: String(fields['memberId']),
        generation: Number(fields['generation']),
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
    await this.#ended()
  }

  async kill(): Promise<void> {
    await this.#program.crash()
    await this.#ended()
  }

  async #ended(): Promise<void> {
    await this.#watching
    this.#place.journal.gone(this.name, Date.now())
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
