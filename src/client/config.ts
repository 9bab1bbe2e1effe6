/**
 * What a user may say about a polling consumer, with the defaults, checked once at the edge.
 *
 * The names are those of the configuration that seed 001 prints, in camelCase; a duration is a number of milliseconds or
 * a text with its unit (`'30s'`). Everything that is wrong is told at once.
 */

import { ShoalError } from '../core/index.ts'
import type { Logger } from '../core/index.ts'
import { parseDuration } from '../consumer/index.ts'
import type { Duration, RecordHeader } from '../consumer/index.ts'
import type { KafkaAssignorName, KafkaClusterOptions } from '../sources/kafka/index.ts'

/** What a handler of `onRebalance` is told. */
export interface Rebalance {
  /** `revoked`: given up in good order. `lost`: gone already, what was in hand may be delivered to another member. */
  readonly kind: 'assigned' | 'revoked' | 'lost'
  readonly partitions: readonly { readonly topic: string; readonly partition: number }[]
  /** Of the group, where it is known. */
  readonly generation: number | null
}

export interface ConsumerConfig {
  /**
   * Where the broker is. `http://host:8080` and `host:8080` speak the HTTP API, `kafka://host:9092` Kafka's protocol; the
   * consumer behaves the same. Several addresses: of one cluster, the first that answers is used first.
   */
  readonly brokers: readonly string[] | string
  readonly groupId: string
  /** Topics to read. */
  readonly topics: readonly string[]
  /** HTTP alone: the member's id in the group; without one the broker makes one of `clientId`. */
  readonly memberId?: string
  /** Who we are, for the broker's logs; default `shoal`. */
  readonly clientId?: string
  /** Makes this a static member: it keeps its partitions over a restart shorter than the session timeout. */
  readonly instanceId?: string
  /** Commit by itself what the next `poll` handed back; default true. With false, `ack`, `commit` and `commitAll` do. */
  readonly autoCommit?: boolean
  /** How often; default 5 s. */
  readonly autoCommitInterval?: Duration
  /**
   * Where a group starts that has committed nothing; default `earliest`. `latest` counts at the group's first start
   * alone: partitions that appear later are read from their beginning. `none` (or `error`) makes `poll` reject with
   * SHOAL_NO_OFFSET.
   */
  readonly autoOffsetReset?: 'earliest' | 'latest' | 'none' | 'error'
  /** How long the group waits for a sign of life; default 30 s. */
  readonly sessionTimeout?: Duration
  /** Default 10 s, and at most a third of the session timeout: a longer one is shortened, with a warning. */
  readonly heartbeatInterval?: Duration
  /** How long a rebalance waits for the records in hand, at most; default 60 s. */
  readonly rebalanceTimeout?: Duration
  /** How partitions are shared out; default `cooperative-sticky`. */
  readonly assignor?: KafkaAssignorName
  /** Longest time that a commit or an `ack` is tried again while the broker cannot be reached; default 30 s. */
  readonly requestTimeout?: Duration
  /** How long opening goes on trying; default 10 s. */
  readonly connectTimeout?: Duration
  /** Over Kafka: deliveries of a record that is nacked before it goes to `<topic>-dlq`; default 3. Over HTTP the topic says. */
  readonly maxAttempts?: number
  /** Over Kafka: the first wait after a `nack`, doubled each time; default 100 ms. Over HTTP the topic says. */
  readonly nackBackoff?: Duration
  /** Over Kafka: the longest such wait; default 30 s. */
  readonly nackBackoffMax?: Duration
  /** Over HTTP: how long a message may be worked on before it is delivered again; default 5 minutes, from 1 s. */
  readonly visibilityTimeout?: Duration
  /** Records of a partition that may be handed out and not done; then it is not read on until one is. Default 10,000. */
  readonly maxOpenRecords?: number
  /** Ends waiting polls when it aborts. Closing stays the owner's. */
  readonly signal?: AbortSignal
  readonly onRebalance?: (rebalance: Rebalance) => void
  readonly logger?: Logger
  /** TLS and SASL for `kafka://`. */
  readonly kafka?: Pick<KafkaClusterOptions, 'tls' | 'sasl'>
  /** Bearer token for HTTP. */
  readonly token?: string
}

