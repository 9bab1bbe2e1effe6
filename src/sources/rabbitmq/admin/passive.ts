/** What AMQP tells of a queue without consuming it: how much is ready, and how many consume it. */

import { rabbitError, troubleOf } from '../rabbit-errors.ts'
import type { RabbitLink } from '../rabbit-link.ts'

/** By a passive declare; null where there is no such queue. @throws ShoalError */
export async function passiveQueue(
  link: RabbitLink,
  queue: string,
): Promise<{ readonly messageCount: number; readonly consumerCount: number } | null> {
  try {
    const channel = await link.channel()
    try {
      return await link.limited(channel.checkQueue(queue))
    } finally {
      await link.end(channel)
    }
  } catch (error) {
    if (troubleOf(error) === 'gone') return null
    throw rabbitError(error, `queue ${queue}`)
  }
}
