/**
 * Delayed messages over simulated crashes: what was acknowledged is delivered once, in the order of due times, whatever of the
 * disk a crash keeps; what was not acknowledged once at most. Two broken builds show that the judge can condemn.
 *
 * SHOAL_SEED=4711 replays one.
 */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BrokerFixture } from '../../src/broker/broker-fixture.test.ts'
import { DelayedTable } from '../../src/broker/delayed/delayed-table.ts'
import { randomBelow, seededRandom, VirtualClock, type Random } from '../../src/core/index.ts'
import { crashModels, SimDisk } from '../../src/log/index.ts'
import { batchesIn, decodeRecords } from '../../src/protocol/index.ts'
import { settle, wordsOf } from './crash-points.ts'

const FIRST_SEED = Number(process.env['SHOAL_SEED'] ?? 1)
const SEEDS = process.env['SHOAL_SEED'] ? 1 : 100
/** A broken build has to be noticed within so many seeds. */
const SEEDS_TO_NOTICE = 300
const PARTITIONS = 2
const LIVES = 3

describe('delayed messages over crashes', () => {
  test(`are delivered once and in order in ${SEEDS} seeds`, async () => {
    let crashes = 0
    let again = 0
    for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
      const judged = await judge(seed)
      assert.deepEqual(judged.violations, [], `SHOAL_SEED=${seed}`)
      crashes += judged.crashes
      again += judged.sentAgain
    }
    // A crash that never came, or never at the wrong moment, proves nothing.
    if (SEEDS < 100) return
    assert.ok(crashes > SEEDS / 2, `${crashes} crashes`)
    assert.ok(again > 0, 'no crash cut a delivery in two')
  })

  test('a build that forgets what is under way at a restart is noticed', async () => {
    const { deliveries } = DelayedTable.prototype
    DelayedTable.prototype.deliveries = () => []
    try {
      await notices(/stuck|lost|delivered 2 times/)
    } finally {
      DelayedTable.prototype.deliveries = deliveries
    }
  })

  test('a build that forgets at a restart what was delivered is noticed', async () => {
    const { isWaiting } = DelayedTable.prototype
    DelayedTable.prototype.isWaiting = () => true
    try {
      await notices(/delivered \d times/)
    } finally {
      DelayedTable.prototype.isWaiting = isWaiting
    }
  })
})

async function notices(words: RegExp): Promise<void> {
  for (let seed = 1; seed <= SEEDS_TO_NOTICE; seed++) {
    const [violation] = (await judge(seed)).violations
    if (violation === undefined) continue
    assert.match(violation, words)
    return
  }
  assert.fail(`not within ${SEEDS_TO_NOTICE} seeds`)
}

interface Sent {
  readonly name: string
  readonly partition: number
  readonly dueMs: number
  /** Wall time; infinite for what was not acknowledged. */
  acknowledgedMs: number
}

interface Judgement {
  readonly violations: readonly string[]
  readonly crashes: number
  /** Deliveries that a start found under way. */
  readonly sentAgain: number
}

/** Some lives with a crash in each but the last, and what is in the topic at the end. */
async function judge(seed: number): Promise<Judgement> {
  const random = seededRandom(seed)
  let clock = new VirtualClock()
  const sent: Sent[] = []
  let disk = new SimDisk({ crashAt: 20 + randomBelow(random, 200) })
  let [crashes, sentAgain] = [0, 0]
  for (let life = 1; life <= LIVES; life++) {
    const isLast = life === LIVES
    if (isLast) disk.crashAt = Infinity
    const lived = live({ disk, clock, random, sent, isLast, onAgain: () => sentAgain++ })
    const end = await Promise.race([lived, disk.crashed.then(() => 'crashed' as const)])
    await settle()
    if (end !== 'crashed') {
      if (isLast) return { violations: violationsOf(sent, end), crashes, sentAgain }
      disk.crash()
    }
    crashes++
    // What is left of the dead life goes on with a clock of its own.
    clock = new VirtualClock({ wallMs: clock.wallMs() + randomBelow(random, 500) })
    const model = crashModels[randomBelow(random, crashModels.length)] ?? 'nothing'
    disk = disk.afterCrash(model, seed * 31 + life, { crashAt: 5 + randomBelow(random, 150) })
  }
  throw new Error('the last life did not end')
}

interface LifeOptions {
  readonly disk: SimDisk
  readonly clock: VirtualClock
  readonly random: Random
  readonly sent: Sent[]
  readonly isLast: boolean
  readonly onAgain: () => void
}

