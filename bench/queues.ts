/**
 * The Redis and RabbitMQ sources beside raw clients, and BullMQ: records a second and CPU a record, with handlers that do
 * nothing and that wait for 10 ms, 100 at once.
 *
 * Contenders take turns, each turn a fresh process. Redis without persistence (one stream of entries; BullMQ's jobs are
 * added anew for each turn), a RabbitMQ quorum queue with a prefetch of 500, filled anew for each turn. Every turn asserts
 * records and bytes, and the order of each key where the contender has one: Shoal always, raw clients without work. CPU of
 * the client and of the server stand apart. What it does not show: several members, a network, large records.
 */

import { existsSync } from 'node:fs'
import { Program } from '../test/real/program.ts'
import { RabbitMqServer } from '../test/real/rabbitmq-server.ts'
import { RedisServer } from '../test/real/redis-server.ts'
import { ratios } from './brokers.ts'
import { contest, cpuSeconds, publish, type Contender, type Figures } from './contest.ts'
import type { QueueJob } from './load/consume-queue.ts'
import { fillBullQueue, fillQueue, fillStream, VALUE_BYTES } from './load/fill-queues.ts'

const CONCURRENCY = 100
const WINDOW = 500

type Row = Readonly<Record<string, string | number>>

interface Server {
  readonly url: string
  readonly pid: number
}

interface Turn extends Pick<QueueJob, 'client' | 'workMs' | 'count' | 'topic' | 'group'> {
  /** Without one, records that run side by side end as they like. */
  readonly isOrdered: boolean
}

const hasBullMq = existsSync(`${import.meta.dirname}/peers/node_modules/bullmq`)
if (!hasBullMq)
  process.stderr.write('bullmq is not installed (bench/peers/install): no rows of it\n')

await publish('queues', {
  question: `Redis and RabbitMQ, ${CONCURRENCY} handlers at once, records and bytes asserted`,
  rows: [...(await redisRows()), ...(await rabbitRows())],
})

async function redisRows(): Promise<readonly Row[]> {
  await using server = await RedisServer.start(['--appendonly', 'no'])
  const rows: Row[] = []
  for (const { workMs, count, jobs } of [
    { workMs: 0, count: 500_000, jobs: 50_000 },
    { workMs: 10, count: 40_000, jobs: 40_000 },
  ]) {
    const topic = `stream-${workMs}`
    await fillStream({ url: server.url, topic, count })
    const reader = (client: 'shoal' | 'raw'): Contender => ({
      name: client === 'raw' ? 'raw XREADGROUP' : 'shoal',
      turn: (round) =>
        consume(server, {
          client,
          workMs,
          count,
          topic,
          group: `${client}-${round}`,
          isOrdered: client === 'shoal' || workMs === 0,
        }),
    })
    const bull: Contender = {
      name: 'bullmq',
      async turn(round) {
        const queue = `jobs-${workMs}-${round}`
        await fillBullQueue({ url: server.url, topic: queue, count: jobs })
        const turn = { client: 'bullmq', workMs, count: jobs, topic: queue, group: '' } as const
        return consume(server, { ...turn, isOrdered: false })
      },
    }
    const figures = await contest([reader('shoal'), reader('raw'), ...(hasBullMq ? [bull] : [])])
    rows.push(...compared('redis', workMs, figures))
  }
  return rows
}

async function rabbitRows(): Promise<readonly Row[]> {
  await using node = await RabbitMqServer.start()
  const [pid = -1] = await node.pids()
  const server = { url: node.url, pid }
  const rows: Row[] = []
  for (const { workMs, count } of [
    { workMs: 0, count: 60_000 },
    { workMs: 10, count: 40_000 },
  ]) {
    const reader = (client: 'shoal' | 'raw'): Contender => ({
      name: client === 'raw' ? 'raw amqplib' : 'shoal',
      async turn(round) {
        const topic = `queue-${workMs}-${client}-${round}`
        await fillQueue({ url: server.url, topic, count })
        const isOrdered = client === 'shoal' || workMs === 0
        return consume(server, { client, workMs, count, topic, group: topic, isOrdered })
      },
    })
    const figures = await contest([reader('shoal'), reader('raw')])
    rows.push(...compared('rabbitmq', workMs, figures))
  }
  return rows
}

async function consume({ url, pid }: Server, { isOrdered, ...turn }: Turn): Promise<Figures> {
  const job: QueueJob = { ...turn, url, concurrency: CONCURRENCY, window: WINDOW }
  const flags = ['--disable-warning=ExperimentalWarning', '--conditions=@shoal/source']
  const program = `${import.meta.dirname}/load/consume-queue.ts`
  const before = await cpuSeconds(pid)
  const load = new Program(process.execPath, [...flags, program, JSON.stringify(job)])
  const { exitCode, stdout, stderr } = await load.finished(600_000)
  const { client, count } = turn
  if (exitCode !== 0) throw new Error(`${client}: ${stderr}`)
  const { seconds, cpu, disordered, handled, bytes } = JSON.parse(stdout)
  if (handled !== count || bytes !== count * VALUE_BYTES)
    throw new Error(`${client}: ${handled} of ${count} records, ${bytes} bytes`)
  if (isOrdered && disordered !== 0) throw new Error(`${client}: ${disordered} out of order`)
  const server = (await cpuSeconds(pid)) - before
  return {
    recordsPerSecond: count / seconds,
    clientMicrosPerRecord: (cpu / count) * 1e6,
    serverMicrosPerRecord: (server / count) * 1e6,
  }
}

/** A row for each contender, and one for Shoal's ratio to each other. */
function compared(
  broker: string,
  workMs: number,
  figures: ReadonlyMap<string, Figures>,
): readonly Row[] {
  const mine = figures.get('shoal')
  return [...figures].flatMap(([name, row]) => [
    { broker, client: name, workMs, ...row },
    ...(name === 'shoal'
      ? []
      : [{ broker, client: `shoal/${name}`, workMs, ...ratios(mine, row) }]),
  ])
}
