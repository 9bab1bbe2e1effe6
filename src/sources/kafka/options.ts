/**
 * What a user may say about a Kafka cluster and about consuming from it, with the defaults, checked once at the edge.
 *
 * Settings that Kafka has keep Kafka's name in camelCase and Kafka's default unless the comment says otherwise.
 */

import {
  ShoalError,
  silentLogger,
  systemClock,
  systemRandom,
  systemTimers,
} from '../../core/index.ts'
import type { Address, Clock, Logger, Random, Timers } from '../../core/index.ts'
import { topicPattern } from '../../group/index.ts'
import type { KafkaTransport } from './transport.ts'
import { PlatformaticTransport } from './platformatic-transport.ts'
import type { KafkaSasl, KafkaTls } from './security.ts'

export interface KafkaClusterOptions {
  /** Addresses to start from, `host:port` each, or one text with commas between them. */
  readonly brokers: readonly string[] | string
  /** Who we are, for the broker's logs and quotas; default `shoal`. */
  readonly clientId?: string
  readonly tls?: KafkaTls
  readonly sasl?: KafkaSasl
  /** Longest wait for an answer, milliseconds; default 30,000. */
  readonly requestTimeoutMs?: number
  /** Longest wait for one connection with its login, milliseconds; default 10,000. */
  readonly connectTimeoutMs?: number
  /** How long opening goes on trying the given addresses, milliseconds; default 10,000. */
  readonly bootstrapTimeoutMs?: number
  /** First wait before an address that failed is tried again, milliseconds; default 50. */
  readonly reconnectBackoffMs?: number
  /** Longest such wait, milliseconds; default 1,000. */
  readonly reconnectBackoffMaxMs?: number
  /** Longest time without a look at the cluster's topics and leaders, milliseconds; default 300,000. */
  readonly metadataMaxAgeMs?: number
  /** A broker that answers more than this is cut off, bytes; default 100 MiB. */
  readonly maxResponseBytes?: number
}

/** Offered to the group in this order. `cooperative-sticky` keeps what need not move flowing; the others stop everything. */
export type KafkaAssignorName = 'cooperative-sticky' | 'sticky' | 'range' | 'roundrobin'

/** How a member belongs to its group: see `KafkaSourceOptions.groupProtocol`. */
export type KafkaGroupProtocol = 'auto' | 'consumer' | 'classic'

export interface KafkaSourceOptions extends KafkaClusterOptions {
  /** Topics to read; one that does not exist yet is waited for. Either this or `topicPattern`. */
  readonly topics?: readonly string[]
  /**
   * Reads every topic whose whole name matches this regular expression (RE2's syntax, in time linear in the name), those
   * to come included; internal topics never. Where the broker assigns, it matches; else every member does, each
   * `metadataMaxAgeMs`.
   */
  readonly topicPattern?: string
  /**
   * `consumer`: the broker assigns (KIP-848, Apache Kafka 4.0 and later, Shoal); nothing stops in a rebalance. `classic`:
   * a member assigns, by `assignors`. `auto` (the default): `consumer` where the broker has it, unless an option is given
   * that only `classic` keeps (`assignors`, `sessionTimeoutMs`, `heartbeatIntervalMs`). A member that runs stays what it
   * is; under `auto` one that has to join anew (lost, restarted) looks again at what its broker speaks.
   */
  readonly groupProtocol?: KafkaGroupProtocol
  /** Under `consumer`: which of the broker's assignors (`uniform`, `range`); default: the broker's choice. */
  readonly groupRemoteAssignor?: string
  /** Makes this a static member: it keeps its partitions over a restart shorter than the session timeout. */
  readonly groupInstanceId?: string
  /**
   * Default 45,000. Under `classic` the broker counts with it. Under `consumer` the broker has its own
   * (`group.consumer.session.timeout.ms`, 45,000), and this is how long a member that hears nothing believes in itself.
   */
  readonly sessionTimeoutMs?: number
  /** At most a third of the session timeout; default 3,000. Under `consumer` the broker says how often. */
  readonly heartbeatIntervalMs?: number
  /** How long a rebalance waits for members, and so the most that a drain may take; default 60,000. */
  readonly rebalanceTimeoutMs?: number
  /**
   * Where a group starts that has committed nothing; default `earliest`. `latest` counts at the group's first start
   * alone: partitions that appear later are read from their beginning. `none` refuses to start.
   */
  readonly offsetReset?: 'earliest' | 'latest' | 'none'
  /** `read-committed` (the default) leaves out records of aborted and open transactions. */
  readonly isolation?: 'read-committed' | 'read-uncommitted'
  /**
   * Exactly once: after how long the broker aborts a transaction whose member is gone, milliseconds; default 10,000. The next owner
   * of its partitions waits for that. Must be within the broker's `transaction.max.timeout.ms`.
   */
  readonly transactionTimeoutMs?: number
  /** Default `['cooperative-sticky']`. A mixture with others works as those do: everything stops in a rebalance. */
  readonly assignors?: readonly KafkaAssignorName[]
  /** Where this consumer is (`client.rack`): the broker may then name a nearer replica to read from (KIP-392). */
  readonly clientRack?: string
  readonly fetch?: FetchOptions
}

