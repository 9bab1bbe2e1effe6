/**
 * The real transport, and how many Fetch requests went to which broker.
 */

import type { Address } from '../../src/core/index.ts'
import type {
  ConnectOptions,
  EncodedRequest,
  KafkaConnection,
  KafkaTransport,
} from '../../src/sources/kafka/index.ts'
import { PlatformaticTransport } from '../../src/sources/kafka/platformatic-transport.ts'
import { fetch } from '../../src/protocol/index.ts'
import { waitUntil } from './recording-member.ts'

export class CountingTransport implements KafkaTransport {
  readonly #inner = new PlatformaticTransport()
  readonly #fetches = new Map<string, number>()
  #waiting: (() => void)[] = []

  /** @param address `host:port` */
  fetches(address: string): number {
    return this.#fetches.get(address) ?? 0
  }

  /** Waits until `holds`, looked at after every Fetch. */
  until(holds: () => boolean): Promise<void> {
    return waitUntil('a fetch', holds, (wake) => this.#waiting.push(wake))
  }

  async connect(address: Address, options: ConnectOptions): Promise<KafkaConnection> {
    const connection = await this.#inner.connect(address, options)
    return {
      send: (request) => {
        this.#count(`${address.host}:${address.port}`, request)
        return connection.send(request)
      },
      destroy: () => connection.destroy(),
    }
  }

  #count(address: string, { apiKey }: EncodedRequest): void {
    if (apiKey !== fetch.key) return
    this.#fetches.set(address, this.fetches(address) + 1)
    for (const wake of this.#waiting.splice(0)) wake()
  }
}
