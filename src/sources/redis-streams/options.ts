/**
 * What a user may say about Redis and about consuming its streams, with the defaults, checked once at the edge.
 */

import { ShoalError, uuidText } from '../../core/index.ts'
import { filledPorts, type SourcePorts } from '../ports.ts'

export interface RedisStreamsOptions {
  /** `redis://[user:password@]host[:6379][/database]`, `rediss://` for TLS. */
  readonly url: string
  /** Streams to read. */
  readonly topics: readonly string[]
  /**
   * How many streams stand behind a topic nobody has said it of before; default 1, the stream of the topic's own name. A
   * key's records all go to one, and one member at a time reads it: shards bound how many members can work.
   */
  readonly shards?: number
  /**
   * `ordered` (the default): one member at a time works on a stream, in order. `competing`: all members take entries from the
   * same streams side by side, in no order, also from streams that other programs' consumers read in the same group.
   */
  readonly sharing?: 'ordered' | 'competing'
  /**
   * With `competing`: entries that their member gave no sign of for this long go to others, milliseconds; default 60,000. Longer
   * than a stall that a member may survive; how long handlers take does not matter.
   */
  readonly claimIdleMs?: number
  /** Who this member is; default a new name each time. A second member of the same name takes the first one's place. */
  readonly consumerName?: string
  /** Silence after which a member's shards go to others, milliseconds; default 15,000. */
  readonly sessionTimeoutMs?: number
  /**
   * At most a third of the session timeout, milliseconds; default 3,000. With `competing` and `retry.later`: how late a record
   * may come that a member put off which died.
   */
  readonly heartbeatIntervalMs?: number
  /** Where a group begins that does not exist yet; default `earliest`. `none` refuses to start. */
  readonly offsetReset?: 'earliest' | 'latest' | 'none'
  /** Most entries of one shard that one request takes; default 500. */
  readonly count?: number
  /** Longest that a request for new entries waits at the server, milliseconds; default 5,000. */
  readonly blockMs?: number
  /** Longest wait for an answer, milliseconds; default 10,000. */
  readonly requestTimeoutMs?: number
  /** Longest wait for a connection, milliseconds; default 10,000. */
  readonly connectTimeoutMs?: number
  /** How long opening goes on trying, milliseconds; default 10,000. */
  readonly bootstrapTimeoutMs?: number
  /** First and longest wait before a lost connection is tried again, milliseconds; default 50 and 1,000. */
  readonly reconnectBackoffMs?: number
  readonly reconnectBackoffMaxMs?: number
  /** Begins the names of Shoal's own keys; default `shoal`. */
  readonly keyPrefix?: string
}

export type RedisPorts = SourcePorts

export type RedisSettings = Required<RedisStreamsOptions> & {
  readonly ports: Required<SourcePorts>
}

const DEFAULTS = {
  shards: 1,
  sharing: 'ordered',
  claimIdleMs: 60_000,
  sessionTimeoutMs: 15_000,
  heartbeatIntervalMs: 3_000,
  offsetReset: 'earliest',
  count: 500,
  blockMs: 5_000,
  requestTimeoutMs: 10_000,
  connectTimeoutMs: 10_000,
  bootstrapTimeoutMs: 10_000,
  reconnectBackoffMs: 50,
  reconnectBackoffMaxMs: 1_000,
  keyPrefix: 'shoal',
} as const

/** @throws ShoalError SHOAL_INVALID_ARGUMENT with everything that is wrong */
export function redisSettings(options: RedisStreamsOptions, ports: RedisPorts): RedisSettings {
  const filled = filledPorts(ports)
  const settings = {
    ...DEFAULTS,
    consumerName: options.consumerName ?? `shoal-${uuidText(filled.random)}`,
    ...options,
    ports: filled,
  }
  const problems = problemsOf(settings)
  if (problems.length > 0)
    throw new ShoalError('SHOAL_INVALID_ARGUMENT', `redisStreams(): ${problems.join('; ')}`)
  return settings
}

const NUMBERS = [
  'shards',
  'count',
  'claimIdleMs',
  'sessionTimeoutMs',
  'heartbeatIntervalMs',
] as const

function problemsOf(settings: RedisSettings): string[] {
  const problems: string[] = []
  if (!URL.canParse(settings.url) || !/^rediss?:$/.test(new URL(settings.url).protocol))
    problems.push('url must begin with redis:// or rediss://')
  if (settings.topics.length === 0 || settings.topics.some((topic) => topic === ''))
    problems.push('topics must name at least one stream')
  for (const name of NUMBERS)
    if (!Number.isSafeInteger(settings[name]) || settings[name] < 1)
      problems.push(`${name} must be a whole number above 0, not ${settings[name]}`)
  if (settings.heartbeatIntervalMs * 3 > settings.sessionTimeoutMs)
    problems.push(
      `heartbeatIntervalMs (${settings.heartbeatIntervalMs}) must be at most a third of sessionTimeoutMs (${settings.sessionTimeoutMs})`,
    )
  if (settings.consumerName === '') problems.push('consumerName must not be empty')
  return problems
}
