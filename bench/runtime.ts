/**
 * The runtime beside kafkajs `eachMessage`, at 0, 1 and 10 ms of work a record: records a second.
 *
 * Both read the same topic (8 partitions, 200 keys in even shares, 100-byte values) from the same Shoal broker in a
 * process of its own, in turns, each turn a fresh process and a fresh group. Work is a timer that the handler awaits; at
 * 0 ms the handler returns at once. Every turn asserts the number of records and their order by key: a dirty turn ends
 * the run. What it does not show: skewed keys, a cluster.
 */

import { ShoalProcess } from '../test/real/shoal.ts'
import { Program } from '../test/real/program.ts'
import { createTopic, ratios } from './brokers.ts'
import { contest, publish, type Contender } from './contest.ts'
import { fillKeyed } from './load/fill-keyed.ts'

const KEYS = 200
const PARTITIONS = 8
const CONCURRENCY = 100
const WORK = [
  { workMs: 0, count: 2_000_000 },
  { workMs: 1, count: 40_000 },
  { workMs: 10, count: 40_000 },
]
/** One record after the other takes its time: the peer gets fewer records where its rate does not depend on their number. */
const PEER_COUNT: Readonly<Record<number, number>> = { 0: 2_000_000, 1: 8_000, 10: 1_000 }

await using broker = await ShoalProcess.start()
const rows = []
for (const { workMs, count } of WORK) {
  const peerCount = PEER_COUNT[workMs] ?? count
  const topic = `runtime-${workMs}`
  const peerTopic = `peer-${workMs}`
  for (const [name, records] of [
    [topic, count],
    [peerTopic, peerCount],
  ] as const) {
    await createTopic(broker.bootstrap, name, PARTITIONS)
    await fillKeyed({ bootstrap: broker.bootstrap, topic: name, count: records, keys: KEYS })
  }
  const figures = await contest([
    contender('shoal', 'consume-shoal.ts', { topic, count, workMs }),
    contender('kafkajs eachMessage', 'consume-kafkajs.ts', {
      topic: peerTopic,
      count: peerCount,
      workMs,
    }),
  ])
  for (const [runtime, row] of figures) rows.push({ runtime, workMs, ...row })
  rows.push({
    runtime: 'shoal/kafkajs',
    workMs,
    ...ratios(figures.get('shoal'), figures.get('kafkajs eachMessage')),
  })
}
await publish('runtime', {
  question: 'runtime, 200 keys, concurrency 100, order by key asserted',
  rows,
})

function contender(
  name: string,
  program: string,
  {
    topic,
    count,
    workMs,
  }: { readonly topic: string; readonly count: number; readonly workMs: number },
): Contender {
  return {
    name,
    async turn(round) {
      const job = {
        bootstrap: broker.bootstrap,
        topic,
        count,
        workMs,
        concurrency: CONCURRENCY,
        group: `${topic}-${name.split(' ')[0]}-${round}`,
      }
      const flags = ['--disable-warning=ExperimentalWarning', '--conditions=@shoal/source']
      const load = new Program(process.execPath, [
        ...flags,
        `${import.meta.dirname}/load/${program}`,
        JSON.stringify(job),
      ])
      const { exitCode, stdout, stderr } = await load.finished(600_000)
      if (exitCode !== 0) throw new Error(`${name}: ${stderr}`)
      const { seconds, cpu, disordered, handled } = JSON.parse(stdout)
      if (handled !== count || disordered !== 0)
        throw new Error(`${name}: ${handled} of ${count} records, ${disordered} out of order`)
      return { recordsPerSecond: count / seconds, clientMicrosPerRecord: (cpu / count) * 1e6 }
    },
  }
}
