/**
 * What 10,000 partitions cost: the time from the start of the process to the first answer on a folder that has them, after a
 * clean stop and after SIGKILL, and resident memory.
 *
 * Each partition holds one record of 100 bytes. What it does not show: recovery of large logs.
 */

import { KafkaClient, KafkaProducer } from '../src/sources/kafka/index.ts'
import { ShoalProcess } from '../test/real/shoal.ts'
import { createTopic } from './brokers.ts'
import { contest, publish, residentMiB, type Contender } from './contest.ts'

const TOPICS = 10
const PARTITIONS_A_TOPIC = Number(process.env['SHOAL_BENCH_PARTITIONS'] ?? 1_000)

await using broker = await ShoalProcess.start()
const emptyMiB = await residentMiB(broker.pid)
await fill(broker.bootstrap)

const contenders: readonly Contender[] = [
  { name: 'clean stop', turn: () => restarted(async () => void (await broker.stop())) },
  { name: 'SIGKILL', turn: () => restarted(() => broker.kill()) },
]
const figures = await contest(contenders)
await publish('restart', {
  question: `milliseconds from process start to ready with ${TOPICS * PARTITIONS_A_TOPIC} partitions, resident MiB (empty broker: ${Math.round(emptyMiB)})`,
  rows: [...figures].map(([after, row]) => ({ after, ...row })),
})

async function restarted(end: () => Promise<void>): Promise<Record<string, number>> {
  await end()
  const startedMs = performance.now()
  await broker.start()
  return { readyMs: performance.now() - startedMs, residentMiB: await residentMiB(broker.pid) }
}

async function fill(bootstrap: string): Promise<void> {
  await using client = await KafkaClient.open({ brokers: bootstrap })
  const producer = new KafkaProducer(client)
  const value = Buffer.alloc(100, 'x')
  for (let index = 0; index < TOPICS; index++) {
    const topic = `restart-${index}`
    await createTopic(bootstrap, topic, PARTITIONS_A_TOPIC)
    await Promise.all(
      Array.from({ length: PARTITIONS_A_TOPIC }, (_, partition) =>
        producer.send({ topic, partition, key: null, value, headers: [] }),
      ),
    )
  }
  await producer.close()
}
