/**
 * What a crash ledger needs of a broker, whichever it is: records in a topic of its own, a source to read them by, and
 * whether the group is through.
 *
 * Every record carries its number as a header, so that a worker can say which record it has where offsets are counted
 * anew by each member (RabbitMQ, competing members of a Redis stream).
 */

import type { Source } from '../../consumer/index.ts'
import { ShoalError } from '../../core/index.ts'
import { brokerAddress, isBrokerUrl, open, openSource, urlOf } from '../../open/index.ts'
import type { AnyOpenOptions, Backend } from '../../open/index.ts'
import { openKafkaAdmin } from '../../sources/kafka/admin/index.ts'
import { KafkaProducer } from '../../sources/kafka/index.ts'
import type { ExpectedRecord } from './judge.ts'

/** The header that holds a record's number. */
export const RECORD_HEADER = 'shoal-ledger-record'

/** How members share a topic on Redis and RabbitMQ. Kafka's partitions are always `ordered`. */
export type Sharing = 'ordered' | 'competing'

/** A topic on a broker, as every process of a ledger knows it. */
export interface LedgerPlace {
  readonly backend: Backend
  /** Complete: it needs no environment. */
  readonly url: string
  /** What `open(url, …)` takes for this topic on this broker. */
  readonly openOptions: AnyOpenOptions
  readonly partitions: number
}

export interface LedgerPlaceOptions {
  /** A URL as for `open`, or `host:port,…` of Kafka or Shoal. */
  readonly brokers: string
  readonly topic: string
  readonly group: string
  readonly partitions: number
  readonly sessionTimeoutMs: number
  readonly sharing: Sharing
}

/** @throws ShoalError SHOAL_INVALID_ARGUMENT for a URL of another scheme, and for sharing that the broker does not know */
export function ledgerPlace(options: LedgerPlaceOptions): LedgerPlace {
  const { brokers, topic, group, partitions, sessionTimeoutMs, sharing } = options
  const address = brokerAddress(isBrokerUrl(brokers) ? brokers : `kafka://${brokers}`, process.env)
  const { backend } = address
  if (backend === 'kafka' && sharing === 'competing')
    throw new ShoalError(
      'SHOAL_INVALID_ARGUMENT',
      'crash ledger: sharing is competing, but members of a Kafka group share partitions, in order',
    )
  const heartbeatIntervalMs = Math.max(1, Math.floor(sessionTimeoutMs / 10))
  const common = { topic, group, sessionTimeoutMs, heartbeatIntervalMs }
  const own: Readonly<Record<Backend, Partial<AnyOpenOptions>>> = {
    kafka: { offsetReset: 'earliest' },
    'redis-streams': { shards: partitions, sharing, claimIdleMs: sessionTimeoutMs },
    rabbitmq: { shards: partitions, sharing },
  }
  const openOptions = { ...common, ...own[backend] }
  return { backend, url: urlOf(address), openOptions, partitions }
}

/** `host:port,…` for Kafka, the URL for the others. */
export function brokersOf({ backend, url }: LedgerPlace): string {
  return backend === 'kafka' ? brokerAddress(url, {}).address : url
}

export function ledgerSource({ url, openOptions }: LedgerPlace): Promise<Source> {
  return openSource(url, openOptions, {})
}

export interface Fill {
  readonly records: number
  readonly keys: number
  readonly value: (key: string, sequence: number) => string
}

/**
 * Makes the topic and fills it, keys in turn, so that every moment of it has work for many of them.
 * @throws ShoalError SHOAL_BROKER_UNREACHABLE; SHOAL_REQUEST_FAILED when Kafka has the topic
 */
export function fillTopic(place: LedgerPlace, fill: Fill): Promise<readonly ExpectedRecord[]> {
  return place.backend === 'kafka' ? fillKafka(place, fill) : fillByDoor(place, fill)
}

/** Whether the group has finished everything; null where the broker does not say. */
export async function isConsumed(place: LedgerPlace, group: string): Promise<boolean | null> {
  if (place.backend !== 'kafka') return null
  const { partitions, openOptions } = place
  const { topic } = openOptions
  const admin = await openKafkaAdmin({ brokers: brokersOf(place) })
  try {
    const all = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }))
    const committed = new Map(
      (await admin.committedOffsets(group)).map(({ partition, offset }) => [partition, offset]),
    )
    const ends = await admin.offsets(all, 'latest')
    return ends.every(({ partition, offset }) => (committed.get(partition) ?? 0) >= (offset ?? 0))
  } finally {
    await admin.close()
  }
}

/** Kafka says where each record stands, so workers with any client can say which one they have. */
async function fillKafka(place: LedgerPlace, fill: Fill): Promise<readonly ExpectedRecord[]> {
  const brokers = brokersOf(place)
  const { topic } = place.openOptions
  const admin = await openKafkaAdmin({ brokers, bootstrapTimeoutMs: 10_000 })
  try {
    await admin.createTopic({
      name: topic,
      partitionCount: place.partitions,
      replicationFactor: -1,
      configs: new Map(),
    })
  } finally {
    await admin.close()
  }
  await using producer = await KafkaProducer.open({ brokers })
  const text = new TextEncoder()
  return Promise.all(
    numbered(fill).map(async ({ key, sequence, value }, number) => {
      const stands = await producer.send({
        topic,
        partition: null,
        key: text.encode(key),
        value: text.encode(value),
        headers: [{ key: RECORD_HEADER, value: text.encode(`${number}`) }],
      })
      return { key, sequence, place: stands }
    }),
  )
}

/** A round of all keys at a time: the next record of a key is sent when the broker has the one before it. */
async function fillByDoor(place: LedgerPlace, fill: Fill): Promise<readonly ExpectedRecord[]> {
  await using door = await open(place.url, place.openOptions, {})
  const records = numbered(fill)
  for (let first = 0; first < records.length; first += fill.keys)
    await Promise.all(
      records.slice(first, first + fill.keys).map(({ key, value }, index) => {
        const headers = { [RECORD_HEADER]: `${first + index}` }
        return door.send({ key, value, headers })
      }),
    )
  return records.map(({ key, sequence }) => ({ key, sequence, place: null }))
}

function numbered({ records, keys, value }: Fill) {
  return Array.from({ length: records }, (_, number) => {
    const key = `key-${number % keys}`
    const sequence = Math.floor(number / keys)
    return { key, sequence, value: value(key, sequence) }
  })
}
