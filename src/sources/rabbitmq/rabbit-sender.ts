/** Publishes without being a member of any group. */

import type { OutgoingRecord } from '../../consumer/index.ts'
import { rabbitSettings } from './options.ts'
import type { RabbitMqOptions, RabbitMqPorts } from './options.ts'
import { Publisher } from './publisher.ts'
import { RabbitLink } from './rabbit-link.ts'

export interface RabbitSender {
  /** Resolves when RabbitMQ has confirmed the message. */
  send(record: OutgoingRecord): Promise<void>
  close(): Promise<void>
}

/** @throws ShoalError SHOAL_INVALID_ARGUMENT, SHOAL_BROKER_UNREACHABLE */
export async function rabbitSender(
  options: RabbitMqOptions,
  ports: RabbitMqPorts = {},
): Promise<RabbitSender> {
  const settings = rabbitSettings(options, ports)
  const link = await RabbitLink.open(settings)
  const publisher = new Publisher(link, settings)
  let isClosed = false
  return {
    send: (record) => publisher.publish(record),
    async close() {
      if (isClosed) return
      isClosed = true
      await publisher.close()
      await link.close()
    },
  }
}
