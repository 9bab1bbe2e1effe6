/**
 * Shoal's runtime over a topic: as many records at a time as the concurrency says, in the order of their keys.
 */

import { consumer } from 'shoal'
import { kafka } from 'shoal/kafka'
import { OrderCheck, work, type Job } from './order-check.ts'

const job = JSON.parse(process.argv[2] ?? '') as Job
const check = new OrderCheck(job.count)
const running = await consumer({
  group: job.group,
  source: kafka({ brokers: job.bootstrap, topics: [job.topic], offsetReset: 'earliest' }),
  concurrency: job.concurrency,
  decode: 'bytes',
  handle: (value, ctx) => {
    const key = ctx.key ?? ''
    const sequence = value === null ? -1 : new DataView(value.buffer, value.byteOffset).getUint32(0)
    check.begin(key, sequence)
    const working = work(job.workMs)
    if (working === undefined) return check.end(key, sequence)
    return working.then(() => check.end(key, sequence))
  },
}).start()
await check.finished
const result = check.result()
await running.drain()
process.stdout.write(JSON.stringify(result))
