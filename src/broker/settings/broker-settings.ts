/**
 * The broker's settings: Kafka's own, by their own names and with their own defaults (but a limit where Kafka has none), and
 * few of ours under `shoal.`.
 *
 * One table gives the parser, the types, DescribeConfigs and the documentation. All problems of a configuration are told at
 * once, an unknown name with the known one that is nearest. Code reads them in camelCase: `settings.numPartitions`.
 */

import { ShoalError } from '../../core/index.ts'
import type { SettingDefinition, SettingType, SettingValue, ValueOf } from './definition.ts'
import { nearestName, parseValue } from './definition.ts'

export const brokerSettingTable = {
  'num.partitions': int(1, 'partitions of a topic that is made without saying how many', 1, 10_000),
  'default.replication.factor': shown('int', '1', 'accepted; one node keeps one copy'),
  'auto.create.topics.enable': boolean(true, 'make a topic when a client asks for it first'),
  'delete.topic.enable': boolean(true, 'whether topics may be deleted'),
  'message.max.bytes': int(1_048_588, 'largest record batch, compressed, in bytes', 0),
  'log.segment.bytes': int(1_073_741_824, 'size at which a segment is full, in bytes', 1_024),
  'log.roll.ms': long(604_800_000, 'age at which a segment is closed, in milliseconds', 1),
  'log.retention.ms': long(604_800_000, 'age at which records go, in milliseconds; -1: never', -1),
  'log.retention.bytes': long(-1, 'size above which old segments go; -1: no limit', -1),
  'log.retention.check.interval.ms': long(300_000, 'how often retention looks', 1),
  'log.cleanup.policy': list('delete', 'delete, compact or both', ['delete', 'compact']),
  'log.index.interval.bytes': int(4_096, 'log bytes for each entry of the offset index', 0),
  'log.message.timestamp.type': string('CreateTime', 'whose clock stamps the records', [
    'CreateTime',
    'LogAppendTime',
  ]),
  'compression.type': string('producer', 'batches are kept as the producer compressed them', [
    'producer',
  ]),
  'min.insync.replicas': shown('int', '1', 'accepted; one node keeps one copy'),
  'offsets.retention.minutes': int(10_080, 'how long an empty group keeps its offsets', 1),
  'offsets.retention.check.interval.ms': long(600_000, 'how often offsets are looked at', 1),
  'offset.metadata.max.bytes': int(4_096, 'longest metadata of a committed offset', 0),
  'group.initial.rebalance.delay.ms': int(3_000, 'wait for more members of a new group', 0),
  'group.min.session.timeout.ms': int(6_000, 'shortest session timeout of a classic member', 0),
  'group.max.session.timeout.ms': int(1_800_000, 'longest session timeout of a classic member', 0),
  'group.max.size': int(10_000, 'most members of a classic group', 1),
  'group.consumer.session.timeout.ms': int(45_000, 'session timeout of KIP-848 members', 1),
  'group.consumer.heartbeat.interval.ms': int(1_000, 'how often KIP-848 members say a word', 1),
  'group.consumer.assignment.interval.ms': int(
    0,
    'least time between two assignments of a KIP-848 group',
    0,
    15_000,
  ),
  'group.consumer.min.session.timeout.ms': int(1_000, 'least that a group may set', 1),
  'group.consumer.max.session.timeout.ms': int(60_000, 'most that a group may set', 1),
  'group.consumer.min.heartbeat.interval.ms': int(100, 'least that a group may set', 1),
  'group.consumer.max.heartbeat.interval.ms': int(15_000, 'most that a group may set', 1),
  'group.consumer.max.size': int(10_000, 'most members of a KIP-848 group', 1),
  'group.consumer.migration.policy': string(
    'bidirectional',
    'whether groups with members change between classic and KIP-848',
    ['bidirectional', 'upgrade', 'downgrade', 'disabled'],
  ),
  'group.share.session.timeout.ms': int(45_000, 'session timeout of members of share groups', 1),
  'group.share.min.session.timeout.ms': int(1_000, 'least that a group may set', 1),
  'group.share.max.session.timeout.ms': int(60_000, 'most that a group may set', 1),
  'group.share.heartbeat.interval.ms': int(
    1_000,
    'how often members of share groups say a word',
    1,
  ),
  'group.share.min.heartbeat.interval.ms': int(100, 'least that a group may set', 1),
  'group.share.max.heartbeat.interval.ms': int(15_000, 'most that a group may set', 1),
  'group.share.max.size': int(200, 'most members of a share group', 1, 10_000),
  'group.share.record.lock.duration.ms': int(30_000, 'how long a member may hold a record', 1_000),
  'group.share.min.record.lock.duration.ms': int(1_000, 'least that a group may set', 1_000),
  'group.share.max.record.lock.duration.ms': int(60_000, 'most that a group may set', 1_000),
  'group.share.delivery.count.limit': int(5, 'deliveries of a record before it is given up', 2, 10),
  'group.share.partition.max.record.locks': int(
    2_000,
    'records from the first that is not done to the last delivered, in each partition of a group',
    100,
    10_000,
  ),
  'group.share.max.share.sessions': int(2_000, 'most share sessions', 0, 100_000),
  'producer.id.expiration.ms': int(86_400_000, 'idle time after which a producer is forgotten', 1),
  'fetch.max.bytes': int(57_671_680, 'most bytes that one fetch answers', 1_024),
  'max.incremental.fetch.session.cache.slots': int(1_000, 'most fetch sessions', 0),
  'socket.request.max.bytes': int(104_857_600, 'largest request, in bytes', 1_024),
  'connections.max.idle.ms': long(600_000, 'idle time after which a connection is closed'),
  'max.connections': int(10_000, 'most connections at a time', 0),
  'max.connections.per.ip': int(10_000, 'most connections at a time from one host', 0),
  'queued.max.request.bytes': long(268_435_456, 'bytes of requests that are not answered yet', 1),
  'shoal.flush.policy': string('group', 'what an acknowledgement waits for', [
    'group',
    'os',
    'none',
  ]),
  'shoal.flush.interval.ms': int(1_000, 'longest time unsynced under the policy os', 1),
  'shoal.log.memory.bytes': long(
    67_108_864,
    'newest records that all partitions together keep in memory',
    1_048_576,
  ),
  'shoal.direct.write.bytes': int(
    524_288,
    'bytes of one partition in one flush that are written once, for a sync more',
    1,
  ),
  'shoal.direct.write.segments': int(
    16,
    'most partitions that one flush writes once; 0 writes everything through the journal',
    0,
    1_000,
  ),
  'shoal.direct.write.cached': boolean(
    false,
    'keep what is written once in the page cache, for consumers that come later',
  ),
  'shoal.kafka.group.limits': boolean(
    false,
    "hold groups to Kafka's own least session timeout (45 s) and heartbeat interval (5 s)",
  ),
  'shoal.group.timeline.entries': int(100, 'rebalances that one group remembers', 1, 10_000),
  'shoal.group.timeline.rows': int(
    100_000,
    'rows of all timelines: a rebalance counts one, each move that it names another',
    100,
  ),
  'shoal.delayed.max.ms': long(604_800_000, 'longest time that a message may be delayed', 1),
  'shoal.delayed.max.records': int(1_000_000, 'most delayed messages that wait at a time', 0),
  'shoal.delayed.max.bytes': long(
    8_589_934_592,
    'most bytes that the log of delayed messages may take on the disk',
    0,
  ),
  'shoal.max.partitions': int(100_000, 'most partitions of all topics together', 1),
} as const satisfies Readonly<Record<string, SettingDefinition>>

