/**
 * The configs of a topic: the 33 that Kafka 4.3.1 describes, each with its default, its check and the broker setting it
 * takes its default from, and after them ours, under `shoal.`.
 *
 * Order and spelling are Kafka's, since tools print them as they come; ours are described where they are set. A config that means nothing on a single node
 * (replication, tiered storage) is accepted, kept and shown, and does nothing.
 */

import type { PartitionLogConfig } from '../../log/index.ts'
import type { SettingDefinition, SettingType } from './definition.ts'
import { listItems, nearestName, parseValue } from './definition.ts'
import type { BrokerSettingName } from './broker-settings.ts'

export interface TopicConfigDefinition extends SettingDefinition {
  /** The broker setting that gives the default. */
  readonly broker?: BrokerSettingName
  /** Kafka's name of the broker setting of the same meaning, where we have none: shown as a synonym. */
  readonly synonym?: string
  /** Shoal's own: described only where it is set, so that tools print what they print of Kafka. */
  readonly isOurs?: true
}

const LONG_MAX = '9223372036854775807'

export const topicConfigTable = {
  'compression.type': shown('string', 'producer', {
    oneOf: ['producer', 'uncompressed', 'gzip', 'snappy', 'lz4', 'zstd'],
    broker: 'compression.type',
  }),
  'remote.log.delete.on.disable': shown('boolean', 'false'),
  'leader.replication.throttled.replicas': shown('list', ''),
  'remote.storage.enable': shown('boolean', 'false', { oneOf: ['false'] }),
  'min.insync.replicas': shown('int', '1', { min: 1, broker: 'min.insync.replicas' }),
  'segment.jitter.ms': shown('long', '0', { min: 0 }),
  'remote.log.copy.disable': shown('boolean', 'false'),
  'local.retention.ms': shown('long', '-2', { min: -2, synonym: 'log.local.retention.ms' }),
  'cleanup.policy': full('list', 'delete', 'delete, compact or both', {
    oneOf: ['delete', 'compact'],
    broker: 'log.cleanup.policy',
  }),
  'flush.ms': shown('long', LONG_MAX, { min: 0 }),
  'follower.replication.throttled.replicas': shown('list', ''),
  'compression.lz4.level': shown('int', '9', { min: 1, max: 17, synonym: 'compression.lz4.level' }),
  'segment.bytes': full('int', '1073741824', 'size at which a segment is full, in bytes', {
    min: 1_024,
    broker: 'log.segment.bytes',
  }),
  'retention.ms': full('long', '604800000', 'age at which records go; -1: never', {
    min: -1,
    broker: 'log.retention.ms',
  }),
  'compression.gzip.level': shown('int', '-1', {
    min: -1,
    max: 9,
    synonym: 'compression.gzip.level',
  }),
  'flush.messages': shown('long', LONG_MAX, { min: 1, synonym: 'log.flush.interval.messages' }),
  'compression.zstd.level': shown('int', '3', {
    min: -131_072,
    max: 22,
    synonym: 'compression.zstd.level',
  }),
  'max.compaction.lag.ms': shown('long', LONG_MAX, {
    min: 1,
    synonym: 'log.cleaner.max.compaction.lag.ms',
  }),
  'file.delete.delay.ms': shown('long', '60000', {
    min: 0,
    synonym: 'log.segment.delete.delay.ms',
  }),
  'max.message.bytes': full('int', '1048588', 'largest record batch, in bytes', {
    min: 0,
    broker: 'message.max.bytes',
  }),
  'min.compaction.lag.ms': shown('long', '0', {
    min: 0,
    synonym: 'log.cleaner.min.compaction.lag.ms',
  }),
  'message.timestamp.type': full('string', 'CreateTime', 'whose clock stamps the records', {
    oneOf: ['CreateTime', 'LogAppendTime'],
    broker: 'log.message.timestamp.type',
  }),
  'local.retention.bytes': shown('long', '-2', { min: -2, synonym: 'log.local.retention.bytes' }),
  preallocate: shown('boolean', 'false', { synonym: 'log.preallocate' }),
  'index.interval.bytes': full('int', '4096', 'log bytes for each entry of the offset index', {
    min: 0,
    broker: 'log.index.interval.bytes',
  }),
  'min.cleanable.dirty.ratio': shown('double', '0.5', {
    min: 0,
    max: 1,
    synonym: 'log.cleaner.min.cleanable.ratio',
  }),
  'unclean.leader.election.enable': shown('boolean', 'false', {
    synonym: 'unclean.leader.election.enable',
  }),
  'retention.bytes': full('long', '-1', 'size above which old segments go; -1: no limit', {
    min: -1,
    broker: 'log.retention.bytes',
  }),
  'delete.retention.ms': shown('long', '86400000', {
    min: 0,
    synonym: 'log.cleaner.delete.retention.ms',
  }),
  'message.timestamp.after.max.ms': shown('long', '3600000', {
    min: 0,
    synonym: 'log.message.timestamp.after.max.ms',
  }),
  'message.timestamp.before.max.ms': shown('long', LONG_MAX, {
    min: 0,
    synonym: 'log.message.timestamp.before.max.ms',
  }),
  'segment.ms': full('long', '604800000', 'age at which a segment is closed', {
    min: 1,
    broker: 'log.roll.ms',
  }),
  'segment.index.bytes': shown('int', '10485760', { min: 4, synonym: 'log.index.size.max.bytes' }),
  'shoal.delivery.attempts': ours('int', '3', 'deliveries of a record before it is a dead letter', {
    min: 1,
    max: 1_000,
  }),
  'shoal.delivery.lock.duration.ms': ours('int', '30000', 'how long a member may hold a record', {
    min: 100,
    max: 43_200_000,
  }),
  'shoal.delivery.backoff.ms': ours('int', '100', 'wait after a first failed delivery', {
    min: 0,
    max: 43_200_000,
  }),
  'shoal.delivery.backoff.factor': ours('double', '2', 'by how much each further wait is longer', {
    min: 1,
    max: 100,
  }),
  'shoal.delivery.backoff.max.ms': ours('int', '30000', 'longest wait after a failed delivery', {
    min: 0,
    max: 43_200_000,
  }),
  'shoal.delivery.max.in.flight': ours(
    'int',
    '2000',
    'records from the first that is not done to the last delivered, in each partition of a group',
    { min: 1, max: 100_000 },
  ),
  'shoal.delivery.order': ours('string', 'none', 'key: one record of a key at a time, in order', {
    oneOf: ['none', 'key'],
  }),
  'shoal.delivery.dead.letters': ours('boolean', 'true', 'whether given up records are kept', {}),
} as const satisfies Readonly<Record<string, TopicConfigDefinition>>

