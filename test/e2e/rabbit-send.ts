/**
 * A stranger who sends to a queue of RabbitMQ, and waits until it is confirmed.
 */

import type { ConfirmChannel } from 'amqplib'

export function send(
  channel: ConfirmChannel,
  queue: string,
  value: string,
  headers: Record<string, Buffer> = {},
  messageId?: string,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const options = { persistent: true, headers, ...(messageId === undefined ? {} : { messageId }) }
    channel.sendToQueue(queue, Buffer.from(value), options, (error) =>
      error === null || error === undefined ? resolve() : reject(new Error('not confirmed')),
    )
  })
}
