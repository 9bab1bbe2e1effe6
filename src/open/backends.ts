/** What each broker gives: a source to receive by, a sender to send by. */

import type { OutgoingRecord, Source } from '../consumer/index.ts'
import type { BrokerAddress } from './address.ts'
import type { AnyOpenOptions } from './options.ts'

/** Appends, each resolved when the broker has it. */
export interface Sender {
  send(record: OutgoingRecord): Promise<void>
  close(): Promise<void>
}

export interface BackendParts {
  source(): Source
  sender(): Promise<Sender>
}

/** Loads the broker's own code, and nothing of the others. */
export async function backendParts(
  { backend, address }: BrokerAddress,
  options: AnyOpenOptions,
): Promise<BackendParts> {
  const { topic, group: _group, ...settings } = options
  const topics = [topic]
  switch (backend) {
    case 'kafka': {
      const { kafka, KafkaProducer } = await import('../sources/kafka/index.ts')
      const given = { ...settings, brokers: address }
      return {
        source: () => kafka({ ...given, topics }),
        sender: async () => senderOf(await KafkaProducer.open(given)),
      }
    }
    case 'redis-streams': {
      const { redisSender, redisStreams } = await import('../sources/redis-streams/index.ts')
      const given = { sharing: sharingOf(options), ...settings, url: address, topics }
      return { source: () => redisStreams(given), sender: () => redisSender(given) }
    }
    case 'rabbitmq': {
      const { rabbitmq, rabbitSender } = await import('../sources/rabbitmq/index.ts')
      const given = { sharing: sharingOf(options), ...settings, url: address, topics }
      return { source: () => rabbitmq(given), sender: () => rabbitSender(given) }
    }
  }
}

function senderOf(producer: {
  send(record: OutgoingRecord): Promise<unknown>
  close(): Promise<void>
}): Sender {
  return {
    send: async (record) => void (await producer.send(record)),
    close: () => producer.close(),
  }
}

function sharingOf({ shards = 1 }: AnyOpenOptions): 'ordered' | 'competing' {
  return shards > 1 ? 'ordered' : 'competing'
}