export interface FetchOptions {
  /** The broker waits until it has this much, bytes; default 1. */
  readonly minBytes?: number
  /** The broker waits at most this long, milliseconds; default 500. */
  readonly maxWaitMs?: number
  /** Most that one answer carries, bytes; default 2 MiB (Kafka: 50 MiB), for decoding it holds up the event loop. */
  readonly maxBytes?: number
  /** Most of one partition in an answer, bytes; default 1 MiB. */
  readonly maxPartitionBytes?: number
  /**
   * Most that one record batch may become when decompressed, bytes; default 16 MiB, 16 times what Kafka's default lets
   * one weigh. A batch that would become more ends the consumer as a damaged one does, and is not committed past.
   */
  readonly maxDecompressedBytes?: number
}

/** The world outside, replaceable; what is left out is real. */
export interface KafkaPorts {
  readonly transport?: KafkaTransport
  readonly clock?: Clock
  readonly timers?: Timers
  readonly random?: Random
  readonly logger?: Logger
}

export interface ClusterSettings {
  readonly brokers: readonly Address[]
  readonly clientId: string
  readonly requestTimeoutMs: number
  readonly connectTimeoutMs: number
  readonly bootstrapTimeoutMs: number
  readonly reconnectBackoffMs: number
  readonly reconnectBackoffMaxMs: number
  readonly metadataMaxAgeMs: number
  readonly maxResponseBytes: number
}

export interface SourceSettings {
  /** Empty with a pattern. */
  readonly topics: readonly string[]
  readonly topicPattern: string | null
  readonly groupProtocol: KafkaGroupProtocol
  readonly groupRemoteAssignor: string | null
  readonly clientRack: string | null
  readonly groupInstanceId: string | null
  readonly sessionTimeoutMs: number
  readonly heartbeatIntervalMs: number
  readonly rebalanceTimeoutMs: number
  readonly offsetReset: 'earliest' | 'latest' | 'none'
  readonly readCommitted: boolean
  readonly transactionTimeoutMs: number
  readonly assignors: readonly KafkaAssignorName[]
  readonly fetch: Required<FetchOptions>
}

export interface Ports {
  readonly transport: KafkaTransport
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly logger: Logger
}

const MIB = 1024 * 1024

export function clusterSettings(options: KafkaClusterOptions): ClusterSettings {
  return {
    brokers: parseBrokers(options.brokers),
    clientId: options.clientId ?? 'shoal',
    requestTimeoutMs: positive(options, 'requestTimeoutMs', 30_000),
    connectTimeoutMs: positive(options, 'connectTimeoutMs', 10_000),
    bootstrapTimeoutMs: positive(options, 'bootstrapTimeoutMs', 10_000),
    reconnectBackoffMs: positive(options, 'reconnectBackoffMs', 50),
    reconnectBackoffMaxMs: positive(options, 'reconnectBackoffMaxMs', 1_000),
    metadataMaxAgeMs: positive(options, 'metadataMaxAgeMs', 300_000),
    maxResponseBytes: positive(options, 'maxResponseBytes', 100 * MIB),
  }
}

export function sourceSettings(options: KafkaSourceOptions): SourceSettings {
  const settings: SourceSettings = {
    topics: [...new Set(options.topics)],
    topicPattern: options.topicPattern ?? null,
    groupProtocol: groupProtocol(options),
    groupRemoteAssignor: options.groupRemoteAssignor ?? null,
    clientRack: options.clientRack ?? null,
    groupInstanceId: options.groupInstanceId ?? null,
    sessionTimeoutMs: positive(options, 'sessionTimeoutMs', 45_000),
    heartbeatIntervalMs: positive(options, 'heartbeatIntervalMs', 3_000),
    rebalanceTimeoutMs: positive(options, 'rebalanceTimeoutMs', 60_000),
    offsetReset: options.offsetReset ?? 'earliest',
    readCommitted: (options.isolation ?? 'read-committed') === 'read-committed',
    transactionTimeoutMs: positive(options, 'transactionTimeoutMs', 10_000),
    assignors: options.assignors ?? ['cooperative-sticky'],
    fetch: fetchSettings(options.fetch ?? {}),
  }
  checkSubscription(settings)
  if (settings.groupInstanceId === '') throw invalid('groupInstanceId', 'is empty; leave it out')
  if (settings.clientRack === '') throw invalid('clientRack', 'is empty; leave it out')
  if (settings.groupRemoteAssignor === '')
    throw invalid('groupRemoteAssignor', 'is empty; leave it out')
  if (settings.assignors.length === 0) throw invalid('assignors', 'is empty; name at least one')
  if (settings.heartbeatIntervalMs * 3 > settings.sessionTimeoutMs)
    throw invalid(
      'heartbeatIntervalMs',
      `is ${settings.heartbeatIntervalMs}, more than a third of sessionTimeoutMs (${settings.sessionTimeoutMs}): one lost heartbeat would cost the membership`,
    )
  return settings
}

