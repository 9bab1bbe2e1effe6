/**
 * `newConsumer(…)`: from a configuration to a member of the group.
 */

import { silentLogger, systemClock, systemRandom, systemTimers, uuidText } from '../core/index.ts'
import type { Clock, Random, Timers } from '../core/index.ts'
import type { Source } from '../consumer/index.ts'
import { apiClient, brokerRoutes } from '../http/index.ts'
import type { FetchPort } from '../http/index.ts'
import { kafka } from '../sources/kafka/index.ts'
import type { KafkaPorts } from '../sources/kafka/index.ts'
import { resolveConfig } from './config.ts'
import type { ConsumerConfig, ConsumerSettings } from './config.ts'
import { isPassing, retryingWith } from './http-calls.ts'
import { HttpMember } from './http-member.ts'
import type { HttpMemberParts } from './http-membership.ts'
import { KafkaMember } from './kafka-member.ts'
import type { MemberEvents } from './member.ts'
import { PollingConsumer } from './polling-consumer.ts'

/** The world outside, replaceable; what is left out is real. */
export interface ConsumerPorts {
  readonly clock?: Clock
  readonly timers?: Timers
  readonly random?: Random
  readonly kafka?: KafkaPorts
  readonly fetch?: FetchPort
  /** Instead of the broker that the configuration names: for tests. */
  readonly source?: Source
}

/**
 * Joins a group and returns its consumer, over HTTP (`localhost:8080`) or over Kafka (`kafka://localhost:9092`).
 *
 * At least once: nothing is committed that was not handed back, acknowledged or committed. Heartbeats run in the background,
 * whatever the loop does. `close` (or `await using`) leaves the group.
 *
 * @example
 * await using consumer = await newConsumer({ brokers: 'localhost:8080', groupId: 'billing', topics: ['orders'] })
 * for (const message of await consumer.poll(100)) console.log(message.text())
 *
 * @throws ShoalError SHOAL_INVALID_ARGUMENT that lists every problem of the configuration; SHOAL_BROKER_UNREACHABLE
 */
export async function newConsumer(
  config: ConsumerConfig,
  ports: ConsumerPorts = {},
): Promise<PollingConsumer> {
  const settings = resolveConfig(config)
  const { clock = systemClock, timers = systemTimers } = ports
  const { logger = silentLogger, onRebalance = null, signal = null } = config
  return PollingConsumer.open({ settings, timers, logger, onRebalance, signal }, async (events) => {
    if (settings.transport === 'http' && ports.source === undefined)
      return openHttp({ settings, clock, timers, logger }, ports, events)
    const source = ports.source ?? kafkaSource(settings, { logger, ...ports.kafka })
    return KafkaMember.open({ source, settings, clock, timers, logger }, events)
  })
}

type Common = Pick<HttpMemberParts, 'settings' | 'clock' | 'timers' | 'logger'>

/** Tries the addresses in turn until one lets the member in. */
async function openHttp(
  common: Common,
  { fetch = globalThis.fetch, random = systemRandom }: ConsumerPorts,
  events: MemberEvents,
): Promise<HttpMember> {
  const { settings, clock, timers } = common
  const memberId = settings.memberId ?? `${settings.clientId}-${uuidText(random)}`
  const retrying = retryingWith(clock, timers)
  const { token } = settings
  let unreachable: unknown
  for (const baseUrl of settings.addresses)
    try {
      const api = apiClient(brokerRoutes, { baseUrl, fetch, ...(token === null ? {} : { token }) })
      return await HttpMember.open({ ...common, api, retrying, memberId }, events, random)
    } catch (error) {
      if (!isPassing(error)) throw error
      unreachable = error
    }
  throw unreachable
}

function kafkaSource(settings: ConsumerSettings, ports: KafkaPorts): Source {
  const { addresses, topics, clientId, instanceId, assignor } = settings
  return kafka(
    {
      ...settings.security,
      brokers: addresses,
      topics,
      clientId,
      ...(instanceId === null ? {} : { groupInstanceId: instanceId }),
      sessionTimeoutMs: settings.sessionTimeoutMs,
      heartbeatIntervalMs: settings.heartbeatIntervalMs,
      rebalanceTimeoutMs: settings.rebalanceTimeoutMs,
      offsetReset: settings.autoOffsetReset,
      assignors: [assignor],
      requestTimeoutMs: settings.requestTimeoutMs,
      bootstrapTimeoutMs: settings.connectTimeoutMs,
    },
    ports,
  )
}
