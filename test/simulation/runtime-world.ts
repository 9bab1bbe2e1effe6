/**
 * A group of consumers over the memory broker in virtual time, with everything going wrong that a seed asks for.
 *
 * Each seed draws its own shape and its own faults (some of them none): records that fail, handlers that are slow, sync,
 * or deaf to their signal; members that join, leave, crash, expire, stall; partitions that are taken and given back;
 * commits and dead letters that are refused, lost or answered late. Then faults end and everything must be done.
 */

import { VirtualClock, randomBelow, seededRandom } from '../../src/core/index.ts'
import type { Random } from '../../src/core/index.ts'
import { consumerWith } from '../../src/consumer/consumer.ts'
import type { EngineParts } from '../../src/consumer/engine-parts.ts'
import { MemoryBroker } from '../../src/consumer/index.ts'
import type { Ctx, MemoryFault, Outcome, Running } from '../../src/consumer/index.ts'
import { mortalTimers } from './mortal-timers.ts'
import { RuntimeChecker } from './runtime-checker.ts'
import type { Execution } from './runtime-checker.ts'

const TOPIC = 'orders'
const LETTERS = 'orders.dlq'
const PARKED = 'billing.orders.parked'
const GROUP = 'billing'
const FAULTS_FOR_MS = 20_000
/** A parked key of some hundred records that fails at times takes ten minutes of it. */
const CALM_FOR_MS = 1_200_000
const BATCH = 8
const FRESHNESS_MS = 50

type Plan = 'ok' | 'flaky' | 'poison' | 'skip' | 'dead-letter' | 'ask-retry' | 'invalid'

interface Member {
  readonly name: string
  readonly running: Running
  state: 'alive' | 'crashed' | 'stopping' | 'stopped'
  memberId: string
  /** When its session last timed out at the broker: what it had begun before is a zombie's. */
  expiredMs: number
  /** Since when its ownership has been in doubt. */
  doubtMs: number | null
}

export interface SimulationResult {
  readonly violations: readonly string[]
  readonly executions: number
  readonly commits: number
  readonly actions: Readonly<Record<string, number>>
}

export async function simulate(seed: number, parts: EngineParts): Promise<SimulationResult> {
  const world = new World(seed, parts)
  await world.run()
  return {
    violations: world.checker.violations,
    executions: world.checker.executions,
    commits: world.checker.commits,
    actions: world.actions,
  }
}

class World {
  readonly #random: Random
  readonly #parts: EngineParts
  readonly #clock: VirtualClock
  readonly #broker: MemoryBroker
  readonly checker: RuntimeChecker
  readonly actions: Record<string, number> = {}
  readonly #members: Member[] = []
  readonly #plans = new Map<string, Plan>()
  readonly #partitionCount: number
  readonly #concurrency: number
  readonly #keyCount: number
  readonly #order: 'key' | 'partition'
  readonly #parks: boolean
  readonly #memory: boolean | { readonly maxLength: number; readonly whenFull: 'pause' | 'forget' }
  readonly #limits: { readonly records: number; readonly perPartition: number }
  /** How likely each kind of trouble is in this seed. */
  readonly #swarm: Readonly<
    Record<
      'failing' | 'slow' | 'deaf' | 'commit' | 'letter' | 'members' | 'churn' | 'stall',
      number
    >
  >
  #faulty = true
  #names = 0

