/**
 * Produce with acks=all: records a second, and CPU a record of broker and client.
 *
 * librdkafka (confluent-kafka for Python, batches up to 1 MB) fills a fresh topic of 8 partitions with 100-byte and 1 KiB
 * values, on Shoal (every acknowledgement after the disk) and on Apache Kafka with its defaults (acknowledgement after
 * the page cache), in turns on the same machine; memory is touched before every turn, or one would find the pages that the
 * other has just freed. What it does not show: a real disk's sync time, several producers,
 * compression.
 */

import { ApacheKafka } from '../test/real/apache-kafka.ts'
import { ShoalProcess } from '../test/real/shoal.ts'
import { createTopic, deleteTopic, ratios, runLoad, type MeasuredBroker } from './brokers.ts'
import { contest, cpuSeconds, publish, type Contender, touchMemory } from './contest.ts'

const COUNT = Number(process.env['SHOAL_BENCH_COUNT'] ?? 5_000_000)
const SIZES = [
  { bytes: 100, count: COUNT },
  { bytes: 1024, count: COUNT / 5 },
]

await using ours = await ShoalProcess.start()
await using peer = await ApacheKafka.start({ jvm: 'benchmark' })
const brokers: readonly MeasuredBroker[] = [
  { name: 'shoal', bootstrap: ours.bootstrap, pid: ours.pid },
  { name: 'kafka', bootstrap: peer.bootstrap, pid: peer.pid ?? -1 },
]
const rows = []
for (const size of SIZES) {
  for (const broker of brokers)
    await contender(broker, { ...size, count: size.count / 10 }).turn(-1)
  const figures = await contest(brokers.map((broker) => contender(broker, size)))
  for (const [broker, row] of figures) rows.push({ broker, bytes: size.bytes, ...row })
  rows.push({
    broker: 'shoal/kafka',
    bytes: size.bytes,
    ...ratios(figures.get('shoal'), figures.get('kafka')),
  })
}
await publish('produce', { question: 'produce, acks=all, librdkafka, 8 partitions', rows })

function contender(
  { name, bootstrap, pid }: MeasuredBroker,
  { bytes, count }: { readonly bytes: number; readonly count: number },
): Contender {
  return {
    name,
    async turn(round) {
      await touchMemory()
      const topic = `produce-${bytes}-${count}-${round}`
      await createTopic(bootstrap, topic, 8)
      const before = await cpuSeconds(pid)
      const {
        seconds = 0,
        cpu = 0,
        acknowledged,
      } = await runLoad('produce', [bootstrap, topic, count, bytes])
      const after = await cpuSeconds(pid)
      if (acknowledged !== count)
        throw new Error(`${name}: ${acknowledged} of ${count} records acknowledged`)
      await deleteTopic(bootstrap, topic)
      return {
        recordsPerSecond: count / seconds,
        brokerMicrosPerRecord: ((after - before) / count) * 1e6,
        clientMicrosPerRecord: (cpu / count) * 1e6,
      }
    },
  }
}
