/**
 * Byte streams as a port: who listens gets connections, who connects gets one. Real form: `broker/tcp-network.ts`;
 * simulated form: `sim-network.ts`.
 *
 * A connection delivers chunks in order and says once that it ended. Backpressure goes both ways: `write` answers
 * whether the peer keeps up, `pause` stops chunks from arriving (they stay in the peer's and the kernel's buffers).
 */

export interface Address {
  readonly host: string
  readonly port: number
}

export interface ConnectionEvents {
  /** A chunk that the receiver owns from now on: it is never overwritten by a later one, unless it lies in `room`. */
  readonly data: (chunk: Uint8Array) => void
  /**
   * Where the receiver would like the next bytes to be put, asked before each read: a chunk may then be the beginning of
   * that memory. A network is free not to ask. Default: nowhere in particular.
   */
  readonly room?: () => Uint8Array
  /** What was written has left; called after `write` answered false. */
  readonly drain: () => void
  /** The connection is gone, for whatever reason; called exactly once, nothing is called after it. */
  readonly close: (error?: Error) => void
}

export interface Connection {
  readonly remote: Address
  readonly local: Address
  /** Must be called once, in the turn in which the connection was handed over. */
  open(events: ConnectionEvents): void
  /** Queues the chunks as one write. Answers false when more than `writableHighWaterMark` waits: write no more until `drain`. */
  write(chunks: readonly Uint8Array[]): boolean
  /** Bytes written that the peer has not taken yet. */
  readonly writableLength: number
  pause(): void
  resume(): void
  /** Sends what was written, then ends the connection. */
  end(): void
  /** Ends it at once; what was written may be lost. */
  destroy(): void
}

export interface Listener {
  /** Where clients connect; the port that was taken when 0 was asked for. */
  readonly address: Address
  /** Stops taking connections; those that are open stay. Idempotent. */
  close(): Promise<void>
}

export interface Network {
  /** @throws ShoalError SHOAL_ADDRESS_UNUSABLE when it cannot be listened on. */
  listen(address: Address, onConnection: (connection: Connection) => void): Promise<Listener>
  connect(address: Address): Promise<Connection>
}
