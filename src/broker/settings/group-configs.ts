/**
 * What may be set for one KIP-848 group, and what holds for it: the group's own value, else the broker's.
 *
 * The least values are ours, 1 s for a session and 100 ms between heartbeats, because a broker beside its clients can tell
 * the dead sooner; with `shoal.kafka.group.limits` they are Kafka's, 45 s and 5 s.
 */

import type { ConsumerGroupConfig } from '../../group/index.ts'
import type { BrokerSettingName, BrokerSettings } from './broker-settings.ts'
import type { ConfigRules } from './config-changes.ts'
import type { SettingDefinition } from './definition.ts'
import { parseValue } from './definition.ts'

export interface GroupConfigDefinition extends SettingDefinition {
  /** The broker's setting, which holds where the group has none of its own. */
  readonly broker: BrokerSettingName
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
} as const satisfies Readonly<Record<string, GroupConfigDefinition>>

/** Kafka's own least values. */
const KAFKA_MIN_SESSION_MS = 45_000
const KAFKA_MIN_HEARTBEAT_MS = 5_000
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
      return parsed.kind === 'value'
        ? null
        : `Invalid value for configuration ${name}: ${parsed.problem}`
    },
    inherited: (name) => (isGroupConfig(name) ? String(inherited(name, settings)) : ''),
  }
}

/** What holds for a group with these configs of its own. */
export function consumerGroupConfig(
  own: ReadonlyMap<string, string>,
  settings: BrokerSettings,
): ConsumerGroupConfig {
  const valueOf = (name: GroupConfigName) => {
    const text = own.get(name)
    // Limits may have changed since: what was set stays within those of now.
    const { min, max } = rangeOf(name, settings)
    return text === undefined
      ? inherited(name, settings)
      : Math.min(max, Math.max(min, Number(text)))
  }
  return {
    sessionTimeoutMs: valueOf('consumer.session.timeout.ms'),
    heartbeatIntervalMs: valueOf('consumer.heartbeat.interval.ms'),
    assignmentIntervalMs: valueOf('consumer.assignment.interval.ms'),
  }
}

function inherited(name: GroupConfigName, settings: BrokerSettings): number {
  switch (name) {
    case 'consumer.session.timeout.ms':
      return settings.groupConsumerSessionTimeoutMs
    case 'consumer.heartbeat.interval.ms':
      return settings.groupConsumerHeartbeatIntervalMs
    case 'consumer.assignment.interval.ms':
      return settings.groupConsumerAssignmentIntervalMs
  }
}

function rangeOf(
  name: GroupConfigName,
  settings: BrokerSettings,
): { readonly min: number; readonly max: number } {
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
  }
}
