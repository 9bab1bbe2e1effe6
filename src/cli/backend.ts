/**
 * Which broker a command talks to, and the promise that the connection is closed whatever happens.
 *
 * `--bootstrap-server` (also `--broker-list`, as older tools say) before KAFKA_BOOTSTRAP_SERVERS before `.env` before
 * localhost:9092.
 */

import type { Command } from 'commander'
import type { AdminPort } from '../admin/index.ts'
import { ShoalError } from '../core/index.ts'
import type { Io } from './io.ts'
import { readEnvironment } from './settings-file.ts'

const DEFAULT_ADDRESS = 'localhost:9092'

/** Where a command connects, and how long it tries. */
export interface Backend {
  readonly brokers: string
  readonly bootstrapTimeoutMs: number
}

export interface BackendFlags {
  readonly bootstrapServer?: string
  readonly brokerList?: string
  readonly timeout: string
}

export function withBackend(command: Command): Command {
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

/** @throws ShoalError SHOAL_INVALID_ARGUMENT for a timeout that is no duration */
export async function backendOf(io: Io, flags: BackendFlags): Promise<Backend> {
  const environment = await readEnvironment(io)
  const brokers =
    flags.bootstrapServer ??
    flags.brokerList ??
    environment['KAFKA_BOOTSTRAP_SERVERS'] ??
    DEFAULT_ADDRESS
  return { brokers, bootstrapTimeoutMs: await timeoutOf(flags) }
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
