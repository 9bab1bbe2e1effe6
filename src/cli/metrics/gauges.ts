/**
 * What is read at each scrape: how the consumer is, and how far its group is behind.
 *
 * The lag is that of the last look (`lag-watch.ts`); a scrape asks no broker. Series that name a partition are withheld
 * when there would be more than `partitionSeries` of them, and counted; the sums stay.
 */

import type { GroupLag, PartitionLag } from '../../admin/index.ts'
import type { Health } from '../../consumer/index.ts'
import type { Activity } from './events.ts'
import { BY_TOPIC, COMMON, type Meters } from './meters.ts'

export interface GaugeFacts {
  readonly version: string
  readonly partitionSeries: number
  readonly activity: Activity
  health(): Health
  /** Null before the first look. */
  lag(): GroupLag | null
}

const HEALTH = ['ok', 'degraded', 'stuck'] as const
/** Series of each partition. */
const PER_PARTITION = 2

export function showConsumer(meters: Meters, facts: GaugeFacts): void {
  const { common } = meters
  const { activity, version, health } = facts
  meters.gauge('shoal_build_info', 'Which Shoal this is', ['version', 'node'], (set) =>
    set(1, { version, node: process.version }),
  )
  meters.gauge('shoal_records_in_flight', 'Handlers at work', COMMON, (set) =>
    set(activity.inFlight, common),
  )
  meters.gauge(
    'shoal_group_paused_partitions',
    'Partitions of this member that wait for room',
    COMMON,
    (set) => set(activity.paused.size, common),
  )
  meters.gauge(
    'shoal_consumer_health',
    'How the consumer is: 1 for what holds',
    [...COMMON, 'status'],
    (set) => {
      const { status } = health()
      for (const word of HEALTH) set(word === status ? 1 : 0, { ...common, status: word })
    },
  )
  meters.gauge(
    'shoal_consumer_oldest_in_flight_seconds',
    'Age of the execution that has run longest',
    COMMON,
    (set) => set(health().oldestInFlightMs / 1_000, common),
  )
  meters.gauge(
    'shoal_consumer_blocked_keys',
    'Keys that wait for a retry or a dead letter',
    COMMON,
    (set) => set(health().blockedKeys, common),
  )
}

const BREAKER_STATES = { closed: 0, 'half-open': 1, open: 2 } as const

/** Series appear when a breaker first opens. */
export function showBreakers(meters: Meters, { activity }: GaugeFacts): void {
  meters.gauge(
    'shoal_consumer_breaker_state',
    'Circuit breakers: 0 closed, 1 half-open, 2 open',
    [...COMMON, 'breaker'],
    (set) => {
      for (const [breaker, state] of activity.breakers)
        set(BREAKER_STATES[state], { ...meters.common, breaker })
    },
  )
}

export function showLag(meters: Meters, { lag, partitionSeries }: GaugeFacts): void {
  const { common } = meters
  const all = () => lag()?.partitions ?? []
  const isTooMany = () => all().length * PER_PARTITION > partitionSeries
  const byPartition = (name: string, help: string, value: (each: PartitionLag) => number) =>
    meters.gauge(name, help, [...BY_TOPIC, 'partition'], (set) => {
      for (const each of isTooMany() ? [] : all())
        set(value(each), { ...common, topic: each.topic, partition: String(each.partition) })
    })
  byPartition(
    'shoal_group_partition_lag_records',
    'Records that the group has not committed',
    ({ records }) => records,
  )
  byPartition(
    'shoal_group_partition_lag_seconds',
    'Age of the oldest record that the group has not committed',
    ({ seconds }) => seconds,
  )
  meters.gauge(
    'shoal_group_lag_records',
    'Records not committed, of all partitions',
    COMMON,
    (set) => {
      const now = lag()
      if (now !== null) set(now.records, common)
    },
  )
  meters.gauge(
    'shoal_group_max_lag_seconds',
    'Age of the oldest record not committed, of the partition most behind',
    COMMON,
    (set) => {
      const now = lag()
      if (now !== null) set(now.maxSeconds, common)
    },
  )
  meters.gauge(
    'shoal_metrics_dropped_series',
    'Series that name a partition and are withheld by the limit',
    [],
    (set) => set(isTooMany() ? all().length * PER_PARTITION : 0),
  )
}