export interface ConsumerSettings {
  readonly transport: 'http' | 'kafka'
  /** `host:port` over Kafka, base URLs over HTTP. */
  readonly addresses: readonly string[]
  readonly groupId: string
  readonly topics: readonly string[]
  readonly memberId: string | null
  readonly clientId: string
  readonly instanceId: string | null
  readonly autoCommit: boolean
  readonly autoCommitIntervalMs: number
  readonly autoOffsetReset: 'earliest' | 'latest' | 'none'
  readonly sessionTimeoutMs: number
  readonly heartbeatIntervalMs: number
  readonly rebalanceTimeoutMs: number
  readonly assignor: KafkaAssignorName
  readonly requestTimeoutMs: number
  readonly connectTimeoutMs: number
  readonly maxAttempts: number
  readonly nackBackoffMs: number
  readonly nackBackoffMaxMs: number
  readonly visibilityTimeoutMs: number
  readonly maxOpenRecords: number
  readonly security: Pick<KafkaClusterOptions, 'tls' | 'sasl'>
  readonly token: string | null
  /** Accepted, and better otherwise: each a sentence. */
  readonly warnings: readonly string[]
}

/** @throws ShoalError SHOAL_INVALID_ARGUMENT that lists every problem */
export function resolveConfig(config: ConsumerConfig): ConsumerSettings {
  const problems: string[] = []
  const check = new Checks(config, problems)
  const { transport, addresses } = check.brokers()
  const sessionTimeoutMs = check.duration('sessionTimeout', 30_000)
  const askedMs = check.duration('heartbeatInterval', Math.min(10_000, sessionTimeoutMs / 3))
  const warnings = heartbeatWarnings(askedMs, sessionTimeoutMs)
  const settings: ConsumerSettings = {
    transport,
    addresses,
    groupId: check.text('groupId'),
    topics: check.topics(),
    memberId: config.memberId ?? null,
    clientId: config.clientId ?? 'shoal',
    instanceId: config.instanceId ?? null,
    autoCommit: config.autoCommit ?? true,
    autoCommitIntervalMs: check.duration('autoCommitInterval', 5_000),
    autoOffsetReset: check.reset(),
    sessionTimeoutMs,
    heartbeatIntervalMs: Math.min(askedMs, sessionTimeoutMs / 3),
    rebalanceTimeoutMs: check.duration('rebalanceTimeout', 60_000),
    assignor: check.assignor(),
    requestTimeoutMs: check.duration('requestTimeout', 30_000),
    connectTimeoutMs: check.duration('connectTimeout', 10_000),
    maxAttempts: check.count('maxAttempts', 3),
    nackBackoffMs: check.duration('nackBackoff', 100),
    nackBackoffMaxMs: check.duration('nackBackoffMax', 30_000),
    visibilityTimeoutMs: check.duration('visibilityTimeout', 300_000),
    maxOpenRecords: check.count('maxOpenRecords', 10_000),
    security: config.kafka ?? {},
    token: config.token ?? null,
    warnings,
  }
  if (problems.length > 0)
    throw new ShoalError('SHOAL_INVALID_ARGUMENT', `consumer: ${problems.join('; ')}`)
  return settings
}

/** The headers of a record that a client makes, from texts. */
export function headersOf(headers: Readonly<Record<string, string>>): readonly RecordHeader[] {
  const utf8 = new TextEncoder()
  return Object.entries(headers).map(([key, value]) => ({ key, value: utf8.encode(value) }))
}

