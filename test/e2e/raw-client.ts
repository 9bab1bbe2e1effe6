/**
 * A client that says exactly what a test wants said: one socket, requests by our own codec or bytes as they are.
 *
 * Answers come in the order of the requests. Every wait ends: with the answer, with the end of the connection (an error),
 * or at a limit that only a hang reaches. Not here: retries, metadata, anything a real client does by itself.
 */

import { connect, type Socket } from 'node:net'
import {
  apiVersions,
  decodeResponseFrame,
  encodeRequestFrame,
  type Api,
  type FieldMap,
  type InputsOf,
  type ValuesOf,
} from '../../src/protocol/index.ts'
import { GENEROUS_LIMIT_MS } from '../real/program.ts'

const LENGTH_BYTES = 4

interface Waiting {
  readonly resolve: (frame: Uint8Array) => void
  readonly reject: (error: Error) => void
}

export class RawClient implements Disposable {
  readonly #socket: Socket
  readonly #frames: Uint8Array[] = []
  readonly #waiting: Waiting[] = []
  readonly #closed = Promise.withResolvers<void>()
  /** What has arrived and is in no frame yet, and how many bytes must be there before looking again. */
  #chunks: Buffer[] = []
  #bytes = 0
  #due = LENGTH_BYTES
  #isClosed = false
  #correlationId = 0
  clientId: string | null = 'raw'

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk) => this.#data(chunk))
    // A reset is an end like any other here.
    socket.on('error', () => {})
    socket.on('close', () => this.#end())
  }

  static connect(port: number): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true })
      socket.once('error', reject)
      socket.once('connect', () => {
        socket.off('error', reject)
        resolve(new RawClient(socket))
      })
    })
  }

  /** The answer to a request of the version, the newest unless said. */
  async request<Request extends FieldMap, Response extends FieldMap>(
    api: Api<Request, Response>,
    value: InputsOf<Request>,
    version: number = api.versions[1],
  ): Promise<ValuesOf<Response>> {
    const correlationId = this.send(api, value, version)
    const answer = decodeResponseFrame(api, version, await this.frame())
    if (answer.correlationId !== correlationId)
      throw new Error(`${api.name}: answer ${answer.correlationId} to request ${correlationId}`)
    return answer.response
  }

  /** Sends a request and waits for nothing. */
  send<Request extends FieldMap>(
    api: Api<Request>,
    value: InputsOf<Request>,
    version: number = api.versions[1],
  ): number {
    const correlationId = ++this.#correlationId
    for (const chunk of encodeRequestFrame(
      api,
      { version, correlationId, clientId: this.clientId },
      value,
    ))
      this.#socket.write(chunk)
    return correlationId
  }

  write(bytes: Uint8Array): void {
    this.#socket.write(bytes)
  }

  /** Says that nothing more comes; answers can still arrive. */
  end(): void {
    this.#socket.end()
  }

  /** The next answer, without its length. */
  frame(limitMs: number = GENEROUS_LIMIT_MS): Promise<Uint8Array> {
    const known = this.#frames.shift()
    if (known !== undefined) return Promise.resolve(known)
    if (this.#isClosed) return Promise.reject(new Error('the broker closed the connection'))
    return new Promise((resolve, reject) => {
      const limit = setTimeout(() => reject(new Error(`no answer in ${limitMs} ms`)), limitMs)
      this.#waiting.push({
        resolve: (frame) => (clearTimeout(limit), resolve(frame)),
        reject: (error) => (clearTimeout(limit), reject(error)),
      })
    })
  }

  /** Resolves when the broker has ended the connection, with the milliseconds that took. */
  async closed(limitMs: number = GENEROUS_LIMIT_MS): Promise<number> {
    const startedMs = performance.now()
    let limit
    const late = new Promise<never>((_, reject) => {
      limit = setTimeout(() => reject(new Error(`still open after ${limitMs} ms`)), limitMs)
    })
    await Promise.race([this.#closed.promise, late])
    clearTimeout(limit)
    return performance.now() - startedMs
  }

  /** Whether the broker answers an ordinary request on this connection. */
  async isServed(): Promise<boolean> {
    const request = { clientSoftwareName: 'raw', clientSoftwareVersion: '1' }
    return (await this.request(apiVersions, request)).errorCode === 'NONE'
  }

  [Symbol.dispose](): void {
    this.#socket.destroy()
  }

  #data(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    if (this.#bytes < this.#due) return
    let received = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks)
    this.#due = LENGTH_BYTES
    while (received.length >= LENGTH_BYTES) {
      const end = LENGTH_BYTES + received.readInt32BE(0)
      this.#due = end
      if (received.length < end) break
      const frame = received.subarray(LENGTH_BYTES, end)
      received = received.subarray(end)
      this.#due = LENGTH_BYTES
      const waiting = this.#waiting.shift()
      if (waiting === undefined) this.#frames.push(frame)
      else waiting.resolve(frame)
    }
    this.#chunks = [received]
    this.#bytes = received.length
  }

  #end(): void {
    this.#isClosed = true
    this.#closed.resolve()
    for (const { reject } of this.#waiting.splice(0))
      reject(new Error('the broker closed the connection'))
  }
}

/** A body with its length before it. */
export function framed(body: Uint8Array): Buffer {
  const frame = Buffer.alloc(4 + body.length)
  frame.writeInt32BE(body.length)
  frame.set(body, 4)
  return frame
}

/** A request header of version 1: key, version, correlation id, no client id. */
export function requestHead(key: number, version: number, correlationId = 1): Buffer {
  const head = Buffer.alloc(10)
  head.writeInt16BE(key, 0)
  head.writeInt16BE(version, 2)
  head.writeInt32BE(correlationId, 4)
  head.writeInt16BE(-1, 8)
  return head
}

/** Sends bytes and says that nothing more comes: whatever the broker makes of them, the connection then ends. */
export async function offer(port: number, bytes: Uint8Array): Promise<void> {
  using client = await RawClient.connect(port)
  client.write(bytes)
  client.end()
  await client.closed()
}
