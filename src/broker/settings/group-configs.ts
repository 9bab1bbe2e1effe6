/**
 * What may be set for one group, KIP-848 (`consumer.*`) or share group (`share.*`), and what holds for it: its own value, else
 * the broker's.
 *
 * The least values are ours (1 s for a session or a lock, 100 ms between heartbeats), because a broker beside its clients can
 * tell the dead sooner; with `shoal.kafka.group.limits` they are Kafka's, 45 s, 15 s and 5 s.
 */

import type { ConsumerGroupConfig, ShareConfig, ShareGroupConfig } from '../../group/index.ts'
import { DEFAULT_SHARE_CONFIG } from '../../group/index.ts'
import type { BrokerSettingName, BrokerSettings } from './broker-settings.ts'
import type { ConfigRules } from './config-changes.ts'
import type { SettingDefinition } from './definition.ts'
import { parseValue } from './definition.ts'
import { isShareStart, parseShareStart, type ShareStart } from './share-start.ts'

export interface GroupConfigDefinition extends SettingDefinition {
  /** The broker's setting, which holds where the group has none of its own. */
  readonly broker?: BrokerSettingName
}

export type GroupConfigName = keyof typeof groupConfigTable

export const groupConfigTable = {
  'consumer.session.timeout.ms': {
    type: 'int',
    default: '45000',
    doc: 'silence after which a member of the group is out',
    effect: 'full',
    broker: 'group.consumer.session.timeout.ms',
  },
  'consumer.heartbeat.interval.ms': {
    type: 'int',
    default: '5000',
    doc: 'how often a member of the group says a word',
    effect: 'full',
    broker: 'group.consumer.heartbeat.interval.ms',
  },
  'consumer.assignment.interval.ms': {
    type: 'int',
    default: '0',
    doc: 'least time between two assignments of the group',
    effect: 'full',
    broker: 'group.consumer.assignment.interval.ms',
  },
  'share.session.timeout.ms': {
    type: 'int',
    default: '45000',
    doc: 'silence after which a member of the share group is out',
    effect: 'full',
    broker: 'group.share.session.timeout.ms',
  },
  'share.heartbeat.interval.ms': {
    type: 'int',
    default: '5000',
    doc: 'how often a member of the share group says a word',
    effect: 'full',
    broker: 'group.share.heartbeat.interval.ms',
  },
  'share.record.lock.duration.ms': {
    type: 'int',
    default: '30000',
    doc: 'how long a member may hold a record',
    effect: 'full',
    broker: 'group.share.record.lock.duration.ms',
  },
  'share.delivery.count.limit': {
    type: 'int',
    default: '5',
    doc: 'deliveries of a record before it is given up',
    effect: 'full',
    broker: 'group.share.delivery.count.limit',
  },
  'share.partition.max.record.locks': {
    type: 'int',
    default: '2000',
    doc: 'records from the first that is not done to the last delivered, in each partition',
    effect: 'full',
    broker: 'group.share.partition.max.record.locks',
  },
  'share.auto.offset.reset': {
    type: 'string',
    default: 'latest',
    doc: 'where the share group begins: latest, earliest, or by_duration:PnDTnHnMn.nS',
    effect: 'full',
  },
  'share.isolation.level': {
    type: 'string',
    default: 'read_uncommitted',
    doc: 'accepted; there are no transactions, so both read the same',
    oneOf: ['read_committed', 'read_uncommitted'],
    effect: 'shown',
  },
  'share.renew.acknowledge.enable': {
    type: 'boolean',
    default: 'true',
    doc: 'whether members may hold records longer by renewing their locks',
    effect: 'full',
  },
} as const satisfies Readonly<Record<string, GroupConfigDefinition>>

/** Kafka's own least values. */
const KAFKA_MIN_SESSION_MS = 45_000
const KAFKA_MIN_HEARTBEAT_MS = 5_000
const KAFKA_MIN_LOCK_MS = 15_000
const MAX_ASSIGNMENT_INTERVAL_MS = 15_000

export function isGroupConfig(name: string): name is GroupConfigName {
  return Object.hasOwn(groupConfigTable, name)
}

export function groupConfigRules(settings: BrokerSettings): ConfigRules {
  return {
    isList: () => false,
    problemWith(name, value) {
      if (!isGroupConfig(name)) return `Unknown group config name: ${name}`
      if (value === null) return `Null value not supported for group configs: ${name}`
      const parsed = parseValue({ ...groupConfigTable[name], ...rangeOf(name, settings) }, value)
      if (parsed.kind === 'problem')
        return `Invalid value for configuration ${name}: ${parsed.problem}`
      return name === 'share.auto.offset.reset' && !isShareStart(value)
        ? `Invalid value for configuration ${name}: '${value.slice(0, 60)}' is not latest, earliest or by_duration:PnDTnHnMn.nS`
        : null
    },
    inherited: (name) => (isGroupConfig(name) ? inherited(name, settings) : ''),
  }
}

/** What holds for a KIP-848 group with these configs of its own. */
export function consumerGroupConfig(
  own: ReadonlyMap<string, string>,
  settings: BrokerSettings,
): ConsumerGroupConfig {
  const valueOf = numbersOf(own, settings)
  return {
    sessionTimeoutMs: valueOf('consumer.session.timeout.ms'),
    heartbeatIntervalMs: valueOf('consumer.heartbeat.interval.ms'),
    assignmentIntervalMs: valueOf('consumer.assignment.interval.ms'),
  }
}