/** What each partition holds at the end, or what went wrong. */
type End = readonly (readonly string[])[] | string

/** One life, to its end or until its disk is dead. */
async function live(options: LifeOptions): Promise<End> {
  const { disk, clock, random, sent, isLast, onAgain } = options
  try {
    const broker = await BrokerFixture.open({ files: disk, clock })
    const { delayed, topics } = broker.parts.context
    if (topics.find('orders', null) === undefined) {
      const config = { replicationFactor: 1, assignments: [], configs: [] }
      topics.create({ name: 'orders', partitionCount: PARTITIONS, ...config }, false)
      await topics.flushed()
    }
    if (delayed.count > 0) onAgain()
    for (let round = 0; round < 12; round++) {
      if (disk.isDead) return 'crashed'
      const published = publish(broker, { clock, random, sent, round })
      await clock.advance(randomBelow(random, 400))
      // Some answers are waited for, others are still on their way when time goes on.
      if (randomBelow(random, 2) === 0) await published
    }
    if (!isLast) return 'over'
    for (let turn = 0; delayed.count > 0 && turn < 5_000; turn++) await clock.advance(100)
    if (delayed.count > 0) return `${delayed.count} messages are stuck`
    const partitions = Array.from({ length: PARTITIONS }, (_, index) => read(broker, index))
    const found = await Promise.all(partitions)
    await broker[Symbol.asyncDispose]()
    return found
  } catch (error) {
    return wordsOf(error)
  }
}

async function publish(
  broker: BrokerFixture,
  {
    clock,
    random,
    sent,
    round,
  }: Pick<LifeOptions, 'clock' | 'random' | 'sent'> & { round: number },
): Promise<void> {
  const { delayed, topics } = broker.parts.context
  const topicId = topics.find('orders', null)?.topicId ?? ''
  const batch = Array.from({ length: 1 + randomBelow(random, 4) }, (_, index): Sent => {
    const dueMs = clock.wallMs() + 1 + randomBelow(random, 1_500)
    const partition = randomBelow(random, PARTITIONS)
    return {
      name: `${round}-${sent.length + index}`,
      partition,
      dueMs,
      acknowledgedMs: Infinity,
    }
  })
  sent.push(...batch)
  const stored = await delayed.publish(
    batch.map(({ name, partition, dueMs }) => ({
      topicId,
      partition,
      dueMs,
      isDelay: true,
      hasTimestamp: false,
      record: { timestampMs: 0, value: new TextEncoder().encode(name) },
    })),
  )
  for (const [index, { id }] of stored.entries()) {
    const message = batch[index]
    if (message !== undefined && id !== null) message.acknowledgedMs = clock.wallMs()
  }
}

async function read(broker: BrokerFixture, partition: number): Promise<readonly string[]> {
  const { topics } = broker.parts.context
  const topic = topics.find('orders', null)
  assert.ok(topic !== undefined)
  const log = await topics.log(topic, partition)
  assert.ok(log !== null)
  const found: string[] = []
  let offset = 0
  while (offset < log.highWatermark) {
    const result = await log.read({ offset, maxBytes: 1_000_000, atLeastOneBatch: true })
    assert.ok(result.kind === 'records' && result.byteLength > 0)
    for (const chunk of result.chunks)
      for (const each of batchesIn(chunk)) {
        for (const { value } of decodeRecords(each))
          found.push(new TextDecoder().decode(value ?? undefined))
        offset = each.lastOffset + 1
      }
  }
  return found
}

function violationsOf(sent: readonly Sent[], end: End): string[] {
  if (typeof end === 'string') return [end]
  const violations: string[] = []
  for (const { name, partition, acknowledgedMs } of sent) {
    const times = end[partition]?.filter((found) => found === name).length ?? 0
    if (times > 1) violations.push(`${name} was delivered ${times} times`)
    if (times === 0 && acknowledgedMs < Infinity)
      violations.push(`${name} was acknowledged and is lost`)
  }
  const byName = new Map(sent.map((message) => [message.name, message]))
  for (const found of end) {
    let latestMs = 0
    for (const name of found) {
      const message = byName.get(name)
      if (message === undefined) violations.push(`${name} was never sent`)
      else {
        // One that was acknowledged before the other was due.
        if (message.dueMs < latestMs && message.acknowledgedMs <= latestMs)
          violations.push(`${name} came after one that was due later`)
        latestMs = Math.max(latestMs, message.dueMs)
      }
    }
  }
  return violations
}
