/**
 * Which broker a URL means: pure.
 *
 *   kafka://a:9092,b:9092   shoal://localhost:9092   redis:// rediss://   amqp:// amqps://
 *
 * A URL with nothing behind the scheme (`redis:`) takes the address from the environment that every team has set already:
 * KAFKA_BOOTSTRAP_SERVERS, REDIS_URL, RABBITMQ_URL; without it the broker's usual port on this machine.
 */

import { ShoalError } from '../core/index.ts'

export type Scheme = 'kafka' | 'shoal' | 'redis' | 'rediss' | 'amqp' | 'amqps'
export type Backend = 'kafka' | 'redis-streams' | 'rabbitmq'

export interface BrokerAddress {
  readonly backend: Backend
  /** What the backend's source takes: `host:port,…` for Kafka, a URL for the others. */
  readonly address: string
}

export type Environment = Readonly<Record<string, string | undefined>>

interface SchemeFacts {
  readonly backend: Backend
  readonly variable: string
  readonly fallback: string
}

const SCHEMES: Readonly<Record<Scheme, SchemeFacts>> = {
  kafka: { backend: 'kafka', variable: 'KAFKA_BOOTSTRAP_SERVERS', fallback: 'localhost:9092' },
  shoal: { backend: 'kafka', variable: 'KAFKA_BOOTSTRAP_SERVERS', fallback: 'localhost:9092' },
  redis: { backend: 'redis-streams', variable: 'REDIS_URL', fallback: 'redis://localhost:6379' },
  rediss: { backend: 'redis-streams', variable: 'REDIS_URL', fallback: 'rediss://localhost:6379' },
  amqp: { backend: 'rabbitmq', variable: 'RABBITMQ_URL', fallback: 'amqp://localhost:5672' },
  amqps: { backend: 'rabbitmq', variable: 'RABBITMQ_URL', fallback: 'amqps://localhost:5671' },
}

/** @throws ShoalError SHOAL_INVALID_ARGUMENT for another scheme */
export function brokerAddress(url: string, environment: Environment): BrokerAddress {
  const [, scheme = '', rest = ''] = /^([a-z]+):(.*)$/s.exec(url) ?? []
  if (!isScheme(scheme))
    throw new ShoalError(
      'SHOAL_INVALID_ARGUMENT',
      `open(${JSON.stringify(withoutPassword(url))}): expected a URL that begins with ${Object.keys(SCHEMES).join(':, ')}:`,
    )
  const { backend, variable, fallback } = SCHEMES[scheme]
  const place = rest.replace(/^\/\//, '')
  if (place === '') return { backend, address: environment[variable] || fallback }
  return { backend, address: backend === 'kafka' ? place.replace(/\/$/, '') : url }
}

/** The URL of an address: as complete as what a process of another environment needs. */
export function urlOf({ backend, address }: BrokerAddress): string {
  return backend === 'kafka' ? `kafka://${address}` : address
}

/** What a user named as a broker: a URL, or `host:port,…` of Kafka or Shoal. `kafka:9092` is a host and its port. */
export function isBrokerUrl(broker: string): boolean {
  return /^[a-z]+:(?:\/\/|$)/.test(broker)
}

function isScheme(scheme: string): scheme is Scheme {
  return Object.hasOwn(SCHEMES, scheme)
}

/** What may stand in an error or a log line. */
function withoutPassword(url: string): string {
  return url.replace(/(:\/\/[^:/@]*):[^@]*@/, '$1:…@')
}
