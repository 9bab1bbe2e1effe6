/**
 * From the start of the process to the first client that can connect, and resident memory: idle, and after load.
 *
 * Shoal by its command line from a checkout (types stripped on the way) beside Apache Kafka on a formatted folder. What
 * it does not show: recovery of a large folder.
 */

import { ApacheKafka } from '../test/real/apache-kafka.ts'
import { ShoalProcess } from '../test/real/shoal.ts'
import { createTopic, ratios, runLoad } from './brokers.ts'
import { contest, publish, residentMiB, type Contender } from './contest.ts'

const shoal: Contender = {
  name: 'shoal',
  async turn() {
    await using broker = await ShoalProcess.start()
    await broker.stop()
    const startedMs = performance.now()
    await broker.start()
    const readyMs = performance.now() - startedMs
    const idleMiB = await residentMiB(broker.pid)
    return { readyMs, idleMiB, loadedMiB: await loaded(broker.bootstrap, broker.pid) }
  },
}

const kafka: Contender = {
  name: 'kafka',
  async turn() {
    await using broker = await ApacheKafka.start({ jvm: 'benchmark' })
    const startedMs = performance.now()
    await broker.restart()
    const readyMs = performance.now() - startedMs
    const idleMiB = await residentMiB(broker.pid ?? -1)
    return { readyMs, idleMiB, loadedMiB: await loaded(broker.bootstrap, broker.pid ?? -1) }
  },
}

const figures = await contest([shoal, kafka])
await publish('start', {
  question: 'milliseconds from process start to ready (Kafka: stop and start), resident MiB',
  rows: [
    ...[...figures].map(([broker, row]) => ({ broker, ...row })),
    { broker: 'shoal/kafka', ...ratios(figures.get('shoal'), figures.get('kafka')) },
  ],
})

async function loaded(bootstrap: string, pid: number): Promise<number> {
  await createTopic(bootstrap, 'load', 8)
  await runLoad('produce', [bootstrap, 'load', 500_000, 100])
  return residentMiB(pid)
}
