/**
 * The broker is killed with SIGKILL a hundred times under load: no acknowledged record lost, no offset used twice.
 *
 * Four plain and two idempotent producers of a foreign client (kafkajs) send with acks=all, as fast as answers come. A
 * send has three outcomes: acknowledged (the record must be at its offset for ever), or unknown (it may be there or not).
 * Every fifth send is large enough to be written past the journal. After the kills everything is read back by a fresh consumer. SHOAL_KILLS sets the number, SHOAL_SEED the moments.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Kafka, logLevel, type Producer } from 'kafkajs'
import { randomBelow, seededRandom } from '../../src/core/index.ts'
import { GENEROUS_LIMIT_MS } from '../real/program.ts'
import { ShoalProcess, shoal } from '../real/shoal.ts'

const KILLS = Number(process.env['SHOAL_KILLS'] ?? 100)
const SEED = Number(process.env['SHOAL_SEED'] ?? 20_261_121)
const TOPIC = 'killed'
const PARTITIONS = 4
const RECORDS_A_SEND = 10
const READ_BACK_EVERY = 25
const LARGE_EVERY = 5
/** Makes a send large: 10 of it are more than the broker's `shoal.direct.write.bytes`. */
const LARGE_KEY = Buffer.alloc(10_000, 'k')

test(`${KILLS} SIGKILLs of the broker under load lose nothing that was acknowledged (seed ${SEED})`, async (context) => {
  const random = seededRandom(SEED)
  await using broker = await ShoalProcess.start({
    settings: { 'shoal.direct.write.bytes': '65536' },
  })
  const created = await shoal([
    'topics',
    'create',
    TOPIC,
    '--partitions',
    String(PARTITIONS),
    '-b',
    broker.bootstrap,
  ])
  assert.equal(created.exitCode, 0, created.stderr)
  const history = new History()
  const load = new Load(broker.bootstrap, history)
  const starts: number[] = []
  try {
    await load.start()
    for (let kill = 1; kill <= KILLS; kill++) {
      // A kill comes after a seeded number of acknowledgements, so each one hits a broker at work.
      await history.untilAcknowledged(history.acknowledged + 20 + randomBelow(random, 400))
      await broker.kill()
      const startedMs = performance.now()
      await broker.start()
      starts.push(performance.now() - startedMs)
      if (kill % READ_BACK_EVERY === 0)
        await history.verifyWith((until) => readBack(broker.bootstrap, until))
    }
  } finally {
    await load.stop()
  }
  const final = await history.verifyWith((until) => readBack(broker.bootstrap, until))
  assert.deepEqual(
    history.repeatedIdempotent(final),
    [],
    'records of idempotent producers that are there twice',
  )
  starts.sort((left, right) => left - right)
  context.diagnostic(
    `${KILLS} kills, ${history.acknowledged} records acknowledged, 0 lost, 0 offsets used twice, ` +
      `idempotent records twice 0, ${history.unknown} sends with unknown outcome, ` +
      `start p50 ${starts[starts.length >> 1]?.toFixed(0)} ms, p99 ${starts[Math.floor(starts.length * 0.99)]?.toFixed(0)} ms`,
  )
})

/** What was acknowledged where, and what must hold of it. */
class History {
  readonly #values = new Map<string, string>()
  readonly #waiting: { readonly count: number; readonly resolve: () => void }[] = []
  acknowledged = 0
  unknown = 0

  acknowledge(partition: number, baseOffset: number, values: readonly string[]): void {
    for (const [index, value] of values.entries())
      this.#claim(`${partition}/${baseOffset + index}`, value)
    this.acknowledged += values.length
    for (const waiter of this.#waiting.splice(0))
      if (waiter.count <= this.acknowledged) waiter.resolve()
      else this.#waiting.push(waiter)
  }

  /** Rejects when that takes longer than any slow machine does. */
  untilAcknowledged(count: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const tooLate = () =>
        reject(new Error(`${this.acknowledged} of ${count} records acknowledged`))
      const limit = setTimeout(tooLate, GENEROUS_LIMIT_MS)
      const inTime = () => {
        clearTimeout(limit)
        resolve()
      }
      this.#waiting.push({ count, resolve: inTime })
    })
  }

  /**
   * Every record that is acknowledged by now is at its offset, and an offset that was ever read keeps its record. The load
   * may go on meanwhile. `read` is told how far it must come: the highest acknowledged offset of each partition.
   */
  async verifyWith(
    read: (until: ReadonlyMap<number, number>) => Promise<ReadonlyMap<string, string>>,
  ): Promise<ReadonlyMap<string, string>> {
    const acknowledged = new Map(this.#values)
    const found = await read(highestOf(acknowledged.keys()))
    const lost = [...acknowledged].filter(([place, value]) => found.get(place) !== value)
    assert.deepEqual(lost.slice(0, 5), [], `${lost.length} acknowledged records lost or changed`)
    for (const [place, value] of found) this.#claim(place, value)
    return found
  }

  repeatedIdempotent(read: ReadonlyMap<string, string>): readonly string[] {
    const seen = new Set<string>()
    return [...read.values()].filter(
      (value) => value.startsWith('idempotent') && seen.size === seen.add(value).size,
    )
  }

  #claim(place: string, value: string): void {
    const before = this.#values.get(place)
    assert.ok(
      before === undefined || before === value,
      `offset ${place} used twice: ${before} and ${value}`,
    )
    this.#values.set(place, value)
  }
}

