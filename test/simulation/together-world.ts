/**
 * The runtime and the coordinator in one world: real consumers over the real Kafka source, and a real broker with its real
 * groups, on one virtual clock and one simulated network.
 *
 * Each seed draws its own shape and faults: members that join, stop, crash, or stand cut off from the broker for longer than
 * their session; connections that break; records that fail. Then the faults end and everything must be done and committed.
 * Watched from outside: what handlers began and ended, and what the broker says is committed.
 */

import { SimNetwork, VirtualClock, randomBelow, seededRandom } from '../../src/core/index.ts'
import type { Address, Connection, Network, Random, SimLink } from '../../src/core/index.ts'
import { Broker } from '../../src/broker/index.ts'
import { consumerWith } from '../../src/consumer/consumer.ts'
import type { EngineParts } from '../../src/consumer/engine-parts.ts'
import { telemetry } from '../../src/consumer/index.ts'
import type { Ctx, EndEvent, Running } from '../../src/consumer/index.ts'
import {
  KafkaClient,
  KafkaProducer,
  NetworkTransport,
  committedOffsets,
  kafka,
} from '../../src/sources/kafka/index.ts'
import { mortalTimers } from './mortal-timers.ts'
import { TogetherChecker } from './together-checker.ts'

const TOPIC = 'orders'
const LETTERS = 'orders.dlq'
const FAULTS_FOR_MS = 20_000
const CALM_FOR_MS = 900_000
const SESSION_MS = 6_000

interface Member {
  readonly name: string
  readonly links: SimLink[]
  running: Running | null
  state: 'alive' | 'crashed' | 'stopping' | 'stopped'
  /** Cut off at some time: another member may have had its partitions meanwhile. */
  wasAway: boolean
  isFrozen: boolean
}

export interface TogetherResult {
  readonly violations: readonly string[]
  readonly executions: number
  readonly actions: Readonly<Record<string, number>>
}

export async function simulateTogether(seed: number, parts: EngineParts): Promise<TogetherResult> {
  const world = new World(seed, parts)
  await world.run()
  const { violations, executions } = world.checker
  return { violations, executions, actions: world.actions }
}

class World {
  readonly #random: Random
  readonly #parts: EngineParts
  readonly #clock = new VirtualClock({ settle: turn })
  readonly #network: SimNetwork
  readonly #group: string
  readonly checker = new TogetherChecker()
  readonly actions: Record<string, number> = {}
  readonly #members: Member[] = []
  readonly #plans = new Map<string, 'ok' | 'flaky' | 'poison'>()
  readonly #partitionCount: number
  readonly #protocol: 'classic' | 'consumer'
  readonly #assignors: readonly string[]
  readonly #swarm: Readonly<Record<'failing' | 'slow' | 'members' | 'links', number>>
  #broker: Broker | null = null
  #client: KafkaClient | null = null
  #producer: KafkaProducer | null = null
  #names = 0

