/**
 * RabbitMQ as a source of the consumer runtime.
 */

import type { Source, SourceContext } from '../../consumer/index.ts'
import { uuidText } from '../../core/index.ts'
import { retry } from '../backoff.ts'
import { rabbitSettings } from './options.ts'
import type { RabbitMqOptions, RabbitMqPorts, RabbitSettings } from './options.ts'
import { mayPass, rabbitError } from './rabbit-errors.ts'
import { RabbitLink } from './rabbit-link.ts'
import { RabbitSession } from './rabbit-session.ts'
import { declareTopic } from './topology.ts'

export interface RabbitMqCapabilities {
  readonly kind: 'rabbitmq'
  readonly transactions: false
  /** A queue forgets what is acknowledged: nothing can be read again, and there is no position to move. */
  readonly offsets: false
  readonly completionMemory: true
  readonly readsBack: false
  readonly nativeDelay: true
}

/**
 * Reads queues as a member of a group.
 *
 * Guarantees: at least once: a message is acknowledged after it was handled, on the channel that delivered it, and a lost
 * connection gives everything else back. With `sharing: 'ordered'` messages of a key are handled in the order in which
 * they stand in their queue, also through crashes of members, as far as RabbitMQ returns messages to their place.
 * Offsets are counted by the member and begin at 0 in every epoch.
 *
 * Needs RabbitMQ 3.8 or newer, its consistent-hash plugin for more than one shard, and the package amqplib.
 *
 * @throws ShoalError SHOAL_INVALID_ARGUMENT for options that cannot work
 */
export function rabbitmq(
  options: RabbitMqOptions,
  ports: RabbitMqPorts = {},
): Source<RabbitMqCapabilities> {
  const settings = rabbitSettings(options, ports)
  let lastEpoch = 0
  return {
    name: `rabbitmq ${new URL(settings.url).host}`,
    unacknowledgedLimit: settings.prefetch,
    capabilities: {
      kind: 'rabbitmq',
      transactions: false,
      offsets: false,
      completionMemory: true,
      readsBack: false,
      nativeDelay: true,
    },
    open: (context) => openSession(nextName(settings, options), context, () => ++lastEpoch),
  }
}

/** Each member opened from a source without a name of its own gets a new one. */
function nextName(settings: RabbitSettings, { consumerName }: RabbitMqOptions): RabbitSettings {
  if (consumerName !== undefined) return settings
  return { ...settings, consumerName: `shoal-${uuidText(settings.ports.random)}` }
}

async function openSession(
  settings: RabbitSettings,
  context: SourceContext,
  nextEpoch: () => number,
): Promise<RabbitSession> {
  const link = await RabbitLink.open(settings)
  try {
    const limits = {
      firstMs: settings.reconnectBackoffMs,
      longestMs: settings.reconnectBackoffMaxMs,
    }
    await retry(
      settings.ports,
      { timeoutMs: settings.bootstrapTimeoutMs, limits, retriable: mayPass },
      async () => {
        for (const topic of settings.topics)
          await declareTopic(link, settings, topic, settings.shards)
      },
    )
  } catch (error) {
    await link.close()
    throw rabbitError(error, `topics ${settings.topics.join(', ')}, group ${context.group}`)
  }
  const session = new RabbitSession(link, settings, context, nextEpoch)
  settings.ports.timers.soon(() => void session.begin())
  return session
}
