/**
 * What the runtime tells whoever listens, by `node:diagnostics_channel`: no dependency, and next to no cost while
 * nobody subscribes.
 *
 * `shoal:handle` is a tracing channel (start, end, asyncStart, asyncEnd, error) around each execution; the others are
 * plain channels with one message type each.
 */

import { channel, tracingChannel } from 'node:diagnostics_channel'
import type { TracingChannel } from 'node:diagnostics_channel'
import type { Ctx } from './options.ts'
import type { CommitPosition, OwnedPartition, SourceNotice } from './source.ts'

export interface HandleEvent {
  readonly group: string
  readonly ctx: Ctx
}

/**
 * A record is over and done with: it counts for the committed position. Told once for each record; for one that was
 * `parked` once more when it is done for good.
 */
export interface EndEvent {
  readonly group: string
  readonly how: 'handled' | 'skipped' | 'deadLettered' | 'parked'
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** When the record was written, milliseconds since the epoch. */
  readonly timestampMs: number
}

export interface CommitEvent {
  readonly group: string
  readonly committed: readonly CommitPosition[]
  readonly stale: readonly CommitPosition[]
  /** Something of it has to be sent again. */
  readonly retry: boolean
  readonly error: unknown
  readonly durationMs: number
}

export interface RebalanceEvent {
  readonly group: string
  readonly kind: 'assigned' | 'revoking' | 'released' | 'lost'
  readonly partitions: readonly OwnedPartition[]
}

export interface PauseEvent {
  readonly group: string
  readonly kind: 'paused' | 'resumed'
  /** null: the whole consumer, by its user or because its ownership is in doubt. */
  readonly partition: OwnedPartition | null
  readonly reason: 'buffer' | 'completion-map' | 'parked' | 'user' | 'ownership'
}

export interface RetryEvent {
  readonly group: string
  readonly ctx: Ctx
  readonly afterMs: number
  readonly error: unknown
}

export interface DeadLetterEvent {
  readonly group: string
  readonly id: string
  readonly kind: 'written' | 'failed'
  readonly topic: string
  readonly reason: string
  /** Why the write failed; null when it did not. */
  readonly error: unknown
  readonly durationMs: number | undefined
}

/** A circuit breaker opened, tries again, or closed. */
export interface BreakerEvent {
  readonly group: string
  readonly name: string
  readonly state: 'closed' | 'open' | 'half-open'
  /** Failures in its window. */
  readonly failures: number
}

/** A record was moved to its parked lane, or one that was there is done. */
export interface ParkEvent {
  readonly group: string
  readonly kind: 'parked' | 'recovered'
  readonly id: string
  /** The topic of what is parked. */
  readonly topic: string
}

/** A partition whose owner died was found, or a record was given up that the process died over again and again. */
export interface SuspectEvent {
  readonly group: string
  readonly kind: 'found' | 'given-up'
  readonly topic: string
  readonly partition: number
  /** Of the record that was given up, else null. */
  readonly offset: number | null
  /** Starts of that record which did not end; of a partition, how many records it is suspicious of. */
  readonly starts: number
}

export interface StuckEvent {
  readonly group: string
  readonly reasons: readonly string[]
}

/** What the source tells its operator: joined, a reset, records that retention took, a slow broker. */
export interface NoticeEvent {
  readonly group: string
  readonly notice: SourceNotice
}

export interface PartitionEndEvent {
  readonly group: string
  readonly partition: OwnedPartition
  readonly offset: number
}

/** A `diagnostics_channel` channel that knows what it carries. */
export interface EventChannel<T> {
  readonly name: string | symbol
  readonly hasSubscribers: boolean
  publish(event: T): void
  subscribe(listener: (event: T, name: string | symbol) => void): void
  unsubscribe(listener: (event: T, name: string | symbol) => void): boolean
}

export interface Telemetry {
  readonly handle: TracingChannel<unknown, HandleEvent>
  readonly end: EventChannel<EndEvent>
  readonly commit: EventChannel<CommitEvent>
  readonly rebalance: EventChannel<RebalanceEvent>
  readonly pause: EventChannel<PauseEvent>
  readonly retry: EventChannel<RetryEvent>
  readonly deadLetter: EventChannel<DeadLetterEvent>
  readonly park: EventChannel<ParkEvent>
  readonly breaker: EventChannel<BreakerEvent>
  readonly suspect: EventChannel<SuspectEvent>
  readonly stuck: EventChannel<StuckEvent>
  readonly partitionEnd: EventChannel<PartitionEndEvent>
  readonly notice: EventChannel<NoticeEvent>
}

/** The channels by their role; their names are `shoal:` and the role in kebab-case. */
export const telemetry: Telemetry = {
  handle: tracingChannel('shoal:handle'),
  end: events('shoal:end'),
  commit: events('shoal:commit'),
  rebalance: events('shoal:rebalance'),
  pause: events('shoal:pause'),
  retry: events('shoal:retry'),
  deadLetter: events('shoal:dead-letter'),
  park: events('shoal:park'),
  breaker: events('shoal:breaker'),
  suspect: events('shoal:suspect'),
  stuck: events('shoal:stuck'),
  partitionEnd: events('shoal:partition-end'),
  notice: events('shoal:notice'),
}

/** The channel of Node knows nothing of what it carries; each is published to with its own event only. */
function events<T>(name: string): EventChannel<T> {
  return channel(name) as unknown as EventChannel<T>
}
