/**
 * The `Network` port on real sockets: the only file that opens them.
 *
 * All that is written to a connection in one turn leaves as one gathering write: the socket is corked at the first
 * write and uncorked when the turn's callbacks and promises are done, so responses that become ready together share a
 * system call. Chunks that arrive are the socket's own buffers, one each, and never reused. Small writes are not
 * delayed (`noDelay`).
 */

import type { Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import type { Address, Connection, ConnectionEvents, Listener, Network } from '../core/index.ts'
import { messageOf, ShoalError } from '../core/index.ts'

export interface TcpNetworkOptions {
  /** Connections that wait to be accepted; default 511, as the system allows. */
  readonly backlog?: number
  /** Told when a connection could not be accepted (no file descriptors left); the listener goes on. Default: nobody. */
  readonly onAcceptError?: (error: Error) => void
}

export class TcpNetwork implements Network {
  readonly #backlog: number
  readonly #onAcceptError: (error: Error) => void

  constructor({ backlog = 511, onAcceptError = () => {} }: TcpNetworkOptions = {}) {
    this.#backlog = backlog
    this.#onAcceptError = onAcceptError
  }

  listen(address: Address, onConnection: (connection: Connection) => void): Promise<Listener> {
    const server = createServer({ noDelay: true, pauseOnConnect: true }, (socket) =>
      onConnection(new TcpConnection(socket)),
    )
    return new Promise((resolve, reject) => {
      server.once('error', (cause) =>
        reject(
          new ShoalError(
            'SHOAL_ADDRESS_UNUSABLE',
            `cannot listen on ${address.host}:${address.port}: ${messageOf(cause)}`,
            { cause, details: { host: address.host, port: address.port } },
          ),
        ),
      )
      server.listen({ host: address.host, port: address.port, backlog: this.#backlog }, () => {
        // What fails from now on is one connection that could not be accepted, never the listener.
        server.removeAllListeners('error')
        server.on('error', this.#onAcceptError)
        const bound = server.address()
        if (bound === null || typeof bound === 'string')
          return reject(new ShoalError('SHOAL_INVARIANT', 'a listener has no address'))
        let closed: Promise<void> | null = null
        const close = () =>
          (closed ??= new Promise((done) => {
            // Resolves when nothing is accepted any more; `server.close` itself would wait for every connection.
            server.close()
            done()
          }))
        resolve({ address: { host: bound.address, port: bound.port }, close })
      })
    })
  }

  connect(address: Address): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: address.host, port: address.port, noDelay: true })
      const refused = (cause: Error) =>
        reject(
          new ShoalError(
            'SHOAL_BROKER_UNREACHABLE',
            `cannot connect to ${address.host}:${address.port}: ${messageOf(cause)}`,
            { cause, details: { host: address.host, port: address.port } },
          ),
        )
      socket.once('error', refused)
      socket.once('connect', () => {
        socket.removeListener('error', refused)
        socket.pause()
        resolve(new TcpConnection(socket))
      })
    })
  }
}

class TcpConnection implements Connection {
  readonly remote: Address
  readonly local: Address
  readonly #socket: Socket
  #corked = false
  #error: Error | undefined

  constructor(socket: Socket) {
    this.#socket = socket
    this.remote = { host: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 }
    this.local = { host: socket.localAddress ?? '', port: socket.localPort ?? 0 }
    // A socket may fail before it is opened; without a listener that would end the process.
    socket.on('error', (error) => {
      this.#error = error
    })
  }

  open(events: ConnectionEvents): void {
    const socket = this.#socket
    socket.on('data', events.data)
    socket.on('drain', events.drain)
    socket.on('close', () => events.close(this.#error))
    socket.resume()
  }

  write(chunks: readonly Uint8Array[]): boolean {
    const socket = this.#socket
    if (!this.#corked) {
      this.#corked = true
      socket.cork()
      process.nextTick(() => this.#uncork())
    }
    let keepsUp = true
    for (const chunk of chunks) keepsUp = socket.write(chunk)
    return keepsUp
  }

  get writableLength(): number {
    return this.#socket.writableLength
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  end(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  #uncork(): void {
    this.#corked = false
    this.#socket.uncork()
  }
}
