/**
 * The real transport, until it is cut: then every connection is gone and none can be made, as for a process that was killed.
 */

import type { Address } from '../../src/core/index.ts'
import { ShoalError } from '../../src/core/index.ts'
import type {
  ConnectOptions,
  EncodedRequest,
  KafkaConnection,
  KafkaTransport,
} from '../../src/sources/kafka/index.ts'
import { PlatformaticTransport } from '../../src/sources/kafka/platformatic-transport.ts'

export class CuttableTransport implements KafkaTransport {
  readonly #inner = new PlatformaticTransport()
  readonly #connections = new Set<KafkaConnection>()
  readonly #onRequest: (request: EncodedRequest) => void
  #isCut = false

  /** @param onRequest hears of each request before it leaves */
  constructor(onRequest: (request: EncodedRequest) => void = () => {}) {
    this.#onRequest = onRequest
  }

  cut(): void {
    this.#isCut = true
    for (const connection of this.#connections) connection.destroy()
  }

  async connect(address: Address, options: ConnectOptions): Promise<KafkaConnection> {
    if (this.#isCut) throw new ShoalError('SHOAL_BROKER_UNREACHABLE', 'the connection was cut')
    const inner = await this.#inner.connect(address, options)
    if (this.#isCut) inner.destroy()
    this.#connections.add(inner)
    return {
      send: (request: EncodedRequest) => {
        this.#onRequest(request)
        return inner.send(request)
      },
      destroy: () => inner.destroy(),
    }
  }
}
