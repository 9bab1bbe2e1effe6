/**
 * The broker is killed with SIGKILL twenty times while members poll, acknowledge, release, reject and hold records over HTTP:
 * nothing acknowledged comes back, everything else comes back or is a dead letter, and no delivery count falls.
 *
 * An acknowledgement has three outcomes: acknowledged (the record must not be seen again), refused, or unknown (it may count or
 * not). A count that fell would be given out twice, so each record's counts are all different. SHOAL_KILLS sets the number of
 * kills, SHOAL_SEED their moments and what members do.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { randomBelow, seededRandom, type Random } from '../../src/core/index.ts'
import { ShoalProcess } from '../real/shoal.ts'

const KILLS = Number(process.env['SHOAL_KILLS'] ?? 20)
const SEED = Number(process.env['SHOAL_SEED'] ?? 20_261_121)
const PARTITIONS = 4
const RECORDS = 4_000
const MEMBERS = ['a', 'b', 'c']
/** As short as may be: what a member holds and says nothing of comes back after it. */
const LOCK_MS = 1_000

interface Message {
  readonly value: string
  readonly delivery_count: number
  readonly receipt_handle: string
}

test(`${KILLS} SIGKILLs of the broker while records are delivered one by one (seed ${SEED})`, async (context) => {
  const random = seededRandom(SEED)
  await using broker = await ShoalProcess.start()
  const work = new Work(broker, random)
  await work.publish()
  const loops = MEMBERS.map((memberId) => work.member(memberId))
  const startedMs = performance.now()
  for (let kill = 1; kill <= KILLS; kill++) {
    // After a seeded number of settlements, so each kill hits a broker that delivers.
    await work.until(work.settled + 20 + randomBelow(random, 80))
    await work.down(async () => {
      await broker.kill()
      await broker.start()
    })
  }
  work.finish()
  await Promise.all(loops)
  const { ledger } = work
  const letters = await work.deadLetters()
  const missing = ledger.unaccounted(letters)
  assert.deepEqual(
    missing.slice(0, 5),
    [],
    `${missing.length} records neither done nor dead letters`,
  )
  assert.deepEqual(ledger.cameBack, [], 'acknowledged records that were delivered again')
  assert.deepEqual(ledger.repeatedCounts, [], 'delivery counts that were given out twice')
  assert.deepEqual(
    ledger.acknowledgedOf(letters),
    [],
    'acknowledged records among the dead letters',
  )
  assert.ok(ledger.redelivered > KILLS && letters.length > 0, 'kills hit records in flight')
  context.diagnostic(
    `${KILLS} kills, ${RECORDS} records, ${ledger.deliveries} deliveries: ${ledger.acknowledged} acknowledged and 0 came back, ` +
      `${ledger.unknown} acknowledgements with unknown outcome, ${ledger.redelivered} records delivered again, ` +
      `${new Set(letters).size} dead letters (${letters.length - new Set(letters).size} twice), 0 counts fell, ` +
      `${((performance.now() - startedMs) / 1_000).toFixed(0)} s`,
  )
})

/** What was delivered, and what was said of it. */
class Ledger {
  readonly #counts = new Map<string, Set<number>>()
  readonly #acknowledged = new Set<string>()
  readonly #unknown = new Set<string>()
  readonly cameBack: string[] = []
  readonly repeatedCounts: string[] = []
  deliveries = 0

