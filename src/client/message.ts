/**
 * A record as `poll` hands it out: its bytes, where it came from, and how often it was delivered.
 *
 * It remembers the delivery that it belongs to, so that `ack` and `commit` can tell a record of a partition that has moved
 * on from one that is still this consumer's. A copy (spread, JSON) does not, and is refused.
 */

import { ShoalError } from '../core/index.ts'
import type { RecordHeader } from '../consumer/index.ts'
import type { Delivery } from './member.ts'

const utf8 = new TextDecoder()

export class Message {
  readonly #delivery: Delivery

  constructor(delivery: Delivery) {
    this.#delivery = delivery
  }

  /** The delivery behind a message. @throws ShoalError SHOAL_INVALID_ARGUMENT for anything but a message that was polled */
  static deliveryOf(message: Message): Delivery {
    if (typeof message !== 'object' || message === null || !(#delivery in message))
      throw new ShoalError(
        'SHOAL_INVALID_ARGUMENT',
        'this is not a message that poll() returned; hand over the object itself, not a copy',
      )
    return message.#delivery
  }

  get topic(): string {
    return this.#delivery.topic
  }

  get partition(): number {
    return this.#delivery.partition
  }

  get offset(): number {
    return this.#delivery.record.offset
  }

  /** Milliseconds since the epoch. */
  get timestampMs(): number {
    return this.#delivery.record.timestampMs
  }

  get key(): Uint8Array | null {
    return this.#delivery.record.key
  }

  get value(): Uint8Array | null {
    return this.#delivery.record.value
  }

  get headers(): readonly RecordHeader[] {
    return this.#delivery.record.headers
  }

  /** 1 at first; one more for each `nack`. */
  get deliveryCount(): number {
    return this.#delivery.deliveryCount
  }

  /** The value as UTF-8 text; empty when there is none. */
  text(): string {
    return this.value === null ? '' : utf8.decode(this.value)
  }

  /** The value as JSON. @throws ShoalError SHOAL_INVALID_PAYLOAD */
  json(): unknown {
    try {
      return JSON.parse(this.text())
    } catch (cause) {
      const { topic, partition, offset } = this
      throw new ShoalError(
        'SHOAL_INVALID_PAYLOAD',
        `the value of ${topic}/${partition} at ${offset} is not JSON`,
        { cause, details: { topic, partition, offset } },
      )
    }
  }
}
