/**
 * How long a record waits for its handler under a load that does not wait for the consumer: 50, 80 and 95 % of what each
 * consumer manages at 10 ms of work and concurrency 100, which is measured first. p50 and p99 of handler start less the
 * moment at which the record was due.
 *
 * A producer in a process of its own sends on a fixed schedule, keys in turn; every process reads the same monotonic clock.
 * The schedule begins when the consumer has joined. Count, bytes and order are asserted as in `work.ts`. What it does not show: skewed keys, bursts.
 */

import { Program } from '../test/real/program.ts'
import { ShoalProcess } from '../test/real/shoal.ts'
import { createTopic } from './brokers.ts'
import { contest, publish, ROUNDS, type Contender, type Figures } from './contest.ts'
import { eachBatch, platformatic, shoal, start, tallyOf, type Consumer } from './load/consumers.ts'
import { fillKeyed } from './load/fill-keyed.ts'
import type { Tally } from './load/keyed-check.ts'

const KEYS = 200
const PARTITIONS = 8
const CONCURRENCY = 100
const WORK_MS = 10
const CAPACITY_COUNT = 20_000
const SECONDS = 3
const SHARES = [0.5, 0.8, 0.95]
const VALUE_BYTES = 100
const LIMIT_MS = 120_000
const consumers = [shoal, eachBatch, platformatic]

await using broker = await ShoalProcess.start()
await createTopic(broker.bootstrap, 'capacity', PARTITIONS)
await fillKeyed({
  bootstrap: broker.bootstrap,
  topic: 'capacity',
  count: CAPACITY_COUNT,
  keys: KEYS,
  spread: 'even',
})
const capacities = await contest(
  consumers.map((consumer) => ({
    name: consumer.name,
    turn: async (round) => {
      const { seconds } = await consume(consumer, 'capacity', CAPACITY_COUNT, round)
      return { recordsPerSecond: CAPACITY_COUNT / seconds }
    },
  })),
  Math.min(ROUNDS, 3),
)
const rows = []
for (const share of SHARES) {
  const figures = await contest(
    consumers.map((consumer) => loaded(consumer, share)),
    Math.min(ROUNDS, 3),
  )
  for (const [name, row] of figures) rows.push({ share, consumer: name, ...row })
}
await publish('open-loop', {
  question: `milliseconds from when a record was due to its handler's start, at a share of the consumer's own capacity; ${WORK_MS} ms of work, concurrency ${CONCURRENCY}`,
  rows,
})

function loaded(consumer: Consumer, share: number): Contender {
  const capacity = capacities.get(consumer.name)?.['recordsPerSecond'] ?? Number.NaN
  const perSecond = Math.round(capacity * share)
  const count = perSecond * SECONDS
  return {
    name: consumer.name,
    async turn(round): Promise<Figures> {
      const topic = `open-${share * 100}-${consumer.name.replaceAll(/\W/g, '')}-${round}`
      await createTopic(broker.bootstrap, topic, PARTITIONS)
      const { delayP50Ms, delayP99Ms, disordered } = await consume(
        consumer,
        topic,
        count,
        round,
        perSecond,
      )
      return { perSecond, delayP50Ms, delayP99Ms, outOfOrder: disordered }
    },
  }
}

/** One turn; with a rate, the records are produced on its schedule meanwhile. */
async function consume(
  consumer: Consumer,
  topic: string,
  count: number,
  round: number,
  perSecond?: number,
): Promise<Tally> {
  const program = start(consumer, {
    bootstrap: broker.bootstrap,
    topic,
    group: `${topic}-${consumer.name.replaceAll(/\W/g, '')}-${round}`,
    count,
    keys: KEYS,
    workMs: WORK_MS,
    concurrency: CONCURRENCY,
    handler: consumer.handler,
  })
  if (perSecond === undefined) return await tallyOf(consumer, program, expected(count))
  await program.until(({ stderr }) => stderr.includes('joined'), LIMIT_MS)
  const pace = { bootstrap: broker.bootstrap, topic, keys: KEYS, perSecond, count }
  const producing = new Program(process.execPath, [
    '--disable-warning=ExperimentalWarning',
    '--conditions=@shoal/source',
    `${import.meta.dirname}/load/produce-paced.ts`,
    JSON.stringify(pace),
  ])
  const tally = await tallyOf(consumer, program, expected(count))
  const { exitCode, stderr } = await producing.finished(LIMIT_MS)
  if (exitCode !== 0) throw new Error(`the producer: ${stderr}`)
  return tally
}

function expected(count: number): { count: number; bytes: number } {
  return { count, bytes: count * VALUE_BYTES }
}
