/**
 * `newConsumer(…)`: from a configuration to a member of the group.
 */

import { ShoalError, silentLogger, systemClock, systemTimers } from '../core/index.ts'
import type { Clock, Timers } from '../core/index.ts'
import type { Source } from '../consumer/index.ts'
import { kafka } from '../sources/kafka/index.ts'
import type { KafkaPorts } from '../sources/kafka/index.ts'
import { resolveConfig } from './config.ts'
import type { ConsumerConfig, ConsumerSettings } from './config.ts'
import { KafkaMember } from './kafka-member.ts'
import { PollingConsumer } from './polling-consumer.ts'

/** The world outside, replaceable; what is left out is real. */
export interface ConsumerPorts {
  readonly clock?: Clock
  readonly timers?: Timers
  readonly kafka?: KafkaPorts
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
  if (settings.transport === 'http')
    throw new ShoalError(
      'SHOAL_INVALID_ARGUMENT',
      'consumer: brokers names an HTTP address; this version reads over kafka:// alone',
    )
  return PollingConsumer.open({ settings, timers, logger, onRebalance, signal }, async (events) => {
    const source = ports.source ?? kafkaSource(settings, { logger, ...ports.kafka })
    return KafkaMember.open({ source, settings, clock, timers, logger }, events)
  })
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