export type TopicConfigName = keyof typeof topicConfigTable

/** What a topic's own configs are kept as: only those that were set. */
export type TopicConfigs = ReadonlyMap<TopicConfigName, string>

export function isTopicConfig(name: string): name is TopicConfigName {
  return Object.hasOwn(topicConfigTable, name)
}

/** What is wrong with a config, as a sentence; null when it may be set. */
export function topicConfigProblem(name: string, value: string | null): string | null {
  if (!isTopicConfig(name)) {
    const nearest = nearestName(name, Object.keys(topicConfigTable))
    return `Unknown topic config name: ${name}${nearest === undefined ? '' : `, did you mean ${nearest}?`}`
  }
  if (value === null) return `Null value not supported for topic configs: ${name}`
  const parsed = parseValue(topicConfigTable[name], value)
  return parsed.kind === 'value'
    ? null
    : `Invalid value for configuration ${name}: ${parsed.problem}`
}

/** The text of a config: the topic's own, else the broker's, else Kafka's default. */
export function effectiveConfig(
  name: TopicConfigName,
  own: TopicConfigs,
  broker: ReadonlyMap<BrokerSettingName, string>,
): string {
  const definition: TopicConfigDefinition = topicConfigTable[name]
  const inherited = definition.broker === undefined ? undefined : broker.get(definition.broker)
  return own.get(name) ?? inherited ?? definition.default
}

/** What the log is told of a topic's configs. */
export function partitionLogConfig(
  own: TopicConfigs,
  broker: ReadonlyMap<BrokerSettingName, string>,
): PartitionLogConfig {
  const number = (name: TopicConfigName) => Number(effectiveConfig(name, own, broker))
  const policies = listItems(effectiveConfig('cleanup.policy', own, broker))
  const compact = policies.includes('compact')
  return {
    segmentBytes: number('segment.bytes'),
    segmentMs: number('segment.ms'),
    indexIntervalBytes: number('index.interval.bytes'),
    retentionMs: number('retention.ms'),
    retentionBytes: number('retention.bytes'),
    maxMessageBytes: number('max.message.bytes'),
    timestampType:
      effectiveConfig('message.timestamp.type', own, broker) === 'LogAppendTime'
        ? 'LogAppendTime'
        : 'CreateTime',
    cleanupPolicy: !compact ? 'delete' : policies.includes('delete') ? 'compact,delete' : 'compact',
  }
}

type Extra = Omit<TopicConfigDefinition, 'type' | 'default' | 'doc' | 'effect'>

function full<Type extends SettingType>(type: Type, value: string, doc: string, extra: Extra) {
  return { type, default: value, doc, effect: 'full', ...extra } as const
}

function ours<Type extends SettingType>(type: Type, value: string, doc: string, extra: Extra) {
  return { ...full(type, value, doc, extra), isOurs: true } as const
}

function shown<Type extends SettingType>(type: Type, value: string, extra: Extra = {}) {
  const doc = 'accepted and shown; changes nothing on one node'
  return { type, default: value, doc, effect: 'shown', ...extra } as const
}
