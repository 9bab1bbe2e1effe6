/**
 * InitProducerId v0-5: a fresh producer id with epoch 0 for an idempotent producer, whatever id it had before, as in Kafka.
 *
 * Transactions are not here yet. A transactional id is checked as Kafka checks it and then refused with UNSUPPORTED_VERSION,
 * which every client takes as final ("the broker cannot do this") instead of asking for ever.
 */

import type { KafkaErrorName } from '../../../protocol/index.ts'
import { initProducerId } from '../../../protocol/index.ts'
import { handler } from './define.ts'

/** Kafka's `transaction.max.timeout.ms`. */
const MAX_TRANSACTION_TIMEOUT_MS = 900_000

export const handleInitProducerId = handler(initProducerId, async ({ request, context }) => {
  const { transactionalId, transactionTimeoutMs } = request
  if (transactionalId !== null) return refuse(refusalOf(transactionalId, transactionTimeoutMs))
  const producerId = await context.producerIds.allocate()
  return { throttleTimeMs: 0, errorCode: 'NONE' as const, producerId, producerEpoch: 0 }
})

function refusalOf(transactionalId: string, timeoutMs: number): KafkaErrorName {
  if (transactionalId === '') return 'INVALID_REQUEST'
  if (timeoutMs <= 0 || timeoutMs > MAX_TRANSACTION_TIMEOUT_MS) return 'INVALID_TRANSACTION_TIMEOUT'
  return 'UNSUPPORTED_VERSION'
}

function refuse(errorCode: KafkaErrorName) {
  return { throttleTimeMs: 0, errorCode, producerId: -1n, producerEpoch: -1 }
}
