/**
 * One record at a time, each awaited: p50 and p99 in milliseconds.
 *
 * librdkafka sends 100-byte records with acks=all and waits for each, on Shoal (after the disk), on Apache Kafka with its
 * defaults (after the page cache) and on Apache Kafka with an fsync for every append. What it does not show: a real disk.
 */

import { ApacheKafka } from '../test/real/apache-kafka.ts'
import { ShoalProcess } from '../test/real/shoal.ts'
import { createTopic, ratios, runLoad } from './brokers.ts'
import { contest, publish, type Contender } from './contest.ts'

const COUNT = Number(process.env['SHOAL_BENCH_LATENCY_COUNT'] ?? 10_000)

await using ours = await ShoalProcess.start()
await using cached = await ApacheKafka.start({ jvm: 'benchmark' })
await using synced = await ApacheKafka.start({
  jvm: 'benchmark',
  properties: { 'log.flush.interval.messages': '1' },
})
const contenders = [
  contender('shoal', ours.bootstrap),
  contender('kafka, page cache', cached.bootstrap),
  contender('kafka, fsync', synced.bootstrap),
]
for (const { turn } of contenders) await turn(-1)
const figures = await contest(contenders)
await publish('latency', {
  question: 'produce one record at a time, acks=all, librdkafka',
  rows: [
    ...[...figures].map(([broker, row]) => ({ broker, ...row })),
    { broker: 'shoal/kafka, fsync', ...ratios(figures.get('shoal'), figures.get('kafka, fsync')) },
  ],
})

function contender(name: string, bootstrap: string): Contender {
  return {
    name,
    async turn(round) {
      const topic = `latency-${round}`
      await createTopic(bootstrap, topic, 1)
      const { p50 = Number.NaN, p99 = Number.NaN } = await runLoad('latency', [
        bootstrap,
        topic,
        COUNT,
        100,
      ])
      return { p50Ms: p50, p99Ms: p99 }
    },
  }
}
