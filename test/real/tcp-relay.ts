/**
 * Stands between a client and a server: a test looks at what the client says, holds the server's answers back, or cuts all
 * connections at that moment. Everything else goes through as it is.
 */

import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'

export class TcpRelay implements AsyncDisposable {
  readonly port: number
  /** Sees what a client sends before the server does; false keeps it from the server. */
  onRequest: (bytes: Buffer) => boolean = () => true
  readonly #server: Server
  readonly #sockets: Set<Socket>
  readonly #held: (() => void)[] = []
  #isHolding = false

  private constructor(server: Server, sockets: Set<Socket>) {
    this.#server = server
    this.#sockets = sockets
    this.port = (server.address() as AddressInfo).port
  }

  static async listen(targetPort: number): Promise<TcpRelay> {
    const sockets = new Set<Socket>()
    const server = createServer((client) => {
      const upstream = connect(targetPort, '127.0.0.1')
      for (const [socket, other] of [
        [client, upstream],
        [upstream, client],
      ] as const) {
        sockets.add(socket)
        // A side that goes takes the other one with it.
        socket.on('error', () => other.destroy())
        socket.on('close', () => {
          sockets.delete(socket)
          other.destroy()
        })
      }
      client.on('data', (bytes) => {
        if (relay.onRequest(bytes)) upstream.write(bytes)
      })
      upstream.on('data', (bytes) => relay.#answer(() => client.write(bytes)))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const relay = new TcpRelay(server, sockets)
    return relay
  }

  /** From now on the server's answers wait, until `release`. */
  hold(): void {
    this.#isHolding = true
  }

  release(): void {
    this.#isHolding = false
    for (const send of this.#held.splice(0)) send()
  }

  /** Ends all connections, as a server that is killed. New ones may come. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  /** Resolves when nobody is connected. */
  async untilIdle(): Promise<void> {
    while (this.#sockets.size > 0)
      await new Promise((resolve) => {
        for (const socket of this.#sockets) socket.once('close', resolve)
      })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #answer(send: () => void): void {
    if (this.#isHolding) this.#held.push(send)
    else send()
  }
}