function highestOf(places: Iterable<string>): ReadonlyMap<number, number> {
  const highest = new Map<number, number>()
  for (const place of places) {
    const [partition = 0, offset = 0] = place.split('/').map(Number)
    highest.set(partition, Math.max(highest.get(partition) ?? -1, offset))
  }
  return highest
}

/** Producers that go on through every kill. */
class Load {
  readonly #producers: readonly { readonly name: string; readonly producer: Producer }[]
  readonly #history: History
  readonly #loops: Promise<void>[] = []
  #stopping = false

  constructor(bootstrap: string, history: History) {
    this.#history = history
    const kafka = new Kafka({
      brokers: [bootstrap],
      logLevel: logLevel.NOTHING,
      // A broker that dies ends its connections: nothing here waits for a limit.
      connectionTimeout: 60_000,
      requestTimeout: 60_000,
      // An idempotent producer must get the same batch through, however long the broker is away.
      retry: { initialRetryTime: 50, maxRetryTime: 200, retries: 10_000 },
    })
    const once = { retry: { initialRetryTime: 50, maxRetryTime: 200, retries: 0 } }
    this.#producers = [
      ...[0, 1, 2, 3].map((index) => ({ name: `plain-${index}`, producer: kafka.producer(once) })),
      ...[0, 1].map((index) => ({
        name: `idempotent-${index}`,
        producer: kafka.producer({ idempotent: true, maxInFlightRequests: 1 }),
      })),
    ]
  }

  async start(): Promise<void> {
    for (const { producer } of this.#producers) await producer.connect()
    for (const { name, producer } of this.#producers) this.#loops.push(this.#loop(name, producer))
  }

  async stop(): Promise<void> {
    this.#stopping = true
    await Promise.all(this.#loops)
    for (const { producer } of this.#producers) await producer.disconnect()
  }

  async #loop(name: string, producer: Producer): Promise<void> {
    for (let batch = 0; !this.#stopping; batch++) {
      const partition = batch % PARTITIONS
      const values = Array.from(
        { length: RECORDS_A_SEND },
        (_, index) => `${name}/${batch}/${index}`,
      )
      try {
        const [answer] = await producer.send({
          topic: TOPIC,
          acks: -1,
          messages: values.map((value) => ({
            value,
            partition,
            key: batch % LARGE_EVERY === 0 ? LARGE_KEY : null,
          })),
        })
        this.#history.acknowledge(partition, Number(answer?.baseOffset), values)
      } catch {
        // The broker is down or went down meanwhile: this batch may be there or not, and is never sent again.
        this.#history.unknown++
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
  }
}

/** Everything in the topic, by `partition/offset`, read by a fresh group of a fresh client. */
async function readBack(
  bootstrap: string,
  until: ReadonlyMap<number, number>,
): Promise<ReadonlyMap<string, string>> {
  const read = new Map<string, string>()
  const missing = new Set(
    [...until].filter(([, offset]) => offset >= 0).map(([partition]) => partition),
  )
  const groupId = `read-back-${process.hrtime.bigint()}`
  const consumer = new Kafka({
    brokers: [bootstrap],
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 50, retries: 100 },
  }).consumer({ groupId })
  await consumer.connect()
  await consumer.subscribe({ topics: [TOPIC], fromBeginning: true })
  const complete = new Promise<void>((resolve, reject) => {
    consumer.on('consumer.crash', ({ payload }) => reject(payload.error))
    consumer
      .run({
        autoCommit: false,
        eachBatch: async ({ batch }) => {
          for (const { offset, value } of batch.messages) {
            read.set(`${batch.partition}/${offset}`, value?.toString() ?? '')
            if (Number(offset) >= (until.get(batch.partition) ?? -1))
              missing.delete(batch.partition)
          }
          if (missing.size === 0) resolve()
        },
      })
      .catch(reject)
  })
  await complete
  await consumer.disconnect()
  return read
}
