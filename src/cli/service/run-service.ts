/**
 * A service from start to end: joins the group, handles records, answers probes, watches its lag, leaves when asked, and
 * says what it did.
 *
 *   SIGTERM ─▶ /readyz 503 ─▶ what runs finishes ─▶ commit ─▶ the group is left ─▶ the port closes
 */

import { availableParallelism } from 'node:os'
import type { Health, NoticeEvent, Report, Running, ServiceModule } from '../../consumer/index.ts'
import { serviceConsumer, telemetry } from '../../consumer/index.ts'
import type { Clock, LogFields, Logger, Timers } from '../../core/index.ts'
import type { KafkaClusterOptions } from '../../sources/kafka/index.ts'
import { kafka } from '../../sources/kafka/index.ts'
import { ServiceMetrics } from '../metrics/service-metrics.ts'
import type { ServiceConfig } from '../config/schema.ts'
import { type AlertFunction, tellHooks } from './alert-hooks.ts'
import { warnWhenIdle } from './idle-warning.ts'
import { LagWatch } from './lag-watch.ts'
import { openMonitor } from './monitor.ts'
import { assessReadiness } from './readiness.ts'
import { clusterOptions, runtimeOverrides, sourceOptions } from './service-options.ts'

const STOPPING = 'Stopping: what has started is finished first. A second signal leaves at once.'
const NOT_STARTED: Health = { status: 'ok', reasons: [], oldestInFlightMs: 0, blockedKeys: 0 }

export interface ServiceRun {
  readonly config: ServiceConfig
  readonly module: ServiceModule
  /** Called when an alert on lag fires or is over. */
  readonly onAlert?: AlertFunction | undefined
  /** Where relative file names of the configuration begin. */
  readonly cwd: string
  readonly version: string
  /** Where the lines of the service go. */
  readonly logger: Logger
  /** Where those of the runtime below it go; default `logger`. */
  readonly runtimeLogger?: Logger
  readonly clock: Clock
  readonly timers: Timers
  /** How long to try to reach a broker, milliseconds; default the source's own. */
  readonly bootstrapTimeoutMs?: number
  /** Ends the service: what has started is finished and committed, then the group is left. */
  readonly stop: AbortSignal
}

/** Resolves with the report once the service was stopped; rejects when it could not go on. */
export async function runService(run: ServiceRun): Promise<Report> {
  const { config, logger, stop } = run
  const cluster = await clusterOptions(config.consumer, run.cwd)
  const log = (message: string, fields?: LogFields) => logger.log('info', message, fields)
  const state: State = { running: null, hasJoined: false }
  await using _watching = await watchOver(run, cluster, state)
  const definition = define(run, cluster, log)
  log(`Consumer created with group.id: ${config.consumer.group}`)
  const running = await definition.start({ signal: stop })
  state.running = running
  log(listening(config.consumer.topics))
  log(`Using ${workersText(definition.describe().concurrency)} for concurrent processing.`)
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

/** What the probes know of the service. */
interface State {
  running: Running | null
  /** The broker has taken it into the group, with or without partitions. */
  hasJoined: boolean
}

function define(
  { config, module, logger, runtimeLogger = logger, bootstrapTimeoutMs }: ServiceRun,
  cluster: KafkaClusterOptions,
  log: (message: string, fields?: LogFields) => void,
) {
  const { consumer } = config
  const source = kafka({
    ...sourceOptions(consumer, cluster),
    ...(bootstrapTimeoutMs === undefined ? {} : { bootstrapTimeoutMs }),
  })
  return serviceConsumer(module, {
    group: consumer.group,
    source,
    deadLetter: `${consumer.topics[0]}.dlq`,
    concurrency: availableParallelism(),
    overrides: runtimeOverrides(consumer, module.options),
    logger: runtimeLogger,
    tools: { log },
  })
}

/** The idle warning, and metrics, probes and the lag watch where the configuration asks for them, until the service has ended. */
async function watchOver(
  run: ServiceRun,
  cluster: KafkaClusterOptions,
  state: State,
): Promise<AsyncDisposable> {
  const { config, clock, timers, logger, stop } = run
  const { metrics, consumer } = config
  const watching = new AsyncDisposableStack()
  watching.use(
    warnWhenIdle({
      group: consumer.group,
      timers,
      logger,
      openAdmin: async () => {
        const { openKafkaAdmin } = await import('../../sources/kafka/admin/index.ts')
        return openKafkaAdmin(cluster)
      },
    }),
  )
  if (metrics.port === undefined && config.lag.alerts.length === 0) return watching
  const lag = watching.use(lagWatch(run, cluster))
  if (metrics.port === undefined) return watching
  const onNotice = ({ group, notice }: NoticeEvent) => {
    if (group === consumer.group && notice.kind === 'joined') state.hasJoined = true
  }
  telemetry.notice.subscribe(onNotice)
  watching.defer(() => void telemetry.notice.unsubscribe(onNotice))
  const health = () => state.running?.health() ?? NOT_STARTED
  const library = await import('@prometheus-io/client')
  const series = watching.use(
    new ServiceMetrics({
      library,
      group: consumer.group,
      clock,
      version: run.version,
      partitionSeries: metrics.partitionSeries,
      health,
      lag: () => lag.lag,
    }),
  )
  const monitor = await openMonitor({
    address: { host: metrics.host, port: metrics.port },
    clock,
    timers,
    logger,
    metrics: () => series.text(),
    readiness: () =>
      assessReadiness({
        hasJoined: state.hasJoined,
        isStopping: stop.aborted,
        health: health(),
        firing: lag.firing,
      }),
  })
  watching.defer(() => monitor.close())
  const { host, port } = monitor.address
  logger.log('info', `Metrics and probes on http://${host}:${port}`)
  return watching
}

function lagWatch(run: ServiceRun, cluster: KafkaClusterOptions): LagWatch {
  const { config, clock, timers, runtimeLogger = run.logger, onAlert = null } = run
  const { group, topics } = config.consumer
  return new LagWatch({
    group,
    intervalMs: config.lag.interval,
    rules: config.lag.alerts,
    clock,
    timers,
    logger: runtimeLogger,
    open: async () => {
      const { GroupLagReader } = await import('../../sources/kafka/admin/index.ts')
      return GroupLagReader.open({ ...cluster, group, topics })
    },
    tell: (alert) => tellHooks(alert, { group, logger: runtimeLogger, timers, onAlert, fetch }),
  })
}

function listening(topics: readonly string[]): string {
  return topics.length === 1
    ? 'Connected to Kafka and listening to the topic...'
    : `Connected to Kafka and listening to ${topics.length} topics...`
}

function workersText(workers: unknown): string {
  return typeof workers === 'number'
    ? `${workers} ${workers === 1 ? 'worker' : 'workers'}`
    : 'an adaptive number of workers'
}