  constructor(seed: number, parts: EngineParts) {
    this.#random = seededRandom(seed)
    this.#parts = parts
    this.#group = `together-${seed}`
    this.#network = new SimNetwork({ timers: this.#clock, random: this.#random })
    const chance = () => (this.#below(4) === 0 ? 0 : this.#random.next())
    this.#swarm = { failing: chance(), slow: chance(), members: chance(), links: chance() }
    this.#partitionCount = 1 + this.#below(3)
    this.#protocol = this.#below(2) === 0 ? 'consumer' : 'classic'
    this.#assignors = this.#below(2) === 0 ? ['cooperative-sticky'] : ['range']
  }

  async run(): Promise<void> {
    const group = this.#group
    const ended = ({ group: whose, how, topic, partition, offset }: EndEvent) => {
      if (whose === group && how === 'deadLettered')
        this.checker.done(`${topic}/${partition}`, offset)
    }
    telemetry.end.subscribe(ended)
    try {
      await this.#until(this.#open())
      await this.#trouble()
      await this.#calm()
    } finally {
      telemetry.end.unsubscribe(ended)
      await this.#close()
    }
  }

  // --- the story ---

  async #open(): Promise<void> {
    const ports = { clock: this.#clock, timers: this.#clock, random: this.#random }
    this.#broker = await Broker.open({
      data: null,
      kafka: { host: '127.0.0.1', port: 0 },
      network: this.#network,
      settings: {
        'num.partitions': String(this.#partitionCount),
        'auto.create.topics.enable': 'true',
        'group.initial.rebalance.delay.ms': '0',
        'group.consumer.min.heartbeat.interval.ms': '100',
        'group.consumer.heartbeat.interval.ms': '300',
        'group.consumer.session.timeout.ms': String(SESSION_MS),
        'group.consumer.min.session.timeout.ms': '1000',
        'group.consumer.assignment.interval.ms': '0',
      },
      ...ports,
    })
    const transport = new NetworkTransport(this.#network)
    this.#client = await KafkaClient.open({ brokers: this.#bootstrap }, { ...ports, transport })
    this.#producer = new KafkaProducer(this.#client, { lingerMs: 0 })
    for (let partition = 0; partition < this.#partitionCount; partition++)
      await this.#produce(partition)
  }

  async #trouble(): Promise<void> {
    this.#join()
    const endMs = this.#clock.monotonicMs() + FAULTS_FOR_MS
    while (this.#clock.monotonicMs() < endMs && this.checker.isFine) {
      for (let left = this.#below(6); left > 0; left--)
        void this.#produce(this.#below(this.#partitionCount))
      this.#changeMembers()
      this.#breakLinks()
      await this.#clock.advance(this.#below(600))
      await this.#look()
    }
  }

  async #calm(): Promise<void> {
    for (const member of this.#members) this.#thaw(member)
    if (!this.#members.some(({ state }) => state === 'alive')) this.#join()
    const endMs = this.#clock.monotonicMs() + CALM_FOR_MS
    while (this.checker.isFine && !this.checker.isComplete && this.#clock.monotonicMs() < endMs) {
      await this.#clock.advance(1_000)
      await this.#look()
    }
    if (this.checker.isFine && !this.checker.isComplete)
      this.checker.violation(
        `C15: not done ${CALM_FOR_MS} ms after the last fault: ${this.checker.missing()}; ${this.#members.map(({ name, state, running }) => `${name} ${state} ${running?.health().reasons.join()}`).join(', ')}`,
      )
  }

  async #close(): Promise<void> {
    for (const member of this.#members) {
      if (member.state === 'alive') this.#stop(member)
      if (member.state === 'crashed') for (const link of member.links) link.cut()
    }
    const endMs = this.#clock.monotonicMs() + CALM_FOR_MS
    while (
      this.#members.some(({ state }) => state === 'stopping') &&
      this.#clock.monotonicMs() < endMs
    )
      await this.#clock.advance(1_000)
    if (this.#members.some(({ state }) => state === 'stopping'))
      this.checker.violation('C10: a member did not stop')
    await this.#until(this.#closeBroker())
  }

  async #closeBroker(): Promise<void> {
    await this.#producer?.abort()
    await this.#client?.close()
    await this.#broker?.close()
  }

  // --- what happens ---

  async #produce(partition: number): Promise<void> {
    const key = this.#below(4)
    const plan = this.#random.next() < this.#swarm.failing * 0.3 ? this.#below(2) : 2
    const sent = await this.#producer?.send({
      topic: TOPIC,
      partition,
      key: Uint8Array.of(key),
      value: Uint8Array.of(plan),
      headers: [],
    })
    if (sent === undefined) return
    const id = `${TOPIC}/${partition}`
    this.#plans.set(`${id}/${sent.offset}`, (['flaky', 'poison', 'ok'] as const)[plan] ?? 'ok')
    this.checker.produced(id, sent.offset, key)
  }

  /** What the broker says is committed. */
  async #look(): Promise<void> {
    const partitions = Array.from({ length: this.#partitionCount }, (_, partition) => ({
      topic: TOPIC,
      partition,
    }))
    const client = this.#client
    if (client === null) return
    const found = await this.#until(
      client.retrying(() => committedOffsets(client, this.#group, partitions)),
    )
    for (const [key, { offset }] of found)
      this.checker.committed(`${TOPIC}/${Number.parseInt(key, 10)}`, offset)
  }

  #changeMembers(): void {
    if (this.#random.next() >= this.#swarm.members * 0.25) return
    const alive = this.#members.filter(({ state }) => state === 'alive')
    const member = alive[this.#below(alive.length)]
    const kind = this.#below(3)
    if (member === undefined || (kind === 0 && alive.length < 3)) this.#join()
    else if (kind === 1) this.#stop(member)
    else this.#crash(member)
  }

  #breakLinks(): void {
    if (this.#random.next() >= this.#swarm.links * 0.3) return
    const alive = this.#members.filter(({ state }) => state === 'alive')
    const member = alive[this.#below(alive.length)]
    if (member === undefined) return
    if (this.#below(2) === 0) {
      this.#count('cut')
      for (const link of member.links) link.cut()
      return
    }
    // A zombie: nothing reaches it for a while, maybe for longer than its session.
    this.#count('freeze')
    member.wasAway = true
    member.isFrozen = true
    for (const link of member.links) link.freeze()
    this.#clock.schedule(this.#below(SESSION_MS * 2), () => this.#thaw(member))
  }

  #thaw(member: Member): void {
    member.isFrozen = false
    for (const link of member.links) link.thaw()
  }

  #join(): void {
    this.#count('join')
    const member: Member = {
      name: `m${this.#names++}`,
      links: [],
      running: null,
      state: 'alive',
      wasAway: false,
      isFrozen: false,
    }
    this.#members.push(member)
    const timers = mortalTimers(this.#clock, () => member.state === 'crashed')
    const ports = { clock: this.#clock, timers, random: this.#random }
    const transport = new NetworkTransport(this.#networkOf(member))
    const source = kafka(
      {
        brokers: this.#bootstrap,
        topics: [TOPIC],
        groupProtocol: this.#protocol,
        ...(this.#protocol === 'classic' ? { assignors: this.#assignors as ['range'] } : {}),
        sessionTimeoutMs: SESSION_MS,
        heartbeatIntervalMs: 300,
        requestTimeoutMs: 3_000,
      },
      { ...ports, transport },
    )
    consumerWith(
      {
        group: this.#group,
        source,
        concurrency: 1 + this.#below(6),
        retry: { attempts: 3, backoff: { kind: 'exponential', base: 100, max: 1_000 } },
        deadLetter: LETTERS,
        commit: { every: 200 + this.#below(800), records: 1 + this.#below(30) },
        rebalance: { drain: this.#below(2_500) },
        shutdown: { drain: this.#below(2_500) },
        handle: (_: unknown, ctx: Ctx) => this.#handle(member, ctx),
        ...ports,
      },
      this.#parts,
    )
      .start()
      .then(
        (running) => {
          member.running = running
          running.finished.catch((error: unknown) => {
            if (member.state !== 'crashed')
              this.checker.violation(`${member.name} failed: ${String(error)}`)
          })
          if (member.state === 'stopping')
            void running.drain().then(() => void (member.state = 'stopped'))
        },
        () => {
          // Cut off before it was in: another one joins in its place.
          this.#count('never in')
          if (member.state !== 'crashed') member.state = 'stopped'
        },
      )
  }

  #stop(member: Member): void {
    this.#count('stop')
    member.state = 'stopping'
    void member.running?.drain().then(() => void (member.state = 'stopped'))
  }

  #crash(member: Member): void {
    this.#count('crash')
    member.state = 'crashed'
    for (const link of member.links) link.cut()
  }

  #handle(member: Member, ctx: Ctx): void | Promise<void> {
    const isCrashed = () => member.state === 'crashed'
    if (isCrashed()) return new Promise(() => {})
    const execution = {
      member: member.name,
      partition: `${ctx.topic}/${ctx.partition}`,
      offset: ctx.offset,
      key: ctx.keyBytes?.[0] ?? 0,
      isOver: () => isCrashed() || member.wasAway || ctx.signal.aborted,
    }
    this.checker.began(execution)
    const finish = () => {
      const plan = this.#plans.get(`${execution.partition}/${execution.offset}`) ?? 'ok'
      const fails = plan === 'poison' || (plan === 'flaky' && ctx.attempt < 2)
      this.checker.ended(execution, !fails && !isCrashed() && !ctx.signal.aborted)
      if (fails) throw new TypeError('simulated')
    }
    if (this.#random.next() > this.#swarm.slow) return finish()
    return new Promise<void>((resolve) => {
      this.#clock.schedule(this.#below(1_500), resolve)
    }).then(finish)
  }

  // --- small things ---

  #networkOf(member: Member): Network {
    const network = this.#network
    return {
      listen: (address: Address, onConnection: (connection: Connection) => void) =>
        network.listen(address, onConnection),
      connect: async (address: Address) => {
        if (member.state === 'crashed') return new Promise<Connection>(() => {})
        const connection = await network.connect(address, { latencyMs: this.#below(30) })
        const link = network.links.find(({ client }) => client === connection)
        if (link === undefined) return connection
        member.links.push(link)
        if (member.isFrozen) link.freeze()
        if (this.#hasCrashed(member)) link.cut()
        return connection
      },
    }
  }

  #hasCrashed({ state }: Member): boolean {
    return state === 'crashed'
  }

  get #bootstrap(): string {
    const { host = '', port = 0 } = this.#broker?.kafkaAddress ?? {}
    return `${host}:${port}`
  }

  async #until<T>(work: Promise<T>): Promise<T> {
    const state = { isSettled: false }
    const mark = () => void (state.isSettled = true)
    work.then(mark, mark)
    while (!state.isSettled) await this.#clock.advance(Math.max(0.01, this.#clock.nextDelayMs ?? 1))
    return work
  }

  #count(action: string): void {
    this.actions[action] = (this.actions[action] ?? 0) + 1
  }

  #below(bound: number): number {
    return randomBelow(this.#random, bound)
  }
}

/** One turn of the event loop: whatever can settle has settled. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}
