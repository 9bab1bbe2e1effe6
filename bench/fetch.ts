/**
 * Reading a topic from its beginning: records a second, and CPU a record of broker and client.
 *
 * librdkafka (confluent-kafka for Python) reads a topic of 8 partitions that was filled before, 100-byte and 1 KiB values,
 * from Shoal and from Apache Kafka in turns. The files are in the page cache. What it does not show: reads from a cold
 * disk, many readers, compressed batches.
 */

import { ApacheKafka } from '../test/real/apache-kafka.ts'
import { ShoalProcess } from '../test/real/shoal.ts'
import { createTopic, ratios, runLoad, type MeasuredBroker } from './brokers.ts'
import { contest, cpuSeconds, publish, type Contender, touchMemory } from './contest.ts'

const COUNT = Number(process.env['SHOAL_BENCH_COUNT'] ?? 5_000_000)
const PARTITIONS = 8
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
  await touchMemory()
  for (const { bootstrap } of brokers) {
    await createTopic(bootstrap, topicOf(size), PARTITIONS)
    await runLoad('produce', [bootstrap, topicOf(size), size.count, size.bytes])
  }
  for (const broker of brokers) await contender(broker, size).turn(-1)
  const figures = await contest(brokers.map((broker) => contender(broker, size)))
  for (const [broker, row] of figures) rows.push({ broker, bytes: size.bytes, ...row })
  rows.push({
    broker: 'shoal/kafka',
    bytes: size.bytes,
    ...ratios(figures.get('shoal'), figures.get('kafka')),
  })
}
await publish('fetch', { question: 'fetch from the beginning, librdkafka, 8 partitions', rows })

function contender(
  { name, bootstrap, pid }: MeasuredBroker,
  size: { readonly bytes: number; readonly count: number },
): Contender {
  return {
    name,
    async turn() {
      const before = await cpuSeconds(pid)
      const {
        seconds = 0,
        cpu = 0,
        ...read
      } = await runLoad('fetch', [bootstrap, topicOf(size), size.count, PARTITIONS])
      const after = await cpuSeconds(pid)
      if (read['records'] !== size.count || read['bytes'] !== size.count * size.bytes)
        throw new Error(
          `${name}: read ${read['records']} records, ${read['bytes']} bytes of ${size.count}`,
        )
      return {
        recordsPerSecond: size.count / seconds,
        brokerMicrosPerRecord: ((after - before) / size.count) * 1e6,
        clientMicrosPerRecord: (cpu / size.count) * 1e6,
      }
    },
  }
}

function topicOf(size: { readonly bytes: number }): string {
  return `fetch-${size.bytes}`
}
