/**
 * Which broker a command talks to, and the promise that the connection is closed whatever happens.
 *
 * `--bootstrap-server` (also `--broker-list`, as older tools say) before KAFKA_BOOTSTRAP_SERVERS before `.env` before
 * localhost:9092.
 */

import type { Command } from 'commander'
import type { AdminPort } from '../admin/index.ts'
import { openKafkaAdmin } from '../sources/kafka/admin/index.ts'
import type { Io } from './io.ts'
import { readEnvironment } from './settings-file.ts'

const DEFAULT_ADDRESS = 'localhost:9092'

export interface BackendFlags {
  readonly bootstrapServer?: string
  readonly brokerList?: string
  readonly timeout?: string
}

export function withBackend(command: Command): Command {
  return command
    .option(
      '-b, --bootstrap-server <addresses>',
      'where the broker is: host:port,…; default KAFKA_BOOTSTRAP_SERVERS or localhost:9092',
    )
    .option('--broker-list <addresses>', 'the same, as older tools call it')
}

export async function brokersOf(io: Io, flags: BackendFlags): Promise<string> {
  const environment = await readEnvironment(io)
  return (
    flags.bootstrapServer ??
    flags.brokerList ??
    environment['KAFKA_BOOTSTRAP_SERVERS'] ??
    DEFAULT_ADDRESS
  )
}

export async function withAdmin<Result>(
  io: Io,
  flags: BackendFlags,
  work: (admin: AdminPort) => Promise<Result>,
): Promise<Result> {
  const admin = await openKafkaAdmin({ brokers: await brokersOf(io, flags) })
  try {
    return await work(admin)
  } finally {
    await admin.close()
  }
}