/** What holds for the members of a share group. */
export function shareGroupConfig(
  own: ReadonlyMap<string, string>,
  settings: BrokerSettings,
): ShareGroupConfig {
  const valueOf = numbersOf(own, settings)
  return {
    sessionTimeoutMs: valueOf('share.session.timeout.ms'),
    heartbeatIntervalMs: valueOf('share.heartbeat.interval.ms'),
  }
}

/** What holds for the deliveries of a share group. Kafka's share groups have neither backoff nor dead letters. */
export function shareDeliveryConfig(
  own: ReadonlyMap<string, string>,
  settings: BrokerSettings,
): ShareConfig & { readonly start: ShareStart; readonly mayRenew: boolean } {
  const valueOf = numbersOf(own, settings)
  const textOf = (name: GroupConfigName) => own.get(name) ?? inherited(name, settings)
  return {
    ...DEFAULT_SHARE_CONFIG,
    partitionMaxRecordLocks: valueOf('share.partition.max.record.locks'),
    deliveryCountLimit: valueOf('share.delivery.count.limit'),
    recordLockDurationMs: valueOf('share.record.lock.duration.ms'),
    start: parseShareStart(textOf('share.auto.offset.reset')),
    mayRenew: textOf('share.renew.acknowledge.enable') === 'true',
  }
}

/** Limits may have changed since a value was set: it stays within those of now. */
function numbersOf(own: ReadonlyMap<string, string>, settings: BrokerSettings) {
  return (name: GroupConfigName): number => {
    const text = own.get(name)
    const { min = -Infinity, max = Infinity } = rangeOf(name, settings)
    const value = Number(text ?? inherited(name, settings))
    return text === undefined ? value : Math.min(max, Math.max(min, value))
  }
}

function inherited(name: GroupConfigName, settings: BrokerSettings): string {
  switch (name) {
    case 'consumer.session.timeout.ms':
      return String(settings.groupConsumerSessionTimeoutMs)
    case 'consumer.heartbeat.interval.ms':
      return String(heartbeat(settings.groupConsumerHeartbeatIntervalMs, settings))
    case 'consumer.assignment.interval.ms':
      return String(settings.groupConsumerAssignmentIntervalMs)
    case 'share.session.timeout.ms':
      return String(settings.groupShareSessionTimeoutMs)
    case 'share.heartbeat.interval.ms':
      return String(heartbeat(settings.groupShareHeartbeatIntervalMs, settings))
    case 'share.record.lock.duration.ms':
      return String(settings.groupShareRecordLockDurationMs)
    case 'share.delivery.count.limit':
      return String(settings.groupShareDeliveryCountLimit)
    case 'share.partition.max.record.locks':
      return String(settings.groupSharePartitionMaxRecordLocks)
    default:
      return groupConfigTable[name].default
  }
}

/** With Kafka's limits its default comes back too, which is its least value. */
function heartbeat(intervalMs: number, { shoalKafkaGroupLimits }: BrokerSettings): number {
  return shoalKafkaGroupLimits ? Math.max(KAFKA_MIN_HEARTBEAT_MS, intervalMs) : intervalMs
}

function rangeOf(
  name: GroupConfigName,
  settings: BrokerSettings,
): { readonly min?: number; readonly max?: number } {
  const floor = (own: number, kafka: number) => (settings.shoalKafkaGroupLimits ? kafka : own)
  switch (name) {
    case 'consumer.session.timeout.ms':
      return {
        min: floor(settings.groupConsumerMinSessionTimeoutMs, KAFKA_MIN_SESSION_MS),
        max: settings.groupConsumerMaxSessionTimeoutMs,
      }
    case 'consumer.heartbeat.interval.ms':
      return {
        min: floor(settings.groupConsumerMinHeartbeatIntervalMs, KAFKA_MIN_HEARTBEAT_MS),
        max: settings.groupConsumerMaxHeartbeatIntervalMs,
      }
    case 'consumer.assignment.interval.ms':
      return { min: 0, max: MAX_ASSIGNMENT_INTERVAL_MS }
    case 'share.session.timeout.ms':
      return {
        min: floor(settings.groupShareMinSessionTimeoutMs, KAFKA_MIN_SESSION_MS),
        max: settings.groupShareMaxSessionTimeoutMs,
      }
    case 'share.heartbeat.interval.ms':
      return {
        min: floor(settings.groupShareMinHeartbeatIntervalMs, KAFKA_MIN_HEARTBEAT_MS),
        max: settings.groupShareMaxHeartbeatIntervalMs,
      }
    case 'share.record.lock.duration.ms':
      return {
        min: floor(settings.groupShareMinRecordLockDurationMs, KAFKA_MIN_LOCK_MS),
        max: settings.groupShareMaxRecordLockDurationMs,
      }
    case 'share.delivery.count.limit':
      return { min: 2, max: 10 }
    case 'share.partition.max.record.locks':
      return { min: 100, max: 10_000 }
    default:
      return {}
  }
}
