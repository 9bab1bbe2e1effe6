/**
 * What is counted as it happens: the runtime's `shoal:*` channels become counters and histograms.
 *
 * Events of this service's group alone: another consumer in the process has its own. Reasons of dead letters come from the
 * first 20 that were seen, then `other`, so that an error message never becomes a series each.
 */

import { telemetry } from '../../consumer/index.ts'
import type { EventChannel, HandleEvent } from '../../consumer/index.ts'
import type { Clock } from '../../core/index.ts'
import { BY_TOPIC, COMMON, type Meters } from './meters.ts'

const REASONS = 20
const outcomes = {
  handled: 'ok',
  skipped: 'skipped',
  deadLettered: 'dead_letter',
  parked: 'parked',
} as const
const moves = { assigned: 'assigned', released: 'revoked', lost: 'lost' } as const

/** What the events leave behind for the gauges. */
export interface Activity {
  /** Handlers at work. */
  inFlight: number
  /** Partitions of this member that wait for room. */
  readonly paused: Set<string>
  /** Circuit breakers by name: whether each lets records through. */
  readonly breakers: Map<string, 'closed' | 'open' | 'half-open'>
}

/** Counts until it is disposed of. */
export function countEvents(
  meters: Meters,
  group: string,
  clock: Clock,
): { readonly activity: Activity } & Disposable {
  const listening = new DisposableStack()
  const activity: Activity = { inFlight: 0, paused: new Set(), breakers: new Map() }
  countRecords(meters, onGroup(group, listening), clock)
  countPartitions(meters, onGroup(group, listening), activity)
  timeHandlers({ meters, group, clock, activity, listening })
  return { activity, [Symbol.dispose]: () => listening.dispose() }
}

type On = <Event extends { readonly group: string }>(
  channel: EventChannel<Event>,
  take: (event: Event) => void,
) => void

function onGroup(group: string, listening: DisposableStack): On {
  return (channel, take) => {
    const listener: typeof take = (event) => {
      if (event.group === group) take(event)
    }
    channel.subscribe(listener)
    listening.defer(() => void channel.unsubscribe(listener))
  }
}

function countRecords(meters: Meters, on: On, clock: Clock): void {
  const { common } = meters
  const processed = meters.counter(
    'shoal_records_processed_total',
    'Records that ended, and executions that will be tried again, by outcome',
    [...BY_TOPIC, 'outcome'],
  )
  const age = meters.histogram(
    'shoal_record_age_seconds',
    'From when a record was written to when it was done',
  )
  const letters = meters.counter(
    'shoal_dead_letters_total',
    'Records that went to the dead letters, by reason',
    [...BY_TOPIC, 'reason'],
  )
  const reasonOf = boundedReasons()
  on(telemetry.end, ({ topic, how, timestampMs }) => {
    processed.inc({ ...common, topic, outcome: outcomes[how] })
    age.observe({ ...common, topic }, Math.max(0, clock.wallMs() - timestampMs) / 1_000)
  })
  on(telemetry.retry, ({ ctx }) => processed.inc({ ...common, topic: ctx.topic, outcome: 'retry' }))
  on(telemetry.deadLetter, ({ id, kind, reason }) => {
    // `topic/partition/offset`
    const topic = id.split('/').slice(0, -2).join('/')
    if (kind === 'written') letters.inc({ ...common, topic, reason: reasonOf(reason) })
  })
}

function countPartitions(meters: Meters, on: On, { paused, breakers }: Activity): void {
  const { common } = meters
  const commits = meters.counter('shoal_group_offset_commits_total', 'Commits by how they ended', [
    ...COMMON,
    'result',
  ])
  const moved = meters.counter(
    'shoal_group_partitions_moved_total',
    'Partitions that came to this member or went from it',
    [...COMMON, 'kind'],
  )
  on(telemetry.commit, ({ committed, stale, retry }) => {
    if (committed.length > 0) commits.inc({ ...common, result: 'ok' })
    if (stale.length > 0) commits.inc({ ...common, result: 'fenced' })
    if (retry) commits.inc({ ...common, result: 'error' })
  })
  on(telemetry.rebalance, ({ kind, partitions }) => {
    if (kind === 'revoking') return
    moved.inc({ ...common, kind: moves[kind] }, partitions.length)
    for (const partition of partitions) paused.delete(idOf(partition))
  })
  on(telemetry.breaker, ({ name, state }) => void breakers.set(name, state))
  on(telemetry.pause, ({ kind, partition }) => {
    if (partition === null) return
    if (kind === 'paused') paused.add(idOf(partition))
    else paused.delete(idOf(partition))
  })
}

function timeHandlers(parts: {
  readonly meters: Meters
  readonly group: string
  readonly clock: Clock
  readonly activity: Activity
  readonly listening: DisposableStack
}): void {
  const { meters, group, clock, activity, listening } = parts
  const { common } = meters
  const duration = meters.histogram(
    'shoal_process_duration_seconds',
    'How long one execution of the handler took',
  )
  const redelivered = meters.counter(
    'shoal_redeliveries_total',
    'Executions of records that had been handed out before',
    BY_TOPIC,
  )
  const startedMs = new WeakMap<object, number>()
  const start = (message: unknown) => {
    const event = message as HandleEvent
    if (event.group !== group) return
    startedMs.set(event, clock.monotonicMs())
    activity.inFlight++
    if (event.ctx.redelivered) redelivered.inc({ ...common, topic: event.ctx.topic })
  }
  const end = (message: unknown) => {
    const event = message as HandleEvent
    const sinceMs = startedMs.get(event)
    if (sinceMs === undefined) return
    activity.inFlight--
    const { topic } = event.ctx
    duration.observe({ ...common, topic }, (clock.monotonicMs() - sinceMs) / 1_000)
  }
  telemetry.handle.start.subscribe(start)
  telemetry.handle.asyncEnd.subscribe(end)
  listening.defer(() => {
    telemetry.handle.start.unsubscribe(start)
    telemetry.handle.asyncEnd.unsubscribe(end)
  })
}

function boundedReasons(): (reason: string) => string {
  const seen = new Set<string>()
  return (reason) => {
    if (seen.has(reason)) return reason
    if (seen.size >= REASONS) return 'other'
    seen.add(reason)
    return reason
  }
}

function idOf({
  topic,
  partition,
}: {
  readonly topic: string
  readonly partition: number
}): string {
  return `${topic}/${partition}`
}
