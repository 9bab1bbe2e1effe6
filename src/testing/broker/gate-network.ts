/**
 * A network that a test can hold: what the broker and its clients say to each other waits behind the gate, or ends.
 *
 *   stall     bytes stop in both directions, nobody is told; new connections are taken and hear nothing
 *   resume    what waited goes on, in order
 *   cut       every connection ends as if the peer had died
 *
 * A wrapper around the network that the broker listens on; how clients connect is not its business.
 */

import type { Address, Connection, ConnectionEvents, Listener, Network } from '../../core/index.ts'

export class GateNetwork implements Network {
  readonly #inner: Network
  readonly #connections = new Set<GateConnection>()
  #isShut = false

  constructor(inner: Network) {
    this.#inner = inner
  }

  listen(address: Address, onConnection: (connection: Connection) => void): Promise<Listener> {
    return this.#inner.listen(address, (wire) => {
      const connection = new GateConnection(wire, () => this.#connections.delete(connection))
      this.#connections.add(connection)
      if (this.#isShut) connection.shut()
      onConnection(connection)
    })
  }

  connect(address: Address): Promise<Connection> {
    return this.#inner.connect(address)
  }

  stall(): void {
    this.#isShut = true
    for (const connection of this.#connections) connection.shut()
  }

  resume(): void {
    this.#isShut = false
    for (const connection of this.#connections) connection.letThrough()
  }

  cut(): void {
    for (const connection of this.#connections) connection.destroy()
  }
}

/** One accepted connection behind the gate. */
class GateConnection implements Connection {
  readonly #wire: Connection
  readonly #onGone: () => void
  #events: ConnectionEvents | null = null
  #isShut = false
  #isPaused = false
  #hasRefused = false
  #willEnd = false
  #incoming: Uint8Array[] = []
  #outgoing: Uint8Array[] = []

  constructor(wire: Connection, onGone: () => void) {
    this.#wire = wire
    this.#onGone = onGone
  }

  get remote(): Address {
    return this.#wire.remote
  }

  get local(): Address {
    return this.#wire.local
  }

  get writableLength(): number {
    return this.#outgoing.reduce((sum, chunk) => sum + chunk.length, this.#wire.writableLength)
  }

  open(events: ConnectionEvents): void {
    this.#events = events
    this.#wire.open({
      ...(events.room === undefined ? {} : { room: events.room }),
      data: (chunk) => {
        // Held bytes are copied: the receiver's own memory may be asked for again before they are delivered.
        if (this.#isShut) this.#incoming.push(Uint8Array.from(chunk))
        else events.data(chunk)
      },
      drain: () => {
        if (!this.#isShut) events.drain()
      },
      close: (error) => {
        this.#onGone()
        events.close(error)
      },
    })
    if (this.#isShut) this.#wire.pause()
  }

  write(chunks: readonly Uint8Array[]): boolean {
    if (!this.#isShut) return this.#wire.write(chunks)
    this.#outgoing.push(...chunks.map((chunk) => Uint8Array.from(chunk)))
    this.#hasRefused = true
    return false
  }

  pause(): void {
    this.#isPaused = true
    this.#wire.pause()
  }

  resume(): void {
    this.#isPaused = false
    if (!this.#isShut) this.#wire.resume()
  }

  end(): void {
    if (this.#isShut) this.#willEnd = true
    else this.#wire.end()
  }

  destroy(): void {
    this.#wire.destroy()
  }

  shut(): void {
    if (this.#isShut) return
    this.#isShut = true
    if (this.#events !== null) this.#wire.pause()
  }

  letThrough(): void {
    if (!this.#isShut) return
    this.#isShut = false
    const chunks = this.#outgoing.splice(0)
    const keepsUp = chunks.length === 0 || this.#wire.write(chunks)
    if (this.#willEnd) return this.#wire.end()
    if (this.#hasRefused && keepsUp) this.#events?.drain()
    this.#hasRefused = false
    for (const chunk of this.#incoming.splice(0)) this.#events?.data(chunk)
    if (!this.#isPaused && this.#events !== null) this.#wire.resume()
  }
}