export type BrokerSettingName = keyof typeof brokerSettingTable

/** `num.partitions` as code spells it: `numPartitions`. */
type CamelCase<Name extends string> = Name extends `${infer Head}.${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : Name

export type BrokerSettings = {
  readonly [Name in BrokerSettingName as CamelCase<Name>]: ValueOf<
    (typeof brokerSettingTable)[Name]['type']
  >
}

/** What a user writes: Kafka's names, values as text or as what they are. */
export type BrokerSettingsInput = Readonly<Record<string, string | number | boolean>>

/** Other spellings of a setting, in units of so many of its own; the finer unit wins, as in Kafka. */
const coarser: Readonly<Record<string, { readonly of: BrokerSettingName; readonly unit: number }>> =
  {
    'log.retention.minutes': { of: 'log.retention.ms', unit: 60_000 },
    'log.retention.hours': { of: 'log.retention.ms', unit: 3_600_000 },
    'log.roll.hours': { of: 'log.roll.ms', unit: 3_600_000 },
  }

/**
 * The settings that a user's input leads to, and the text of those that were given.
 * @throws ShoalError SHOAL_CONFIG_INVALID that lists every problem.
 */
export function parseBrokerSettings(input: BrokerSettingsInput = {}): {
  readonly settings: BrokerSettings
  readonly given: ReadonlyMap<BrokerSettingName, string>
} {
  const problems: string[] = []
  const given = new Map<BrokerSettingName, string>()
  for (const [name, raw] of Object.entries(input)) {
    const text = String(raw)
    if (isBrokerSetting(name)) given.set(name, text)
    else if (Object.hasOwn(coarser, name)) takeCoarser(name, text, input, given, problems)
    else problems.push(unknownName(name))
  }
  for (const [name, text] of given) {
    const parsed = parseValue(brokerSettingTable[name], text)
    if (parsed.kind === 'problem') problems.push(`${name}: ${parsed.problem}`)
  }
  if (problems.length > 0) throw new ShoalError('SHOAL_CONFIG_INVALID', problems.join('; '))
  return { settings: settingsOf(given), given }
}

export function isBrokerSetting(name: string): name is BrokerSettingName {
  return Object.hasOwn(brokerSettingTable, name)
}

/** The settings of these texts, each of which is known to parse, over the defaults. */
export function settingsOf(given: ReadonlyMap<BrokerSettingName, string>): BrokerSettings {
  const values: Record<string, SettingValue> = {}
  for (const [name, definition] of Object.entries(brokerSettingTable)) {
    const text = isBrokerSetting(name) ? given.get(name) : undefined
    const parsed = parseValue(definition, text ?? definition.default)
    if (parsed.kind === 'problem')
      throw new ShoalError('SHOAL_INVARIANT', `${name}: ${parsed.problem}`)
    values[camelCase(name)] = parsed.value
  }
  // The table gave both the type and the keys.
  return values as unknown as BrokerSettings
}

export function camelCase(name: string): string {
  return name.replace(/\.([a-z])/g, (_, letter: string) => letter.toUpperCase())
}

function takeCoarser(
  name: string,
  text: string,
  input: BrokerSettingsInput,
  given: Map<BrokerSettingName, string>,
  problems: string[],
): void {
  const other = coarser[name]
  if (other === undefined) return
  const parsed = parseValue({ type: 'long', default: '', doc: '', effect: 'full' }, text)
  if (parsed.kind === 'problem') return void problems.push(`${name}: ${parsed.problem}`)
  const finer = Object.entries(coarser).some(
    ([key, entry]) => entry.of === other.of && entry.unit < other.unit && Object.hasOwn(input, key),
  )
  if (finer || Object.hasOwn(input, other.of)) return
  const value = Number(parsed.value)
  given.set(other.of, String(value < 0 ? value : value * other.unit))
}

function unknownName(name: string): string {
  const nearest = nearestName(name, Object.keys(brokerSettingTable))
  const hint = nearest === undefined ? '' : `, did you mean ${nearest}?`
  return `${name.slice(0, 80)}: there is no such setting${hint}`
}

function int(value: number, doc: string, min?: number, max?: number) {
  return { type: 'int', default: String(value), doc, effect: 'full', ...bounds(min, max) } as const
}

function long(value: number, doc: string, min?: number) {
  return { type: 'long', default: String(value), doc, effect: 'full', ...bounds(min) } as const
}

function boolean(value: boolean, doc: string) {
  return { type: 'boolean', default: String(value), doc, effect: 'full' } as const
}

function string(value: string, doc: string, oneOf: readonly string[]) {
  return { type: 'string', default: value, doc, oneOf, effect: 'full' } as const
}

function list(value: string, doc: string, oneOf: readonly string[]) {
  return { type: 'list', default: value, doc, oneOf, effect: 'full' } as const
}

function shown<Type extends SettingType>(type: Type, value: string, doc: string) {
  return { type, default: value, doc, effect: 'shown' } as const
}

function bounds(min?: number, max?: number) {
  return { ...(min === undefined ? {} : { min }), ...(max === undefined ? {} : { max }) }
}
