/**
 * One consumer over a Redis stream, a BullMQ queue or a RabbitMQ queue, until all records were handled: Shoal's runtime or the
 * broker's own client, as the job says. Prints seconds, CPU seconds, records, bytes and how many were out of order.
 *
 * Raw clients work as one writes it by hand: Redis reads batches (XREADGROUP COUNT) and acknowledges each with one XACK
 * when it is done, RabbitMQ acknowledges each message. Handlers that wait: a batch of Redis is as large as the concurrency,
 * RabbitMQ's messages go through a queue of as many workers.
 */

import { createRequire } from 'node:module'
import { connect, type ConsumeMessage } from 'amqplib'
import { Redis } from 'ioredis'
import { open } from 'shoal/open'
import { OrderCheck, work } from './order-check.ts'

export interface QueueJob {
  readonly client: 'shoal' | 'raw' | 'bullmq'
  readonly url: string
  readonly topic: string
  readonly group: string
  readonly count: number
  readonly workMs: number
  readonly concurrency: number
  /** Entries a read takes, messages on their way. */
  readonly window: number
}

/** What BullMQ has that is used here: it is no devDependency, so its types are not there. */
interface BullMq {
  Worker: new (
    name: string,
    handle: (job: { readonly data: QueuedValue }) => Promise<void>,
    options: object,
  ) => { close(force: boolean): Promise<void>; on(event: 'error', told: (e: Error) => void): void }
}

export interface QueuedValue {
  readonly key: string
  readonly sequence: number
  readonly text: string
}

const job = JSON.parse(process.argv[2] ?? '') as QueueJob
const check = new OrderCheck(job.count)
let bytes = 0
const isRabbit = job.url.startsWith('amqp:')
const stop = await (job.client === 'shoal'
  ? shoal()
  : job.client === 'bullmq'
    ? bullmq()
    : isRabbit
      ? rawRabbit()
      : rawRedis())
await check.finished
const result = check.result()
await stop()
process.stdout.write(JSON.stringify({ ...result, bytes }))
process.exit()

/** A record of a topic: its value begins with the sequence of its key. */
function handle(key: string, value: Uint8Array): Promise<void> | undefined {
  const sequence = new DataView(value.buffer, value.byteOffset).getUint32(0)
  bytes += value.length
  check.begin(key, sequence)
  const working = work(job.workMs)
  if (working === undefined) {
    check.end(key, sequence)
    return undefined
  }
  return working.then(() => check.end(key, sequence))
}

async function shoal() {
  const { topic, group, window, concurrency, url } = job
  const options = isRabbit ? { prefetch: window } : { count: window }
  const door = await open(url, { topic, group, sharing: 'ordered', ...options })
  const running = await door
    .consumer({
      decode: 'bytes',
      concurrency,
      handle: (value, ctx) => handle(ctx.key ?? '', value as Uint8Array),
    })
    .start()
  return () => running.drain()
}

async function rawRedis() {
  const { topic, group, window, concurrency, workMs, url } = job
  const most = workMs === 0 ? window : concurrency
  const redis = new Redis(url, { protocol: 2 })
  await redis.xgroup('CREATE', topic, group, '0')
  const stopped = new AbortController()
  const reading = (async () => {
    while (!stopped.signal.aborted) {
      const who = ['GROUP', group, 'raw', 'COUNT', most, 'BLOCK', 100]
      const answer = (await redis.callBuffer('XREADGROUP', [...who, 'STREAMS', topic, '>'])) as
        | [Buffer, [Buffer, Buffer[]][]][]
        | null
      const entries = answer?.[0]?.[1] ?? []
      const waiting = entries.flatMap(
        ([, fields]) => handle(String(fields[1]), fields[3] ?? new Uint8Array(4)) ?? [],
      )
      if (waiting.length > 0) await Promise.all(waiting)
      if (entries.length > 0) await redis.xack(topic, group, ...entries.map(([id]) => id))
    }
  })()
  return async () => {
    stopped.abort()
    await reading
    redis.disconnect()
  }
}

async function bullmq() {
  const { topic, url, concurrency } = job
  const { Worker } = createRequire(`${import.meta.dirname}/../peers/`)('bullmq') as BullMq
  const { hostname: host, port } = new URL(url)
  const worker = new Worker(
    topic,
    async ({ data: { key, sequence, text } }) => {
      bytes += text.length
      // Jobs that run side by side have no order: they are counted, not judged.
      await work(job.workMs)
      check.end(key, sequence)
    },
    { connection: { host, port: Number(port), maxRetriesPerRequest: null }, concurrency },
  )
  check.begin('', 0)
  worker.on('error', (error) => {
    throw error
  })
  return () => worker.close(true)
}

async function rawRabbit() {
  const { topic, window, concurrency, url } = job
  const connection = await connect(url)
  const channel = await connection.createChannel()
  const waiting: ConsumeMessage[] = []
  let running = 0
  const start = async (message: ConsumeMessage) => {
    running++
    await handled(message)
    channel.ack(message)
    running--
    const next = waiting.shift()
    if (next !== undefined) void start(next)
  }
  const handled = ({ properties, content }: ConsumeMessage) =>
    handle(String(properties.headers?.['shoal-key']), content)
  await channel.prefetch(window)
  await channel.consume(topic, (message) => {
    if (message === null) return
    if (job.workMs === 0) {
      void handled(message)
      channel.ack(message)
    } else if (running < concurrency) void start(message)
    else waiting.push(message)
  })
  return async () => {
    // The acknowledgement of the last one leaves first.
    await new Promise((resolve) => setImmediate(resolve))
    await channel.close()
    await connection.close()
  }
}
