/**
 * The `Network` port on real sockets: the only file that opens them.
 *
 * All that is written to a connection in one turn leaves as one gathering write: the socket is corked at the first
 * write and uncorked when the turn's callbacks and promises are done, so responses that become ready together share a
 * system call. Small writes are not delayed (`noDelay`).
 *
 * Bytes are read straight into the receiver's `room`, if it gives any. Node has that (`onread`) for sockets that one
 * makes, not for those that a server accepts; so an accepted socket's handle moves into a socket made for the purpose,
 * and where it cannot move (`_handle` is no public name) chunks are buffers of their own.
 */

import type { Socket } from 'node:net'
import { connect, createServer, Socket as NodeSocket } from 'node:net'
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
  #socket: Socket
  #corked = false
  #error: Error | undefined

  constructor(socket: Socket) {
    this.#socket = socket
    this.remote = { host: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 }
    this.local = { host: socket.localAddress ?? '', port: socket.localPort ?? 0 }
    this.#watch(socket)
  }

  open(events: ConnectionEvents): void {
    const { data, room } = events
    const roomy = room === undefined ? null : readInto(this.#socket, { data, room })
    if (roomy === null) this.#socket.on('data', data)
    else this.#watch((this.#socket = roomy))
    const socket = this.#socket
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

  /** A socket may fail before it is opened; without a listener that would end the process. */
  #watch(socket: Socket): void {
    socket.on('error', (error) => {
      this.#error = error
    })
  }

  #uncork(): void {
    this.#corked = false
    this.#socket.uncork()
  }
}

/** Moves the socket's handle into one that reads into `room`; null when it cannot be moved. */
function readInto(
  socket: Socket,
  { data, room }: { readonly data: (chunk: Uint8Array) => void; readonly room: () => Uint8Array },
): Socket | null {
  const owner = socket as unknown as { _handle: unknown }
  const handle = owner._handle
  if (typeof handle !== 'object' || handle === null || !('useUserBuffer' in handle)) return null
  owner._handle = null
  const callback = (length: number, buffer: Uint8Array) => {
    data(buffer.subarray(0, length))
    return true
  }
  const options = { handle, manualStart: true, onread: { buffer: room, callback } }
  return new NodeSocket(options as object)
}
