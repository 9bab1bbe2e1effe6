/**
 * The workbench's view of any broker: groups and how far each is behind, dead letters. Loads the code of the broker that the
 * URL names, and its client library, and nothing of the others.
 */

import type { BrokerPort } from '../admin/index.ts'
import { brokerAddress, isBrokerUrl, type Environment } from './address.ts'

export interface AdminOptions {
  /** How long opening goes on trying, milliseconds; default 10,000. */
  readonly bootstrapTimeoutMs?: number
  /** Where RabbitMQ's management API is; default the host of the URL with port 15672 (15671 with TLS). */
  readonly rabbitManagementUrl?: string
  /** Begins the names of Shoal's own keys in Redis; default `shoal`. */
  readonly redisKeyPrefix?: string
}

/**
 * Looking changes nothing: no group is joined, no entry claimed, no message taken.
 *
 * @param broker a URL as `open` takes it, or `host:port,…` of Kafka or Shoal
 * @throws ShoalError SHOAL_INVALID_ARGUMENT for another scheme, or when the client library is not installed;
 * SHOAL_BROKER_UNREACHABLE; SHOAL_REQUEST_FAILED for wrong credentials
 *
 * @example
 * const admin = await openAdmin('redis://localhost:6379')
 * const { partitions } = await admin.groupBacklog('billing')
 * await admin.close()
 */
export async function openAdmin(
  broker: string,
  options: AdminOptions = {},
  environment: Environment = process.env,
): Promise<BrokerPort> {
  const url = isBrokerUrl(broker) ? broker : `kafka://${broker}`
  const { backend, address } = brokerAddress(url, environment)
  const { bootstrapTimeoutMs, rabbitManagementUrl, redisKeyPrefix } = options
  const timeout = bootstrapTimeoutMs === undefined ? {} : { bootstrapTimeoutMs }
  switch (backend) {
    case 'kafka': {
      const { openKafkaBroker } = await import('../sources/kafka/admin/index.ts')
      return openKafkaBroker({ brokers: address, ...timeout })
    }
    case 'redis-streams': {
      const { openRedisAdmin } = await import('../sources/redis-streams/admin/index.ts')
      const prefix = redisKeyPrefix === undefined ? {} : { keyPrefix: redisKeyPrefix }
      return openRedisAdmin({ url: address, ...timeout, ...prefix })
    }
    case 'rabbitmq': {
      const { openRabbitAdmin } = await import('../sources/rabbitmq/admin/index.ts')
      const management =
        rabbitManagementUrl === undefined ? {} : { managementUrl: rabbitManagementUrl }
      return openRabbitAdmin({ url: address, ...timeout, ...management })
    }
  }
}
