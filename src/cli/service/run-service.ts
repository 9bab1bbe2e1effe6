/**
 * A service from start to end: joins the group, handles records, leaves when asked, and says what it did.
 */

import { availableParallelism } from 'node:os'
import { serviceConsumer, type Report, type ServiceModule } from '../../consumer/index.ts'
import type { Logger } from '../../core/index.ts'
import { kafka } from '../../sources/kafka/index.ts'
import type { ServiceSettings } from './service-settings.ts'

/** As the classic service asks for: a minute without a heartbeat before its partitions go to others. */
const SESSION_TIMEOUT_MS = 60_000

const STOPPING = 'Stopping: what has started is finished first. A second signal leaves at once.'

export interface ServiceRun {
  readonly settings: ServiceSettings
  readonly module: ServiceModule
  /** Where the lines of the service go. */
  readonly logger: Logger
  /** Where those of the runtime below it go; default `logger`. */
  readonly runtimeLogger?: Logger
  /** How long to try to reach a broker, milliseconds; default the source's own. */
  readonly bootstrapTimeoutMs?: number
  /** Ends the service: what has started is finished and committed, then the group is left. */
  readonly stop: AbortSignal
  /** Overrides what the module says; default there: the cores of the machine. */
  readonly concurrency?: number
}

/** Resolves with the report once the service was stopped; rejects when it could not go on. */
export async function runService({
  settings,
  module,
  logger,
  runtimeLogger = logger,
  bootstrapTimeoutMs,
  stop,
  concurrency,
}: ServiceRun): Promise<Report> {
  const { brokers, groupId, topics } = settings
  const workers = concurrency ?? module.options?.concurrency ?? availableParallelism()
  const log = (message: string, fields?: Record<string, unknown>) =>
    logger.log('info', message, fields)
  const definition = serviceConsumer(module, {
    group: groupId,
    source: kafka({
      brokers,
      topics: [...topics],
      sessionTimeoutMs: SESSION_TIMEOUT_MS,
      offsetReset: 'earliest',
      ...(bootstrapTimeoutMs === undefined ? {} : { bootstrapTimeoutMs }),
    }),
    deadLetter: `${topics[0]}.dlq`,
    concurrency: workers,
    overrides: { concurrency: workers },
    logger: runtimeLogger,
    tools: { log },
  })
  log(`Consumer created with group.id: ${groupId}`)
  const running = await definition.start({ signal: stop })
  log(
    topics.length === 1
      ? 'Connected to Kafka and listening to the topic...'
      : `Connected to Kafka and listening to ${topics.length} topics...`,
  )
  log(`Using ${describeWorkers(workers)} for concurrent processing.`)
  stop.addEventListener('abort', () => log(STOPPING), { once: true })
  const report = await running.finished
  log('Consumer closed.', {
    handled: report.handled,
    failed: report.failed,
    deadLettered: report.deadLettered,
    abandoned: report.abandoned,
  })
  return report
}

function describeWorkers(workers: unknown): string {
  return typeof workers === 'number'
    ? `${workers} ${workers === 1 ? 'worker' : 'workers'}`
    : 'an adaptive number of workers'
}
