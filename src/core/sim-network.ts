/**
 * A network in memory for tests and simulation: connections over the timers and the chance that it is given.
 *
 * Bytes arrive in order, in slices as small as `maxChunkBytes` says, each after its latency; a reader that pauses makes
 * its writer wait, as TCP does. Faults are per link and can change while it lives: cut after so many bytes, cut now, or
 * freeze it (a half-open connection: nothing arrives and nobody is told). Nothing here happens within the caller's turn,
 * so code meets the same orders of events as with sockets.
 */

import type { Timers } from './clock.ts'
import { ShoalError } from './errors.ts'
import type { Address, Connection, ConnectionEvents, Listener, Network } from './network.ts'
import type { Random } from './random.ts'
import { randomBelow } from './random.ts'

export interface LinkFaults {
  /** Longest time that a slice travels; each takes a random part of it. Default 0: the next turn. */
  readonly latencyMs?: number
  /** Slices have a random size from 1 to this; 1 delivers byte by byte. Default: chunks arrive as written. */
  readonly maxChunkBytes?: number
  /** The link breaks once so many bytes were delivered, both directions together. Default: never. */
  readonly cutAfterBytes?: number
}

export interface SimNetworkOptions {
  readonly timers: Timers
  readonly random: Random
  /** Faults of links that do not name their own. */
  readonly faults?: LinkFaults
  /** Bytes that wait for a reader before `write` answers false; default 65,536. */
  readonly writableHighWaterMark?: number
}

const FIRST_FREE_PORT = 40_000

export class SimNetwork implements Network {
  readonly #options: Required<SimNetworkOptions>
  readonly #listeners = new Map<string, (connection: Connection) => void>()
  readonly #refused = new Set<string>()
  readonly #links = new Set<SimLink>()
  #nextPort = FIRST_FREE_PORT

  constructor({ timers, random, faults = {}, writableHighWaterMark = 65_536 }: SimNetworkOptions) {
    this.#options = { timers, random, faults, writableHighWaterMark }
  }

