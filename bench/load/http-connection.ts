/**
 * One keep-alive connection to an HTTP server, for load: requests leave at once, so several may be under way (pipelining),
 * and answers come in their order. Knows answers with a Content-Length alone, which is what the API sends. A request that
 * is sent again and again is prepared once, so that the load costs little beside the server.
 */

import { connect, type Socket } from 'node:net'

export interface HttpAnswer {
  readonly status: number
  readonly body: string
}

interface Waiting extends PromiseWithResolvers<HttpAnswer> {
  readonly request: Buffer
}

const HEAD_END = Buffer.from('\r\n\r\n')

export class HttpConnection {
  readonly #socket: Socket
  readonly #host: string
  readonly #waiting: Waiting[] = []
  #received: Buffer = Buffer.alloc(0)

  private constructor(socket: Socket, host: string) {
    this.#socket = socket
    this.#host = host
    socket.on('data', (bytes: Buffer) => this.#take(bytes))
    socket.on('error', (error) => this.#end(error))
    socket.on('close', () => this.#end(new Error('the connection was closed')))
  }

  static async open(port: number): Promise<HttpConnection> {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true })
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    return new HttpConnection(socket, `127.0.0.1:${port}`)
  }

  /** Sends a request; an answer that is no success rejects. */
  request(method: string, path: string, body?: unknown): Promise<HttpAnswer> {
    return this.send(this.prepare(method, path, body))
  }

  /** The bytes of a request, for `send`. */
  prepare(method: string, path: string, body?: unknown): Buffer {
    const text = body === undefined ? '' : JSON.stringify(body)
    const head = `${method} ${path} HTTP/1.1\r\nhost: ${this.#host}\r\n`
    const length = `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n`
    return Buffer.from(`${head}${body === undefined ? '' : length}\r\n${text}`)
  }

  /** Sends a prepared request; an answer that is no success rejects. */
  send(request: Buffer): Promise<HttpAnswer> {
    const waiting = Promise.withResolvers<HttpAnswer>()
    this.#waiting.push({ ...waiting, request })
    this.#socket.write(request)
    return waiting.promise
  }

  close(): void {
    this.#socket.destroy()
  }

  #take(bytes: Buffer): void {
    this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes])
    for (;;) {
      const headEnd = this.#received.indexOf(HEAD_END)
      if (headEnd < 0) return
      const head = this.#received.toString('latin1', 0, headEnd)
      const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? Number.NaN)
      if (Number.isNaN(length)) return this.#end(new Error(`an answer without a length: ${head}`))
      const start = headEnd + HEAD_END.length
      if (this.#received.length < start + length) return
      const body = this.#received.toString('utf8', start, start + length)
      this.#received = this.#received.subarray(start + length)
      this.#answer(Number(head.slice(9, 12)), body)
    }
  }

  #answer(status: number, body: string): void {
    const waiting = this.#waiting.shift()
    if (waiting === undefined) throw new Error(`an answer that nobody asked for: ${body}`)
    if (status < 300) return waiting.resolve({ status, body })
    const line = waiting.request.toString('latin1', 0, waiting.request.indexOf('\r'))
    waiting.reject(new Error(`${line}: ${status} ${body}`))
  }

  #end(error: Error): void {
    for (const waiting of this.#waiting.splice(0)) waiting.reject(error)
    this.#socket.destroy()
  }
}

/** Runs `count` jobs, at most `depth` at a time on each of some connections; resolves with the seconds it took. */
export async function pressed(
  connections: readonly HttpConnection[],
  { count, depth }: { readonly count: number; readonly depth: number },
  job: (connection: HttpConnection, index: number) => Promise<unknown>,
): Promise<number> {
  let next = 0
  const work = async (connection: HttpConnection) => {
    while (next < count) await job(connection, next++)
  }
  const startMs = performance.now()
  await Promise.all(
    connections.flatMap((connection) => Array.from({ length: depth }, () => work(connection))),
  )
  return (performance.now() - startMs) / 1_000
}
