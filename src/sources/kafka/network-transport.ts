/**
 * Connections over the `Network` port of core: plain, without login, framed here. For a simulated network, and for a
 * broker in the same process.
 *
 *   request   size int32 · api key int16 · version int16 · correlation id int32 · client id · [tagged fields] · body
 *   answer    size int32 · correlation id int32 · [tagged fields] · body
 *
 * The broker answers in the order of the requests; an answer out of order, or one larger than allowed, ends the
 * connection. The bytes of an answer are a slice when it came in one chunk, and copied once when it came in several.
 */

import { concatBytes } from '../../core/index.ts'
import type { Address, Connection, Network } from '../../core/index.ts'
import { unreachable } from './broker-link.ts'
import type {
  ConnectOptions,
  EncodedRequest,
  KafkaConnection,
  KafkaTransport,
} from './transport.ts'

const LENGTH_BYTES = 4
const CORRELATION_BYTES = 4
/** A frame header claims no less than its correlation id. */
const SMALLEST_FRAME_BYTES = CORRELATION_BYTES

export class NetworkTransport implements KafkaTransport {
  readonly #network: Network

  constructor(network: Network) {
    this.#network = network
  }

  async connect(address: Address, options: ConnectOptions): Promise<KafkaConnection> {
    const name = `${address.host}:${address.port}`
    let connection: Connection
    try {
      connection = await this.#network.connect(address)
    } catch (error) {
      throw unreachable(name, 'the connection was refused', error)
    }
    return new FramedConnection(connection, name, options)
  }
}

interface Waiting {
  readonly correlationId: number
  readonly resolve: (bytes: Uint8Array) => void
  readonly reject: (error: Error) => void
}

class FramedConnection implements KafkaConnection {
  readonly #connection: Connection
  readonly #name: string
  readonly #options: ConnectOptions
  readonly #clientId: Uint8Array
  readonly #waiting: Waiting[] = []
  #received: Uint8Array[] = []
  #receivedBytes = 0
  #correlationId = 0
  #ended: string | null = null

  constructor(connection: Connection, name: string, options: ConnectOptions) {
    this.#connection = connection
    this.#name = name
    this.#options = options
    this.#clientId = new TextEncoder().encode(options.clientId)
    connection.open({
      data: (chunk) => this.#take(chunk),
      drain: () => {},
      close: (error) => this.#end(error?.message ?? 'the broker closed the connection'),
    })
  }

  send(request: EncodedRequest): Promise<Uint8Array> {
    if (this.#ended !== null) return Promise.reject(unreachable(this.#name, this.#ended))
    this.#correlationId = (this.#correlationId + 1) & 0x7fff_ffff
    const correlationId = this.#correlationId
    this.#connection.write([this.#header(request, correlationId), ...request.body])
    return new Promise((resolve, reject) => this.#waiting.push({ correlationId, resolve, reject }))
  }

  destroy(): void {
    this.#connection.destroy()
    this.#end('the client closed the connection')
  }

  #header({ apiKey, apiVersion, headerVersion, body }: EncodedRequest, correlationId: number) {
    const tagBytes = headerVersion === 2 ? 1 : 0
    const header = new Uint8Array(LENGTH_BYTES + 10 + this.#clientId.length + tagBytes)
    const view = new DataView(header.buffer)
    const bodyBytes = body.reduce((sum, chunk) => sum + chunk.length, 0)
    view.setInt32(0, header.length - LENGTH_BYTES + bodyBytes)
    view.setInt16(4, apiKey)
    view.setInt16(6, apiVersion)
    view.setInt32(8, correlationId)
    view.setInt16(12, this.#clientId.length)
    header.set(this.#clientId, 14)
    return header
  }

  #take(chunk: Uint8Array): void {
    this.#received.push(chunk)
    this.#receivedBytes += chunk.length
    while (this.#ended === null && this.#receivedBytes >= LENGTH_BYTES) {
      const size = this.#size()
      if (size < SMALLEST_FRAME_BYTES || size > this.#options.maxResponseBytes)
        return this.#refuse(`an answer claims ${size} bytes`)
      if (this.#receivedBytes < LENGTH_BYTES + size) return
      this.#answer(this.#frame(size))
    }
  }

  /** The length at the front, which may lie over the edge of two chunks. */
  #size(): number {
    if ((this.#received[0]?.length ?? 0) < LENGTH_BYTES)
      this.#received = [concatBytes(this.#received)]
    const [first] = this.#received
    return first === undefined ? 0 : viewOf(first).getInt32(0)
  }

  /** The next frame, without its length; what follows it stays. */
  #frame(size: number): Uint8Array {
    const whole = concatBytes(this.#received)
    const end = LENGTH_BYTES + size
    this.#received = whole.length === end ? [] : [whole.subarray(end)]
    this.#receivedBytes -= end
    return whole.subarray(LENGTH_BYTES, end)
  }

  #answer(frame: Uint8Array): void {
    const correlationId = viewOf(frame).getInt32(0)
    const next = this.#waiting.shift()
    if (next?.correlationId !== correlationId) {
      next?.reject(unreachable(this.#name, 'answers came out of order'))
      return this.#refuse(`an answer to request ${correlationId} came out of order`)
    }
    next.resolve(frame.subarray(CORRELATION_BYTES))
  }

  #refuse(reason: string): void {
    this.#connection.destroy()
    this.#end(reason)
  }

  #end(reason: string): void {
    if (this.#ended !== null) return
    this.#ended = reason
    this.#received = []
    for (const { reject } of this.#waiting.splice(0)) reject(unreachable(this.#name, reason))
    this.#options.onClose(reason)
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
