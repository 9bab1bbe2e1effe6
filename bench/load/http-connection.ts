/**
 * One keep-alive connection to an HTTP server, for load: requests leave at once, so several may be under way (pipelining),
 * and answers come in their order. Knows answers with a Content-Length alone, which is what the API sends.
 */

import { connect, type Socket } from 'node:net'

export interface HttpAnswer {
  readonly status: number
  readonly body: string
}

const HEAD_END = Buffer.from('\r\n\r\n')

export class HttpConnection {
  readonly #socket: Socket
  readonly #host: string
  readonly #waiting: PromiseWithResolvers<HttpAnswer>[] = []
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
  async request(method: string, path: string, body?: unknown): Promise<HttpAnswer> {
    const answer = Promise.withResolvers<HttpAnswer>()
    this.#waiting.push(answer)
    const text = body === undefined ? '' : JSON.stringify(body)
    const head = `${method} ${path} HTTP/1.1\r\nhost: ${this.#host}\r\n`
    const length = `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n`
    this.#socket.write(`${head}${body === undefined ? '' : length}\r\n${text}`)
    const { status, body: answered } = await answer.promise
    if (status >= 300) throw new Error(`${method} ${path}: ${status} ${answered}`)
    return { status, body: answered }
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
      this.#waiting.shift()?.resolve({ status: Number(head.slice(9, 12)), body })
    }
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
