/**
 * A worker process of a crash ledger: runs a user's module over the ledger's topic and writes down what its handler does.
 *
 * A module that exports `handle` runs as `shoal run` runs it. One that exports `run` consumes by itself, with whatever
 * client, and calls `ledger.begin` and `ledger.done`: that is how another consumer is put to the same test.
 * It dies with its parent, and stops when it is asked to.
 */

import type { ServiceModule } from '../../consumer/index.ts'
import {
  checkServiceModule,
  importModule,
  serviceConsumer,
  telemetry,
} from '../../consumer/index.ts'
import { systemClock, systemTimers } from '../../core/index.ts'
import type { RunModule } from './crash-ledger.ts'
import { ledgerSource } from './ledger-broker.ts'
import { WorkerBook } from './worker-book.ts'
import type { WorkerJob, WorkerMessage } from './worker-job.ts'

/** Handlers at once, unless the module or the ledger says it: enough that a crash finds many under way. */
const CONCURRENCY = 100

const job = JSON.parse(process.argv[2] ?? '') as WorkerJob
const stop = new AbortController()
process.on('SIGTERM', () => stop.abort())
process.on('disconnect', () => process.exit(1))
const send = (message: WorkerMessage) => void process.send?.(message)
const book = new WorkerBook({
  worker: job.worker,
  path: job.ledger,
  clock: systemClock,
  timers: systemTimers,
  send,
})

const module = await importModule(new URL(job.module), job.module)
if (typeof module['run'] === 'function') {
  const { run } = module as unknown as RunModule
  await run({ ...job, ledger: book, signal: stop.signal })
} else await serve(checkServiceModule(module, job.module))
process.exit()

async function serve(service: ServiceModule): Promise<void> {
  const { place, topic, group, concurrency, worker } = job
  tellOfDeadLetters()
  telemetry.commit.subscribe((event) => book.committed(event))
  telemetry.rebalance.subscribe(({ kind, partitions }) => {
    if (kind === 'lost') book.lost(partitions)
  })
  const definition = serviceConsumer(watched(service), {
    group,
    source: await ledgerSource(place),
    deadLetter: `${topic}.dlq`,
    concurrency: CONCURRENCY,
    logger: {
      log: (level, text, fields = {}) => {
        if (level === 'warn' || level === 'error')
          process.stderr.write(`${worker}: ${text} ${JSON.stringify(fields)}\n`)
      },
    },
    tools: { log: () => {} },
    ...(concurrency === null ? {} : { overrides: { concurrency } }),
  })
  const isCompeting = place.openOptions.sharing === 'competing'
  send({ kind: 'order', order: isCompeting ? 'none' : definition.describe().order })
  const running = await definition.start({ signal: stop.signal })
  await running.finished
}

function watched(service: ServiceModule): ServiceModule {
  return {
    ...service,
    handle: async (message, ctx, tools) => {
      book.begin(ctx)
      const outcome = await service.handle(message, ctx, tools)
      if (outcome === undefined) book.done(ctx)
      else if ('skip' in outcome) book.settled(ctx)
      return outcome
    },
  }
}

/** Their id is `topic/partition/offset`. */
function tellOfDeadLetters(): void {
  telemetry.deadLetter.subscribe(({ id, kind }) => {
    const [, partition, offset] = /\/(\d+)\/(\d+)$/.exec(id) ?? []
    if (kind === 'written') book.settled({ partition: Number(partition), offset: Number(offset) })
  })
}
