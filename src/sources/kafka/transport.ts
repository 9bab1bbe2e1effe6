/**
 * Where requests go: a port under `KafkaClient`, so that a real cluster, a simulated network or a broker in the same
 * process can take its place.
 *
 * The line: connections are theirs, the codec is ours. A transport connects, logs in, numbers requests and matches
 * answers to them; it never looks into a body. Real form: `platformatic-transport.ts` (TLS, SASL); over the `Network`
 * port of core: `network-transport.ts`.
 */

import type { Address } from '../../core/index.ts'

export interface KafkaTransport {
  /** Opens a connection and logs in. @throws ShoalError SHOAL_BROKER_UNREACHABLE */
  connect(address: Address, options: ConnectOptions): Promise<KafkaConnection>
}

export interface ConnectOptions {
  readonly clientId: string
  readonly timeoutMs: number
  /** A connection that sends a larger answer is ended. */
  readonly maxResponseBytes: number
  /** The connection is gone, for whatever reason; called exactly once, after every waiting request was rejected. */
  readonly onClose: (reason: string) => void
}

export interface KafkaConnection {
  /**
   * Sends a request; resolves with the bytes after the correlation id (the response header's tagged fields, then the
   * body). Requests leave in the order of the calls, and the broker answers in that order.
   * @throws ShoalError SHOAL_BROKER_UNREACHABLE when the connection ends before the answer came.
   */
  send(request: EncodedRequest): Promise<Uint8Array>
  /** Ends the connection at once; waiting requests are rejected. Idempotent. */
  destroy(): void
}

export interface EncodedRequest {
  readonly apiKey: number
  readonly apiVersion: number
  /** Version 2 ends with tagged fields, version 1 does not. */
  readonly headerVersion: 1 | 2
  readonly body: readonly Uint8Array[]
}
