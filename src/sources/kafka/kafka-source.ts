/**
 * Kafka, or Shoal's broker over the wire, as a source of the consumer runtime.
 */

import { uuidText } from '../../core/index.ts'
import type { Source, SourceContext } from '../../consumer/index.ts'
import { KafkaClient } from './kafka-client.ts'
import { KafkaSession } from './kafka-session.ts'
import { clusterSettings, sourceSettings } from './options.ts'
import type { KafkaPorts, KafkaSourceOptions, SourceSettings } from './options.ts'
import { TransactionalProducer } from './transaction/transactional-producer.ts'

export interface KafkaCapabilities {
  readonly kind: 'kafka'
  readonly transactions: true
  readonly offsets: true
  readonly completionMemory: true
  readonly returnsMetadata: true
  readonly readsBack: true
  readonly nativeDelay: false
}

/**
 * Reads topics of a Kafka cluster as a member of the consumer's group.
 *
 * Guarantees: heartbeats do not depend on handlers; partitions are given up only after their work was drained and
 * committed, or the drain's time was up; what a rebalance leaves with this member is neither interrupted nor repeated;
 * no record is skipped without a notice.
 *
 * ```ts
 * const orders = consumer({
 *   group: 'billing',
 *   source: kafka({ brokers: 'localhost:9092', topics: ['orders'] }),
 *   handle: (order) => charge(order),
 * })
 * ```
 *
 * @throws ShoalError SHOAL_INVALID_ARGUMENT for options that cannot work
 */
export function kafka(
  options: KafkaSourceOptions,
  ports: KafkaPorts = {},
): Source<KafkaCapabilities> {
  const settings = sourceSettings(options)
  const { brokers } = clusterSettings(options)
  const [first] = brokers
  let lastEpoch = 0
  return {
    name: `kafka ${first?.host}:${first?.port}`,
    capabilities: {
      kind: 'kafka',
      transactions: true,
      offsets: true,
      completionMemory: true,
      returnsMetadata: true,
      readsBack: true,
      nativeDelay: false,
    },
    async open(context) {
      const client = await KafkaClient.open(
        { ...options, onConnection: (event) => context.events.notice(event) },
        ports,
      )
      try {
        await client.refresh(settings.topicPattern === null ? settings.topics : 'all')
        await client.coordinatorOf(context.group, client.settings.bootstrapTimeoutMs)
      } catch (error) {
        await client.close()
        throw error
      }
      const transactions =
        context.exactlyOnce === true ? await openTransactions(client, settings, context) : null
      const session = new KafkaSession(client, settings, context, () => ++lastEpoch, transactions)
      // The caller holds the session before its first event arrives.
      client.ports.timers.soon(() => session.start())
      return session
    },
  }
}

/**
 * A static member has its transactional id by its name, so that it ends at once what it left open before it died; any other
 * has one of its own, for two members must never share one.
 */
async function openTransactions(
  client: KafkaClient,
  { groupInstanceId, transactionTimeoutMs }: SourceSettings,
  { group }: SourceContext,
): Promise<TransactionalProducer> {
  const name = groupInstanceId ?? uuidText(client.ports.random)
  const settings = { transactionalId: `shoal.${group}.${name}`, transactionTimeoutMs }
  try {
    return await TransactionalProducer.open(client, settings)
  } catch (error) {
    await client.close()
    throw error
  }
}
