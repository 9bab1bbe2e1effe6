/**
 * What a user may say about RabbitMQ and about consuming its queues, with the defaults, checked once at the edge.
 */

import { ShoalError, uuidText } from '../../core/index.ts'
import { filledPorts, type SourcePorts } from '../ports.ts'

export interface RabbitMqOptions {
  /** `amqp://[user:password@]host[:5672][/vhost]`, `amqps://` for TLS. */
  readonly url: string
  /** Queues to read, or what stands behind them when there are several shards. */
  readonly topics: readonly string[]
  /**
   * `ordered` (the default): one member at a time works on a queue (single active consumer), and members share the queues of
   * a topic. `competing`: all members take from the same queues side by side, without any order.
   */
  readonly sharing?: 'ordered' | 'competing'
  /**
   * Queues behind each topic; default 1, the queue of the topic's own name. With more, a consistent-hash exchange of the
   * topic's name (the plugin `rabbitmq_consistent_hash_exchange`) sends a key's messages to one of them. Changing it moves
   * keys: drain first.
   */
  readonly shards?: number
  /** Type of queues that do not exist yet; default `quorum`. */
  readonly queueType?: 'quorum' | 'classic'
  /** Unacknowledged messages of one queue that this member holds at most; default 500. */
  readonly prefetch?: number
  /** Who this member is, in its group; default a new name each time. */
  readonly consumerName?: string
  /** Silence after which a member's queues go to others, milliseconds; default 15,000. */
  readonly sessionTimeoutMs?: number
  /** At most a third of the session timeout, milliseconds; default 3,000. */
  readonly heartbeatIntervalMs?: number
  /** How long a member that joins listens for others before it takes queues, milliseconds; default 200. */
  readonly greetingMs?: number
  /** Longest wait for an answer, milliseconds; default 10,000. */
  readonly requestTimeoutMs?: number
  /** How long opening goes on trying, milliseconds; default 10,000. */
  readonly bootstrapTimeoutMs?: number
  /** First and longest wait before a lost connection is tried again, milliseconds; default 50 and 1,000. */
  readonly reconnectBackoffMs?: number
  readonly reconnectBackoffMaxMs?: number
}

export type RabbitMqPorts = SourcePorts

export type RabbitSettings = Required<RabbitMqOptions> & {
  readonly ports: Required<SourcePorts>
}

const DEFAULTS = {
  sharing: 'ordered',
  shards: 1,
  queueType: 'quorum',
  prefetch: 500,
  sessionTimeoutMs: 15_000,
  heartbeatIntervalMs: 3_000,
  greetingMs: 200,
  requestTimeoutMs: 10_000,
  bootstrapTimeoutMs: 10_000,
  reconnectBackoffMs: 50,
  reconnectBackoffMaxMs: 1_000,
} as const

/** The protocol's own limit of a prefetch. */
const LARGEST_PREFETCH = 65_535

/** @throws ShoalError SHOAL_INVALID_ARGUMENT with everything that is wrong */
export function rabbitSettings(options: RabbitMqOptions, ports: RabbitMqPorts): RabbitSettings {
  const filled = filledPorts(ports)
  const settings = {
    ...DEFAULTS,
    consumerName: options.consumerName ?? `shoal-${uuidText(filled.random)}`,
    ...options,
    ports: filled,
  }
  const problems = problemsOf(settings)
  if (problems.length > 0)
    throw new ShoalError('SHOAL_INVALID_ARGUMENT', `rabbitmq(): ${problems.join('; ')}`)
  return settings
}

function problemsOf(settings: RabbitSettings): string[] {
  const problems: string[] = []
  if (!URL.canParse(settings.url) || !/^amqps?:$/.test(new URL(settings.url).protocol))
    problems.push('url must begin with amqp:// or amqps://')
  if (settings.topics.length === 0 || settings.topics.some((topic) => topic === ''))
    problems.push('topics must name at least one queue')
  for (const name of ['shards', 'prefetch', 'sessionTimeoutMs', 'heartbeatIntervalMs'] as const)
    if (!Number.isSafeInteger(settings[name]) || settings[name] < 1)
      problems.push(`${name} must be a whole number above 0, not ${settings[name]}`)
  if (settings.prefetch > LARGEST_PREFETCH)
    problems.push(`prefetch must be at most ${LARGEST_PREFETCH}, not ${settings.prefetch}`)
  if (settings.heartbeatIntervalMs * 3 > settings.sessionTimeoutMs)
    problems.push(
      `heartbeatIntervalMs (${settings.heartbeatIntervalMs}) must be at most a third of sessionTimeoutMs (${settings.sessionTimeoutMs})`,
    )
  return problems
}