function heartbeatWarnings(heartbeatMs: number, sessionMs: number): readonly string[] {
  if (heartbeatMs * 3 <= sessionMs) return []
  return [
    `heartbeatInterval is ${heartbeatMs} ms, more than a third of sessionTimeout (${sessionMs} ms): one lost heartbeat would cost the membership; ${Math.floor(sessionMs / 3)} ms is used`,
  ]
}

type DurationName = {
  [Name in keyof ConsumerConfig]-?: Duration extends ConsumerConfig[Name] ? Name : never
}[keyof ConsumerConfig]

const ASSIGNORS: readonly KafkaAssignorName[] = [
  'cooperative-sticky',
  'sticky',
  'range',
  'roundrobin',
]
const LONGEST_MS = 2 ** 31 - 1

/** Reads one option each and notes what is wrong with it. */
class Checks {
  readonly #config: ConsumerConfig
  readonly #problems: string[]

  constructor(config: ConsumerConfig, problems: string[]) {
    this.#config = config
    this.#problems = problems
  }

  brokers(): Pick<ConsumerSettings, 'transport' | 'addresses'> {
    const { brokers } = this.#config
    const texts = (typeof brokers === 'string' ? brokers.split(',') : [...(brokers ?? [])])
      .map((text) => text.trim())
      .filter((text) => text !== '')
    if (texts.length === 0) this.#problem('brokers', 'is empty; give at least one address')
    const kafka = texts.filter((text) => text.startsWith('kafka://'))
    if (kafka.length > 0 && kafka.length < texts.length)
      this.#problem('brokers', 'mixes kafka:// with HTTP addresses; choose one of them')
    if (kafka.length > 0)
      return { transport: 'kafka', addresses: kafka.map((text) => text.slice('kafka://'.length)) }
    return { transport: 'http', addresses: texts.map((text) => this.#url(text)) }
  }

  text(name: 'groupId'): string {
    const text = this.#config[name]
    if (typeof text !== 'string' || text === '') this.#problem(name, 'is missing')
    return text
  }

  topics(): readonly string[] {
    const topics = [...new Set(this.#config.topics ?? [])]
    if (topics.length === 0 || topics.includes(''))
      this.#problem('topics', 'names no topic, or one without a name')
    return topics
  }

  reset(): ConsumerSettings['autoOffsetReset'] {
    const { autoOffsetReset: reset = 'earliest' } = this.#config
    if (!['earliest', 'latest', 'none', 'error'].includes(reset))
      this.#problem('autoOffsetReset', `is '${reset}'; it may be earliest, latest or none`)
    return reset === 'error' ? 'none' : reset
  }

  assignor(): KafkaAssignorName {
    const { assignor = 'cooperative-sticky' } = this.#config
    if (!ASSIGNORS.includes(assignor))
      this.#problem('assignor', `is '${assignor}'; it may be ${ASSIGNORS.join(', ')}`)
    return assignor
  }

  duration(name: DurationName, usualMs: number): number {
    const given = this.#config[name]
    const ms = given === undefined ? usualMs : parseDuration(given)
    if (ms !== undefined && ms > 0 && ms <= LONGEST_MS) return ms
    this.#problem(name, `is '${String(given)}'; give milliseconds above 0, or a text such as '30s'`)
    return usualMs
  }

  count(name: 'maxAttempts' | 'maxOpenRecords', usual: number): number {
    const count = this.#config[name] ?? usual
    if (!Number.isSafeInteger(count) || count < 1)
      this.#problem(name, `is ${count}; give a whole number from 1`)
    return count
  }

  #url(text: string): string {
    const url = URL.parse(/^https?:\/\//.test(text) ? text : `http://${text}`)
    if (url === null || url.hostname === '' || url.search !== '') {
      this.#problem('brokers', `has '${text}', which is no address; give host:port or http://…`)
      return text
    }
    return url.href.replace(/\/$/, '')
  }

  #problem(option: string, words: string): void {
    this.#problems.push(`${option} ${words}`)
  }
}
