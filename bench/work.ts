/**
 * Records a second with work for each: Shoal's runtime beside our own raw fetch loop, kafkajs, @platformatic/kafka,
 * node-rdkafka and the Python service of seed 004, at 0, 1, 10 and 100 ms of work, with even keys and with Zipf(1.1).
 *
 * All read the same topics (8 partitions, 200 keys, values of 100 bytes) from one Shoal broker in a process of its own,
 * in turns; each turn is a fresh process and a fresh group. Work is a timer that the handler awaits, 100 at a time where
 * the consumer can. The two fastest get six million records, more than a second: a process compiles for its first tenth of
 * one, and the runtime is more code than the loop (with three million it reaches 0.81 to 0.89 of it). Count and bytes are asserted in every turn; order by key too where it is promised, else the
 * violations are printed. A slow consumer gets fewer records, for its rate does not depend on their number.
 *
 * A key's records follow one another, so its share of the topic bounds the rate of whoever keeps the order: 1 / (share of
 * the most frequent key x work). `boundShare` is how much of that was reached; work counts as long as it took, for
 * timers are late. What it does not show: a cluster, other brokers, rebalances (`join.ts`), waiting (`open-loop.ts`).
 */

import { ShoalProcess } from '../test/real/shoal.ts'
import { createTopic } from './brokers.ts'
import { contest, publish, ROUNDS, type Contender, type Figures } from './contest.ts'
import {
  eachBatch,
  eachMessage,
  hasRdkafka,
  platformatic,
  raw,
  rdkafka,
  seed004,
  shoal,
  shoalAsync,
  start,
  tallyOf,
  type Consumer,
} from './load/consumers.ts'
import { fillKeyed, type Filled, type Spread } from './load/fill-keyed.ts'

const KEYS = 200
const PARTITIONS = 8
const CONCURRENCY = 100
/** Timers are the same in every round: fewer rounds where there is work. */
const WORKING_ROUNDS: number = Math.min(ROUNDS, 3)

/** Records for each consumer, by spread and milliseconds of work. A row that is not here is not measured. */
const plan: readonly {
  readonly spread: Spread
  readonly workMs: number
  readonly counts: readonly (readonly [Consumer, number])[]
}[] = [
  {
    spread: 'even',
    workMs: 0,
    counts: [
      [raw, 6_000_000],
      [shoal, 6_000_000],
      [shoalAsync, 2_000_000],
      [eachMessage, 2_000_000],
      [eachBatch, 2_000_000],
      [platformatic, 2_000_000],
      [rdkafka, 200_000],
      [seed004, 10_000],
    ],
  },
  {
    spread: 'even',
    workMs: 1,
    counts: [
      [shoal, 40_000],
      [eachMessage, 2_000],
      [eachBatch, 40_000],
      [platformatic, 40_000],
      [rdkafka, 40_000],
      [seed004, 5_000],
    ],
  },
  {
    spread: 'even',
    workMs: 10,
    counts: [
      [shoal, 40_000],
      [eachMessage, 200],
      [eachBatch, 20_000],
      [platformatic, 20_000],
      [rdkafka, 8_000],
      [seed004, 5_000],
    ],
  },
  {
    spread: 'even',
    workMs: 100,
    counts: [
      [shoal, 4_000],
      [eachMessage, 20],
      [eachBatch, 2_000],
      [platformatic, 2_000],
      [rdkafka, 2_000],
      [seed004, 2_000],
    ],
  },
  {
    spread: 'zipf',
    workMs: 0,
    counts: [
      [shoal, 2_000_000],
      [eachMessage, 2_000_000],
    ],
  },
  {
    spread: 'zipf',
    workMs: 1,
    counts: [
      [shoal, 20_000],
      [eachMessage, 2_000],
      [eachBatch, 20_000],
    ],
  },
  {
    spread: 'zipf',
    workMs: 10,
    counts: [
      [shoal, 2_000],
      [eachMessage, 200],
      [eachBatch, 2_000],
    ],
  },
  {
    spread: 'zipf',
    workMs: 100,
    counts: [
      [shoal, 200],
      [eachMessage, 20],
      [eachBatch, 200],
    ],
  },
]

await using broker = await ShoalProcess.start()
const filled = new Map<string, Filled>()
const rows = []
for (const { spread, workMs, counts } of plan) {
  const present = counts.filter(([consumer]) => consumer !== rdkafka || hasRdkafka)
  const contenders = []
  for (const [consumer, count] of present)
    contenders.push(await contender(consumer, { spread, workMs, count }))
  const figures = await contest(contenders, workMs === 0 ? ROUNDS : WORKING_ROUNDS)
  const rateOf = ({ name }: Consumer) => figures.get(name)?.['recordsPerSecond'] ?? Number.NaN
  for (const [consumer, count] of present)
    rows.push({
      spread,
      workMs,
      consumer: consumer.name,
      count,
      ...figures.get(consumer.name),
      ...(consumer === raw ? {} : { ofEachMessage: rateOf(consumer) / rateOf(eachMessage) }),
      ...(workMs === 0 && spread === 'even' ? { ofRawLoop: rateOf(consumer) / rateOf(raw) } : {}),
    })
}
if (!hasRdkafka) process.stderr.write('node-rdkafka is left out: run bench/peers/install\n')
await publish('work', {
  question: `records a second, ${KEYS} keys, concurrency ${CONCURRENCY}, work for each record in milliseconds`,
  rows,
})

async function contender(
  consumer: Consumer,
  {
    spread,
    workMs,
    count,
  }: { readonly spread: Spread; readonly workMs: number; readonly count: number },
): Promise<Contender> {
  const topic = `${spread}-${count}`
  const { bytes, hotShare } = await fill(topic, spread, count)
  return {
    name: consumer.name,
    async turn(round): Promise<Figures> {
      const group = `${topic}-${workMs}-${consumer.name.replaceAll(/\W/g, '')}-${round}`
      const program = start(consumer, {
        bootstrap: broker.bootstrap,
        topic,
        group,
        count,
        keys: KEYS,
        workMs,
        concurrency: CONCURRENCY,
        handler: consumer.handler,
      })
      const tally = await tallyOf(consumer, program, { count, bytes })
      const recordsPerSecond = count / tally.seconds
      const bound = 1000 / (hotShare * tally.workMs)
      return {
        recordsPerSecond,
        clientMicrosPerRecord: (tally.cpu / count) * 1e6,
        outOfOrder: tally.disordered,
        ...(workMs === 0 ? {} : { tookMs: tally.workMs, hotKeyBound: bound }),
        ...(workMs === 0 || spread === 'even' ? {} : { boundShare: recordsPerSecond / bound }),
      }
    },
  }
}

/** Topics are filled once; consumers that read as many records share one. */
async function fill(topic: string, spread: Spread, count: number): Promise<Filled> {
  const known = filled.get(topic)
  if (known !== undefined) return known
  await createTopic(broker.bootstrap, topic, PARTITIONS)
  const made = await fillKeyed({ bootstrap: broker.bootstrap, topic, count, keys: KEYS, spread })
  filled.set(topic, made)
  return made
}