/** What `auto` may choose depends on what was asked for: an option that would not be kept is worse than an old protocol. */
function groupProtocol(options: KafkaSourceOptions): KafkaGroupProtocol {
  const asked = options.groupProtocol ?? 'auto'
  const { assignors, sessionTimeoutMs, heartbeatIntervalMs } = options
  if (asked === 'consumer' && assignors !== undefined)
    throw invalid(
      'assignors',
      "is given with groupProtocol 'consumer', where the broker assigns; choose groupRemoteAssignor, or 'classic'",
    )
  if (asked === 'classic' && options.groupRemoteAssignor !== undefined)
    throw invalid(
      'groupRemoteAssignor',
      "is given with groupProtocol 'classic', where a member assigns; choose assignors, or 'consumer'",
    )
  if (asked !== 'auto') return asked
  return (assignors ?? sessionTimeoutMs ?? heartbeatIntervalMs) ? 'classic' : 'auto'
}

function checkSubscription({ topics, topicPattern: pattern }: SourceSettings): void {
  if (pattern === null) {
    if (topics.length === 0)
      throw invalid('topics', 'is empty; name at least one topic, or a topicPattern')
    if (topics.includes('')) throw invalid('topics', 'has an empty name in it')
    return
  }
  if (topics.length > 0) throw invalid('topicPattern', 'is given with topics; choose one of them')
  if (pattern === '') throw invalid('topicPattern', 'is empty')
  const compiled = topicPattern(pattern)
  if (typeof compiled !== 'function')
    throw invalid('topicPattern', `cannot be read: ${compiled.problem}`)
}

export function withSystemPorts(ports: KafkaPorts, options: KafkaClusterOptions): Ports {
  return {
    transport: ports.transport ?? new PlatformaticTransport(options),
    clock: ports.clock ?? systemClock,
    timers: ports.timers ?? systemTimers,
    random: ports.random ?? systemRandom,
    logger: ports.logger ?? silentLogger,
  }
}

/** `host:port` texts as addresses; IPv6 hosts stand in brackets. @throws ShoalError SHOAL_INVALID_ARGUMENT */
export function parseBrokers(brokers: readonly string[] | string): readonly Address[] {
  const texts = (typeof brokers === 'string' ? brokers.split(',') : brokers)
    .map((text) => text.trim())
    .filter((text) => text !== '')
  if (texts.length === 0) throw invalid('brokers', 'is empty; give at least one host:port')
  return texts.map((text) => {
    const match = /^(?:\[([^\]]+)\]|([^:\s]+)):(\d{1,5})$/.exec(text)
    const port = Number(match?.[3])
    const host = match?.[1] ?? match?.[2]
    if (host === undefined || port < 1 || port > 65_535)
      throw invalid('brokers', `has '${text}', which is not host:port`)
    return { host, port }
  })
}

function fetchSettings(fetch: FetchOptions): Required<FetchOptions> {
  return {
    minBytes: positive(fetch, 'minBytes', 1),
    maxWaitMs: positive(fetch, 'maxWaitMs', 500),
    maxBytes: positive(fetch, 'maxBytes', 2 * MIB),
    maxPartitionBytes: positive(fetch, 'maxPartitionBytes', MIB),
    maxDecompressedBytes: positive(fetch, 'maxDecompressedBytes', 16 * MIB),
  }
}

function positive<Name extends string>(
  options: { readonly [name in Name]?: number },
  name: Name,
  usual: number,
): number {
  const value = options[name] ?? usual
  if (!Number.isFinite(value) || value <= 0 || value > 2 ** 31 - 1)
    throw invalid(name, `is ${value}; it must be above 0 and at most ${2 ** 31 - 1}`)
  return Math.floor(value)
}

function invalid(option: string, problem: string): ShoalError {
  return new ShoalError('SHOAL_INVALID_ARGUMENT', `kafka: ${option} ${problem}`, {
    details: { option },
  })
}