  delivered({ value, delivery_count: count }: Message): void {
    this.deliveries++
    if (this.#acknowledged.has(value)) this.cameBack.push(value)
    const counts = this.#counts.get(value) ?? new Set()
    if (counts.has(count)) this.repeatedCounts.push(`${value}: ${count}`)
    this.#counts.set(value, counts.add(count))
  }

  /** @param outcome null: the broker went away before it answered */
  acknowledge(value: string, outcome: boolean | null): void {
    if (outcome === null) this.#unknown.add(value)
    if (outcome === true) this.#acknowledged.add(value)
  }

  get acknowledged(): number {
    return this.#acknowledged.size
  }

  get unknown(): number {
    return this.#unknown.size
  }

  get redelivered(): number {
    return [...this.#counts.values()].filter(({ size }) => size > 1).length
  }

  /** Records of which nobody can say that they are done. */
  unaccounted(letters: readonly string[]): readonly string[] {
    const done = new Set([...this.#acknowledged, ...this.#unknown, ...letters])
    return Array.from({ length: RECORDS }, (_, index) => `r${index}`).filter(
      (value) => !done.has(value),
    )
  }

  acknowledgedOf(letters: readonly string[]): readonly string[] {
    return letters.filter((value) => this.#acknowledged.has(value))
  }
}

/** Members that go on through every kill. */
class Work {
  readonly ledger = new Ledger()
  readonly #broker: ShoalProcess
  readonly #random: Random
  #up: Promise<void> = Promise.resolve()
  #waiting: { readonly count: number; readonly resolve: () => void }[] = []
  #finishing = false
  settled = 0

  constructor(broker: ShoalProcess, random: Random) {
    this.#broker = broker
    this.#random = random
  }

  async publish(): Promise<void> {
    await this.#ask('POST', '/topics', { name: 'work', num_partitions: PARTITIONS })
    for (let first = 0; first < RECORDS; first += 1_000) {
      const messages = Array.from({ length: 1_000 }, (_, index) => ({
        value: `r${first + index}`,
        partition: index % PARTITIONS,
      }))
      await this.#ask('POST', '/topics/work/messages', { messages })
    }
  }

  /** Resolves when members have settled so many records in all. */
  until(count: number): Promise<void> {
    return new Promise((resolve) => this.#waiting.push({ count, resolve }))
  }

  /** Whoever finds nobody meanwhile waits until it is over. */
  down(act: () => Promise<void>): Promise<void> {
    this.#up = act()
    return this.#up
  }

  /** From here on members only acknowledge, until all is done. */
  finish(): void {
    this.#finishing = true
  }

  async member(memberId: string): Promise<void> {
    await this.#join(memberId)
    for (;;) {
      const polled = await this.#tryAsk(
        'GET',
        `/groups/g/poll?member_id=${memberId}&max_messages=20&timeout=1s&visibility_timeout_ms=${LOCK_MS}`,
      )
      if (polled === null) continue
      if (polled.status === 404) await this.#join(memberId)
      if (polled.status !== 200) continue
      const messages: readonly Message[] = polled.body.messages
      for (const message of messages) this.ledger.delivered(message)
      if (this.#finishing) await this.#acknowledgeAll(messages)
      else for (const message of messages) await this.#settle(message)
      if (this.#finishing && messages.length === 0 && (await this.#isAllDone())) return
    }
  }

  async deadLetters(): Promise<readonly string[]> {
    const values: string[] = []
    for (let partition = 0; ; partition++) {
      let offset = 0
      for (;;) {
        const path = `/topics/work-dlq/partitions/${partition}/messages?offset=${offset}&limit=1000`
        const { status, body } = await this.#ask('GET', path)
        if (status === 404) return values
        assert.equal(status, 200, JSON.stringify(body))
        values.push(...body.messages.map(({ value }: Message) => value))
        if (body.messages.length === 0) break
        offset = body.next_offset
      }
    }
  }

  /** Many in one request, each answered for itself. */
  async #acknowledgeAll(messages: readonly Message[]): Promise<void> {
    if (messages.length === 0) return
    const receipt_handles = messages.map(({ receipt_handle: handle }) => handle)
    const answer = await this.#tryAsk('POST', '/messages/ack', { receipt_handles })
    assert.ok(answer === null || answer.status === 200, JSON.stringify(answer?.body))
    for (const [index, { value }] of messages.entries())
      this.ledger.acknowledge(value, answer && answer.body.results[index].success)
  }

  async #settle({ value, receipt_handle }: Message): Promise<void> {
    const word = this.#word()
    if (word === null) return
    const reason = word === 'ack' ? {} : { reason: 'seeded' }
    const answer = await this.#tryAsk('POST', `/messages/${word}`, { receipt_handle, ...reason })
    if (word === 'ack') this.ledger.acknowledge(value, answer && answer.status === 200)
    if (answer !== null) assert.ok([200, 410].includes(answer.status), JSON.stringify(answer.body))
    this.settled++
    const due = this.#waiting.filter(({ count }) => count <= this.settled)
    this.#waiting = this.#waiting.filter((waiter) => !due.includes(waiter))
    for (const { resolve } of due) resolve()
  }

  /** Mostly done; null holds the record until its lock ends. */
  #word(): 'ack' | 'nack' | 'reject' | null {
    const dice = randomBelow(this.#random, 100)
    if (dice < 65) return 'ack'
    if (dice < 80) return 'nack'
    return dice < 83 ? 'reject' : null
  }

  async #isAllDone(): Promise<boolean> {
    const { body } = await this.#ask('GET', '/groups/g/offsets')
    const partitions: readonly { readonly lag: number | null }[] = body.partitions
    return partitions.length === PARTITIONS && partitions.every(({ lag }) => lag === 0)
  }

  async #join(memberId: string): Promise<void> {
    const body = {
      member_id: memberId,
      topics: ['work'],
      auto_offset_reset: 'earliest',
      session_timeout_ms: 30_000,
    }
    for (;;) {
      const joined = await this.#tryAsk('POST', '/groups/g/join', body)
      if (joined?.status === 200) return
      assert.ok(joined === null || joined.status >= 500, JSON.stringify(joined?.body))
    }
  }

  async #ask(method: string, path: string, body?: unknown) {
    const response = await fetch(`${this.#broker.url}${path}`, {
      method,
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    })
    // oxlint-disable-next-line typescript/no-explicit-any -- answers of every shape
    return { status: response.status, body: (await response.json()) as any }
  }

  /** Null when the broker went away: whether it was done is unknown. */
  async #tryAsk(method: string, path: string, body?: unknown) {
    await this.#up
    try {
      return await this.#ask(method, path, body)
    } catch {
      return null
    }
  }
}