  /** The open links, oldest first. */
  get links(): readonly SimLink[] {
    return [...this.#links]
  }

  listen(address: Address, onConnection: (connection: Connection) => void): Promise<Listener> {
    const taken = { host: address.host, port: address.port === 0 ? this.#nextPort++ : address.port }
    const name = nameOf(taken)
    if (this.#listeners.has(name))
      return Promise.reject(
        new ShoalError('SHOAL_ADDRESS_UNUSABLE', `${name} is listened on already`),
      )
    this.#listeners.set(name, onConnection)
    const close = () => {
      if (this.#listeners.get(name) === onConnection) this.#listeners.delete(name)
      return Promise.resolve()
    }
    return Promise.resolve({ address: taken, close })
  }

  connect(address: Address, faults: LinkFaults = this.#options.faults): Promise<Connection> {
    return new Promise((resolve, reject) => {
      this.#options.timers.soon(() => {
        const accept = this.#listeners.get(nameOf(address))
        if (accept === undefined || this.#refused.has(nameOf(address)))
          return reject(
            new ShoalError('SHOAL_BROKER_UNREACHABLE', `${nameOf(address)} refuses connections`),
          )
        const client = { host: '127.0.0.1', port: this.#nextPort++ }
        const link = new SimLink(this.#options, faults, client, address, () =>
          this.#links.delete(link),
        )
        this.#links.add(link)
        accept(link.server)
        resolve(link.client)
      })
    })
  }

  /** From now on connections to the address are refused; those that are open stay. */
  refuse(address: Address): void {
    this.#refused.add(nameOf(address))
  }

  /** Takes `refuse` back. */
  accept(address: Address): void {
    this.#refused.delete(nameOf(address))
  }
}

/** One connection seen from outside: both ends and what can happen to them. */
export class SimLink {
  readonly client: Connection
  readonly server: Connection
  /** Bytes that arrived, both directions together. */
  deliveredBytes = 0
  readonly #ends: readonly [SimConnection, SimConnection]
  readonly #options: Required<SimNetworkOptions>
  readonly #onGone: () => void
  #faults: LinkFaults
  #frozen = false

  constructor(
    options: Required<SimNetworkOptions>,
    faults: LinkFaults,
    client: Address,
    server: Address,
    onGone: () => void,
  ) {
    this.#options = options
    this.#faults = faults
    this.#onGone = onGone
    const clientEnd = new SimConnection(this, options.writableHighWaterMark, client, server)
    const serverEnd = new SimConnection(this, options.writableHighWaterMark, server, client)
    clientEnd.peer = serverEnd
    serverEnd.peer = clientEnd
    this.#ends = [clientEnd, serverEnd]
    this.client = clientEnd
    this.server = serverEnd
  }

  get frozen(): boolean {
    return this.#frozen
  }

  /** Other faults from now on. */
  degrade(faults: LinkFaults): void {
    this.#faults = faults
  }

  /** Breaks the link: both ends are told, bytes under way are lost. */
  cut(error: Error = new Error('the connection was reset')): void {
    for (const end of this.#ends) end.fail(error)
  }

  /** Makes it half-open: nothing arrives any more and neither end is told. */
  freeze(): void {
    this.#frozen = true
  }

  /** Takes `freeze` back: what was written meanwhile arrives. */
  thaw(): void {
    this.#frozen = false
    for (const end of this.#ends) end.deliverLater()
  }

  /** @internal How long a slice travels. */
  later(fire: () => void): void {
    const { latencyMs = 0 } = this.#faults
    if (latencyMs > 0) this.#options.timers.schedule(this.#options.random.next() * latencyMs, fire)
    else this.#options.timers.soon(fire)
  }

  /** @internal */
  soon(fire: () => void): void {
    this.#options.timers.soon(fire)
  }

  /** @internal How much of `available` bytes arrives in one slice. */
  sliceBytes(available: number): number {
    const { maxChunkBytes = Infinity, cutAfterBytes = Infinity } = this.#faults
    const whole = Math.min(available, cutAfterBytes - this.deliveredBytes)
    if (whole <= 1 || maxChunkBytes === Infinity) return Math.max(0, whole)
    return Math.min(whole, 1 + randomBelow(this.#options.random, maxChunkBytes))
  }

  /** @internal Counts what arrived; breaks the link when that was all it may carry. */
  delivered(bytes: number): void {
    this.deliveredBytes += bytes
    if (this.deliveredBytes >= (this.#faults.cutAfterBytes ?? Infinity)) this.cut()
  }

  /** @internal */
  closed(): void {
    if (this.#ends.every((end) => end.isClosed)) this.#onGone()
  }
}

class SimConnection implements Connection {
  readonly local: Address
  readonly remote: Address
  readonly #link: SimLink
  readonly #highWaterMark: number
  #peer: SimConnection | null = null
  #events: ConnectionEvents | null = null
  /** What the peer wrote and this end has not got yet. */
  #inbox: Uint8Array[] = []
  #inboxBytes = 0
  #delivering = false
  #paused = false
  /** A write of this end answered false. */
  #owesDrain = false
  #ending = false
  #closeError: Error | undefined
  isClosed = false

  constructor(link: SimLink, highWaterMark: number, local: Address, remote: Address) {
    this.#link = link
    this.#highWaterMark = highWaterMark
    this.local = local
    this.remote = remote
  }

  set peer(peer: SimConnection) {
    this.#peer = peer
  }

  get writableLength(): number {
    return this.#peer?.isClosed === false ? this.#peer.#inboxBytes : 0
  }

  open(events: ConnectionEvents): void {
    this.#events = events
    if (this.isClosed) this.#link.soon(() => events.close(this.#closeError))
    else this.deliverLater()
  }

  write(chunks: readonly Uint8Array[]): boolean {
    const peer = this.#peer
    if (this.isClosed || this.#ending || peer === null || peer.isClosed) return false
    for (const chunk of chunks)
      if (chunk.length > 0) {
        peer.#inbox.push(chunk.slice())
        peer.#inboxBytes += chunk.length
      }
    peer.deliverLater()
    this.#owesDrain ||= peer.#inboxBytes >= this.#highWaterMark
    return peer.#inboxBytes < this.#highWaterMark
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    this.deliverLater()
  }

  end(): void {
    if (this.isClosed || this.#ending) return
    this.#ending = true
    this.#peer?.deliverLater()
  }

  destroy(): void {
    if (this.isClosed) return
    this.#close()
    if (!this.#link.frozen) this.#peer?.fail(new Error('the connection was reset'))
  }

  fail(error: Error): void {
    if (!this.isClosed) this.#close(error)
  }

  deliverLater(): void {
    if (this.#delivering || this.isClosed) return
    this.#delivering = true
    this.#link.later(() => {
      this.#delivering = false
      this.#deliver()
    })
  }

  #deliver(): void {
    if (this.isClosed || this.#paused || this.#link.frozen || this.#events === null) return
    const [chunk] = this.#inbox
    if (chunk === undefined) return this.#delivered()
    const slice = chunk.subarray(0, this.#link.sliceBytes(chunk.length))
    if (slice.length === chunk.length) this.#inbox.shift()
    else this.#inbox[0] = chunk.subarray(slice.length)
    this.#inboxBytes -= slice.length
    if (slice.length > 0) this.#events.data(slice)
    this.#link.delivered(slice.length)
    if (this.#inboxBytes > 0) this.deliverLater()
    else this.#delivered()
  }

  /** Everything that the peer wrote is here. */
  #delivered(): void {
    const writer = this.#peer
    if (writer === null || writer.isClosed) return
    if (writer.#ending) {
      this.#close()
      writer.#close()
    } else if (writer.#owesDrain) {
      writer.#owesDrain = false
      writer.#events?.drain()
    }
  }

  #close(error?: Error): void {
    if (this.isClosed) return
    this.isClosed = true
    this.#inbox = []
    this.#inboxBytes = 0
    this.#closeError = error
    const events = this.#events
    if (events !== null) this.#link.soon(() => events.close(error))
    this.#link.closed()
  }
}

function nameOf({ host, port }: Address): string {
  return `${host}:${port}`
}
