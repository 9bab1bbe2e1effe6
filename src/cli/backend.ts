/**
 * Which broker a command talks to, and the promise that the connection is closed whatever happens.
 *
 * `--broker` or `--bootstrap-server` (also `--broker-list`, as older tools say) before SHOAL_BROKER before
 * KAFKA_BOOTSTRAP_SERVERS before `.env` before localhost:9092. Each is a URL, or `host:port,…` of Kafka or Shoal. What only
 * a log has, such as offsets that can be moved, refuses a URL of Redis or RabbitMQ with a sentence.
 */

import type { Command } from 'commander'
import type { AdminPort, BrokerPort } from '../admin/index.ts'
import { ShoalError } from '../core/index.ts'
import { brokerAddress, isBrokerUrl, urlOf, type BrokerAddress } from '../open/index.ts'
import type { Io } from './io.ts'
import { readEnvironment } from './settings-file.ts'

const DEFAULT_ADDRESS = 'localhost:9092'

/** Where a command connects, and how long it tries. */
export interface Backend {
  readonly brokers: string
  readonly bootstrapTimeoutMs: number
}

export interface BackendFlags {
  readonly broker?: string
  readonly bootstrapServer?: string
  readonly brokerList?: string
  readonly timeout: string
}

export function withBackend(command: Command): Command {
  return withAddress(command).option(
    '--broker <url>',
    'the same as a URL: kafka://host:port, shoal:, redis:, rediss:, amqp:, amqps:; default SHOAL_BROKER',
  )
}

/** For a command whose broker may also stand in its configuration. */
export function withAddress(command: Command): Command {
  return command
    .option(
      '-b, --bootstrap-server <addresses>',
      'where the broker is: host:port,…; default KAFKA_BOOTSTRAP_SERVERS or localhost:9092',
    )
    .option('--broker-list <addresses>', 'the same, as older tools call it')
    .option(
      '--timeout <duration>',
      'how long to try to reach the broker, such as 500ms or 1m',
      '10s',
    )
}

/**
 * @throws ShoalError SHOAL_INVALID_ARGUMENT for a timeout that is no duration; SHOAL_REQUEST_FAILED for a broker that is
 * neither Kafka nor Shoal
 */
export async function backendOf(io: Io, flags: BackendFlags): Promise<Backend> {
  const { backend, address } = await brokerOf(io, flags)
  if (backend !== 'kafka')
    throw new ShoalError(
      'SHOAL_REQUEST_FAILED',
      `${NAMES[backend]} has no topics with partitions and offsets, so this works on Kafka and Shoal alone; groups list, describe and lag, and dlq, work on every broker`,
      { details: { error: 'UNSUPPORTED_BACKEND', backend } },
    )
  return { brokers: address, bootstrapTimeoutMs: await timeoutOf(flags) }
}

const NAMES = { 'redis-streams': 'Redis Streams', rabbitmq: 'RabbitMQ' } as const

/** @throws ShoalError SHOAL_INVALID_ARGUMENT for a URL of another scheme */
export async function brokerOf(io: Io, flags: BackendFlags): Promise<BrokerAddress> {
  const environment = await readEnvironment(io)
  const named =
    flags.broker ??
    flags.bootstrapServer ??
    flags.brokerList ??
    (environment['SHOAL_BROKER'] || environment['KAFKA_BOOTSTRAP_SERVERS'] || DEFAULT_ADDRESS)
  if (!isBrokerUrl(named)) return { backend: 'kafka', address: named }
  return brokerAddress(named, environment)
}

/** @throws ShoalError SHOAL_INVALID_ARGUMENT */
export async function timeoutOf({ timeout }: Pick<BackendFlags, 'timeout'>): Promise<number> {
  const { parseDuration } = await import('../consumer/index.ts')
  const timeoutMs = parseDuration(timeout)
  if (timeoutMs !== undefined && timeoutMs > 0) return timeoutMs
  throw new ShoalError(
    'SHOAL_INVALID_ARGUMENT',
    `--timeout ${timeout}: expected a duration such as 500ms, 10s or 1m`,
  )
}

export async function withAdmin<Result>(
  io: Io,
  flags: BackendFlags,
  work: (admin: AdminPort) => Promise<Result>,
): Promise<Result> {
  const { openKafkaAdmin } = await import('../sources/kafka/admin/index.ts')
  const admin = await openKafkaAdmin(await backendOf(io, flags))
  try {
    return await work(admin)
  } finally {
    await admin.close()
  }
}

export interface BrokerFlags extends BackendFlags {
  readonly rabbitmqManagementUrl?: string
  readonly redisKeyPrefix?: string
}

/** For commands that work over every broker. */
export function withBroker(command: Command): Command {
  return withBackend(command)
    .option(
      '--rabbitmq-management-url <url>',
      "where RabbitMQ's management API is; default the broker's host, port 15672",
    )
    .option('--redis-key-prefix <text>', "begins Shoal's own keys in Redis; default shoal")
}

/** Any broker's view of groups and dead letters. */
export async function withBrokerPort<Result>(
  io: Io,
  flags: BrokerFlags,
  work: (port: BrokerPort) => Promise<Result>,
): Promise<Result> {
  const { openAdmin } = await import('../open/index.ts')
  const { rabbitmqManagementUrl, redisKeyPrefix } = flags
  const port = await openAdmin(urlOf(await brokerOf(io, flags)), {
    bootstrapTimeoutMs: await timeoutOf(flags),
    ...(rabbitmqManagementUrl === undefined ? {} : { rabbitManagementUrl: rabbitmqManagementUrl }),
    ...(redisKeyPrefix === undefined ? {} : { redisKeyPrefix }),
  })
  try {
    return await work(port)
  } finally {
    await port.close()
  }
}
