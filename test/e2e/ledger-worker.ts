/**
 * A worker that keeps the ledger: consumes a topic with the runtime until it is killed or told to stop.
 *
 * Prints `working` once it has begun its first record.
 */

import { openSync, writeSync } from 'node:fs'
import { consumer } from 'shoal'
import { kafka } from 'shoal/kafka'
import { entryLine, type Entry } from './ledger.ts'

export interface WorkerJob {
  readonly brokers: string
  readonly topic: string
  readonly group: string
  readonly worker: string
  readonly ledger: string
  readonly workMs: number
  readonly concurrency: number
  readonly sessionTimeoutMs: number
  readonly groupInstanceId?: string
}

const job = JSON.parse(process.argv[2] ?? '') as WorkerJob
const file = openSync(job.ledger, 'a')
const stop = new AbortController()
process.on('SIGTERM', () => stop.abort())
let silent = true

const running = await consumer({
  group: job.group,
  source: kafka({
    brokers: job.brokers,
    topics: [job.topic],
    offsetReset: 'earliest',
    sessionTimeoutMs: job.sessionTimeoutMs,
    heartbeatIntervalMs: Math.floor(job.sessionTimeoutMs / 10),
    ...(job.groupInstanceId === undefined ? {} : { groupInstanceId: job.groupInstanceId }),
  }),
  concurrency: job.concurrency,
  decode: 'text',
  handle: async (value, ctx) => {
    const { partition, offset } = ctx
    const entry = {
      worker: job.worker,
      partition,
      offset,
      key: ctx.key ?? '',
      sequence: Number(value),
    }
    write({ what: 'begin', ...entry })
    await new Promise((resolve) => setTimeout(resolve, job.workMs))
    write({ what: 'done', ...entry })
  },
}).start({ signal: stop.signal })
const report = await running.finished
process.stdout.write(`${JSON.stringify(report)}\n`)

function write(entry: Entry): void {
  writeSync(file, entryLine(entry))
  if (silent) process.stdout.write('working\n')
  silent = false
}