  constructor(seed: number, parts: EngineParts) {
    this.#random = seededRandom(seed)
    this.#parts = parts
    this.#clock = new VirtualClock({ settle: turn })
    const chance = () => (this.#below(3) === 0 ? 0 : this.#random.next())
    this.#swarm = {
      failing: chance(),
      slow: chance(),
      deaf: chance() / 4,
      commit: chance() / 2,
      letter: chance(),
      members: chance(),
      churn: chance(),
      stall: chance() / 2,
    }
    this.#partitionCount = 1 + this.#below(3)
    this.#concurrency = 1 + this.#below(8)
    this.#keyCount = 1 + this.#below(6)
    this.#order = this.#below(4) === 0 ? 'partition' : 'key'
    this.#parks = this.#below(3) === 0
    const whenFull = this.#below(2) === 0 ? 'pause' : 'forget'
    this.#memory =
      [true, false, { maxLength: 64 + this.#below(30), whenFull } as const][this.#below(3)] ?? true
    this.#limits = { records: 20 + this.#below(60), perPartition: 10 + this.#below(30) }
    this.#broker = new MemoryBroker({
      clock: this.#clock,
      timers: this.#clock,
      rebalanceTimeoutMs: 500 + this.#below(8_000),
    })
    this.checker = new RuntimeChecker(this.#broker, {
      records: TOPIC,
      deadLetters: LETTERS,
      parked: PARKED,
    })
    this.#broker.createTopic(TOPIC, this.#partitionCount)
    this.#broker.createTopic(LETTERS, 1)
    this.#broker.createTopic(PARKED, this.#partitionCount)
    this.#broker.onCommit = (commit) => this.checker.committed(commit)
    this.#broker.faults.commit = () => this.#fault(this.#swarm.commit)
    this.#broker.faults.read = () => this.#fault(this.#swarm.letter / 2)
    this.#broker.faults.produce = () => this.#fault(this.#swarm.letter)
  }

  async run(): Promise<void> {
    await this.#join()
    const endMs = this.#clock.monotonicMs() + FAULTS_FOR_MS
    while (this.#clock.monotonicMs() < endMs && this.#isFine()) {
      await this.#act()
      await this.#clock.advance(this.#below(400))
    }
    this.#faulty = false
    for (const member of this.#members) this.#setFresh(member, true)
    if (!this.#members.some(({ state }) => state === 'alive')) await this.#join()
    await this.#until(() => this.checker.converged())
    if (this.#isFine() && !this.checker.converged())
      this.checker.violations.push(
        `C15: not done after ${CALM_FOR_MS} ms without faults: ${this.checker.missing().slice(0, 5).join(', ')}; ${this.#members.map((member) => `${member.name} ${member.memberId} ${member.state} ${JSON.stringify({ ...member.running.health(), ...member.running.report() })}`).join(', ')}`,
      )
    for (const member of this.#members) if (member.state === 'alive') this.#stop(member)
    await this.#until(() => this.#members.every(({ state }) => state !== 'stopping'))
    if (this.#isFine() && this.#members.some(({ state }) => state === 'stopping'))
      this.checker.violations.push('C10: a member did not stop')
    if (this.#isFine() && !this.checker.converged())
      this.checker.violations.push(
        `C2: lost at the end: ${this.checker.missing().slice(0, 5).join(', ')}`,
      )
  }

  async #until(holds: () => boolean): Promise<void> {
    const endMs = this.#clock.monotonicMs() + CALM_FOR_MS
    while (this.#isFine() && !holds() && this.#clock.monotonicMs() < endMs)
      await this.#clock.advance(Math.max(1, this.#clock.nextDelayMs ?? 1_000))
  }

  #isFine(): boolean {
    return this.checker.violations.length === 0
  }

  // --- what happens ---

  async #act(): Promise<void> {
    const { members, churn, stall } = this.#swarm
    this.#produceSome()
    if (this.#random.next() < churn * 0.3) this.#churn()
    if (this.#random.next() < members * 0.2) await this.#changeMembers()
    if (this.#random.next() < stall * 0.2) this.#toggleFresh()
  }

  #produceSome(): void {
    for (let left = this.#below(12); left > 0; left--) {
      const partition = this.#below(this.#partitionCount)
      const key = this.#below(this.#keyCount)
      const plan = this.#plan()
      const offset = this.#broker.append({
        topic: TOPIC,
        partition,
        // The first key is no key at all.
        key: key === 0 ? null : Uint8Array.of(0xff, key),
        value: new TextEncoder().encode(plan === 'invalid' ? '{' : '{}'),
      })
      this.#plans.set(`${TOPIC}/${partition}/${offset}`, plan)
      const lane = this.#order === 'partition' ? '' : key
      this.checker.produced(`${TOPIC}/${partition}`, offset, `${partition}/${lane}`)
      if (this.#below(10) === 0) this.#broker.log.skip(TOPIC, partition, 1 + this.#below(3))
    }
  }

  #plan(): Plan {
    if (this.#random.next() >= this.#swarm.failing * 0.5) return 'ok'
    const plans = [
      'flaky',
      'flaky',
      'poison',
      'skip',
      'dead-letter',
      'ask-retry',
      'invalid',
    ] as const
    return plans[this.#below(plans.length)] ?? 'ok'
  }

  #churn(): void {
    this.#count('churn')
    this.#broker.group(GROUP).churn(TOPIC, this.#below(this.#partitionCount))
  }

  async #changeMembers(): Promise<void> {
    const alive = this.#members.filter(({ state }) => state === 'alive')
    const member = alive[this.#below(alive.length)]
    const kind = this.#below(5)
    if (member === undefined || (kind === 0 && alive.length < 4)) await this.#join()
    else if (kind === 1) this.#stop(member)
    else if (kind === 2) this.#crash(member)
    else if (kind === 3) {
      this.#expire(member)
    } else {
      this.#count('pause')
      member.running.pause('simulated')
      this.#clock.schedule(this.#below(2_000), () => member.running.resume())
    }
  }

  async #join(): Promise<void> {
    this.#count('join')
    const name = `m${this.#names++}`
    const member: { current: Member | null } = { current: null }
    const before = new Set(this.#broker.group(GROUP).memberIds)
    const running = await consumerWith(
      {
        group: GROUP,
        source: this.#broker.source({ topics: [TOPIC], maxBatchRecords: BATCH }),
        decode: 'json',
        order: this.#order,
        concurrency: this.#concurrency,
        buffer: {
          records: this.#limits.records,
          perPartition: { records: this.#limits.perPartition },
          perKey: 4 + this.#below(20),
          window: 20 + this.#below(100),
        },
        timeout: 3_000,
        retry: {
          attempts: 3,
          backoff: { kind: 'exponential', base: 50 + this.#below(1_000), max: 5_000 },
          ...(this.#parks ? { finally: 'park-key' } : {}),
        },
        parked: {
          attempts: 1 + this.#below(3),
          backoff: { kind: 'fixed', base: this.#below(6_000) },
          concurrency: 1 + this.#below(3),
        },
        deadLetter: LETTERS,
        commit: { every: 50 + this.#below(1_000), records: 1 + this.#below(50) },
        completionMemory: this.#memory,
        rebalance: { drain: this.#below(4_000) },
        shutdown: { drain: this.#below(4_000) },
        handle: (_value: unknown, ctx: Ctx) => this.#handle(name, () => member.current, ctx),
        clock: this.#clock,
        timers: mortalTimers(this.#clock, () => member.current?.state === 'crashed'),
        random: this.#random,
      },
      this.#parts,
    ).start()
    const memberId = this.#broker.group(GROUP).memberIds.find((id) => !before.has(id)) ?? ''
    member.current = {
      name,
      running,
      state: 'alive',
      memberId,
      doubtMs: null,
      expiredMs: Number.NEGATIVE_INFINITY,
    }
    this.#members.push(member.current)
  }

  #stop(member: Member): void {
    this.#count('stop')
    member.state = 'stopping'
    void member.running.drain().then((report) => {
      member.state = 'stopped'
      this.checker.stopped(member.name, report)
    })
  }

  #crash(member: Member): void {
    this.#count('crash')
    member.state = 'crashed'
    this.#broker.group(GROUP).crash(member.memberId)
  }

  /** A session times out only after heartbeats went unanswered for a while. */
  #expire(member: Member): void {
    this.#count('expire')
    this.#setFresh(member, false)
    const toldAfterMs = this.#below(3_000)
    this.#clock.schedule(FRESHNESS_MS + 1, () => {
      member.expiredMs = this.#clock.monotonicMs()
      this.#setFresh(member, true)
      this.#broker.group(GROUP).expire(member.memberId, toldAfterMs)
    })
  }

  #toggleFresh(): void {
    const member = this.#members[this.#below(this.#members.length)]
    if (member?.state !== 'alive') return
    this.#count('stall')
    this.#setFresh(member, member.doubtMs !== null)
  }

  #setFresh(member: Member, fresh: boolean): void {
    this.#broker.group(GROUP).member(member.memberId)?.setFresh(fresh)
    member.doubtMs = fresh ? null : (member.doubtMs ?? this.#clock.monotonicMs())
  }

  #fault(chance: number): MemoryFault | undefined {
    if (!this.#faulty || this.#random.next() >= chance) return undefined
    this.#count('fault')
    const outcomes = ['refused', 'lost', 'thrown', undefined] as const
    const outcome = outcomes[this.#below(outcomes.length)]
    const delays = { beforeMs: this.#below(1_500), afterMs: this.#below(1_500) }
    return outcome === undefined ? delays : { ...delays, outcome }
  }

  // --- what a handler does ---

  #handle(name: string, memberOf: () => Member | null, ctx: Ctx): Outcome | Promise<Outcome> {
    const member = memberOf()
    const nowMs = this.#clock.monotonicMs()
    const isCrashed = () => memberOf()?.state === 'crashed'
    // A crashed process runs nothing: what the engine object still does is nobody's.
    if (isCrashed()) return new Promise(() => {})
    if (member?.doubtMs !== null && member !== null && nowMs - member.doubtMs > FRESHNESS_MS)
      this.checker.startedInDoubt(name)
    const lane = this.#order === 'partition' ? '' : ctx.keyBytes === null ? 0 : ctx.keyBytes[1]
    const { signal } = ctx
    const execution: Execution = {
      member: name,
      lane: `${ctx.partition}/${lane}`,
      partition: `${ctx.topic}/${ctx.partition}`,
      offset: ctx.offset,
      isOver: () =>
        signal.aborted ||
        isCrashed() ||
        (memberOf()?.expiredMs ?? Number.NEGATIVE_INFINITY) >= nowMs,
    }
    this.checker.began(execution)
    if (member !== null)
      this.checker.bounded(name, member.running.report(), {
        running: this.#concurrency,
        buffered: this.#limits.records + BATCH * this.#partitionCount,
      })
    const finish = (): Outcome => this.#finish(execution, ctx, isCrashed())
    const { slow } = this.#swarm
    const pace = this.#random.next()
    if (pace > slow) return finish()
    return this.#work(execution, signal, finish, pace < slow * 0.05 ? 8_000 : 600)
  }

  /** Takes its time; hears its signal, or swallows it, or is deaf. */
  async #work(
    execution: Execution,
    signal: AbortSignal,
    finish: () => Outcome,
    maxMs: number,
  ): Promise<Outcome> {
    const deaf = this.#random.next() < this.#swarm.deaf
    await new Promise<void>((resolve) => {
      this.#clock.schedule(this.#below(maxMs), resolve)
      if (!deaf) signal.addEventListener('abort', () => resolve(), { once: true })
    })
    if (!signal.aborted || deaf) return finish()
    this.checker.ended(execution, false)
    if (this.#below(2) === 0) throw new Error('aborted')
    return undefined
  }

  #finish(execution: Execution, ctx: Ctx, crashed: boolean): Outcome {
    const plan = this.#plans.get(`${execution.partition}/${execution.offset}`) ?? 'ok'
    const fails = plan === 'poison' || (plan === 'flaky' && ctx.attempt < (this.#parks ? 2 : 3))
    const asks = plan === 'dead-letter' || (plan === 'ask-retry' && ctx.attempt === 1)
    this.checker.ended(execution, !fails && !asks && !crashed)
    if (crashed) return undefined
    if (fails) throw new TypeError('simulated')
    if (plan === 'skip') return { skip: 'simulated' }
    if (plan === 'dead-letter') return { deadLetter: 'simulated' }
    if (asks) return { retry: this.#below(1_000) }
    return undefined
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
