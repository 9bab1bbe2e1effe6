/**
 * Connections of @platformatic/kafka (TCP, TLS, SASL with re-authentication, pipelining) under our codec.
 *
 * What goes in is an encoded body, what comes out are the bytes of the answer: one slice when the answer came in one
 * piece, one copy when it came in several. Their request timeout is switched off (`KafkaClient` has one per request),
 * their unlimited response buffer is watched: a peer that sends more than `maxResponseBytes` for one answer is cut off.
 */

import { Connection, Writer } from '@platformatic/kafka'
import type { ConnectionOptions, Reader } from '@platformatic/kafka'
import { ShoalError, messageOf } from '../../core/index.ts'
import type { Address } from '../../core/index.ts'
import type { KafkaSasl, KafkaTls } from './security.ts'
import type {
  ConnectOptions,
  EncodedRequest,
  KafkaConnection,
  KafkaTransport,
} from './transport.ts'

/** The longest delay that timers take: their request timeout never fires before ours. */
const NEVER_MS = 2 ** 31 - 1
const IP_ADDRESS = /^[\d.]+$|:/
/** More than any caller pipelines; beyond it requests wait in their queue. */
const MAX_IN_FLIGHT = 1_000

export class PlatformaticTransport implements KafkaTransport {
  readonly #tls: KafkaTls | undefined
  readonly #sasl: KafkaSasl | undefined

  constructor({ tls, sasl }: { readonly tls?: KafkaTls; readonly sasl?: KafkaSasl } = {}) {
    this.#tls = tls
    this.#sasl = sasl
  }

  async connect(address: Address, options: ConnectOptions): Promise<KafkaConnection> {
    const connection = new Connection(options.clientId, {
      ...this.#security(address),
      connectTimeout: options.timeoutMs,
      requestTimeout: NEVER_MS,
      maxInflights: MAX_IN_FLIGHT,
    })
    // Without a listener an 'error' event ends the process; what it tells also rejects `connect` and every request.
    let lastError = 'the connection was closed'
    connection.on('error', (error) => (lastError = reasonOf(error)))
    try {
      await connection.connect(address.host, address.port)
    } catch (error) {
      connection.socket?.destroy()
      throw unreachable(address, reasonOf(error), error)
    }
    connection.on('close', () => options.onClose(lastError))
    return new PlatformaticConnection(connection, address, options.maxResponseBytes)
  }

  #security({ host }: Address): ConnectionOptions {
    const [tls, sasl] = [this.#tls, this.#sasl]
    // Names alone can be asked for in a TLS greeting; the certificate of an address is checked all the same.
    const serverName = tls?.servername ?? (IP_ADDRESS.test(host) ? undefined : host)
    return {
      ...(tls === undefined ? {} : { tls }),
      ...(tls === undefined || serverName === undefined ? {} : { tlsServerName: serverName }),
      ...(sasl === undefined ? {} : { sasl }),
    }
  }
}

class PlatformaticConnection implements KafkaConnection {
  readonly #connection: Connection
  readonly #address: Address
  /** Bytes received when the last answer was complete: what came since belongs to an unfinished one. */
  #bytesAnswered: number

  constructor(connection: Connection, address: Address, maxResponseBytes: number) {
    this.#connection = connection
    this.#address = address
    const socket = connection.socket
    this.#bytesAnswered = socket.bytesRead
    socket.on('data', () => {
      if (socket.bytesRead - this.#bytesAnswered > maxResponseBytes)
        socket.destroy(new Error(`an answer is larger than maxResponseBytes (${maxResponseBytes})`))
    })
  }

  send({ apiKey, apiVersion, headerVersion, body }: EncodedRequest): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const createPayload = () => {
        const writer = Writer.create()
        for (const chunk of body)
          writer.append(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength))
        return writer
      }
      const take = (_correlationId: number, _key: number, _version: number, reader: Reader) => {
        this.#bytesAnswered = this.#connection.socket.bytesRead
        return reader.buffer.slice(reader.position, reader.length)
      }
      // The response header's tagged fields are left to our decoder, which reads them whatever they hold.
      this.#connection.send<Uint8Array>(
        apiKey,
        apiVersion,
        createPayload,
        take,
        headerVersion === 2,
        false,
        (error, answer) => {
          if (error === null && answer !== undefined) resolve(answer)
          else reject(unreachable(this.#address, reasonOf(error), error))
        },
      )
    })
  }

  destroy(): void {
    this.#connection.socket.destroy()
  }
}

function unreachable(address: Address, reason: string, cause: unknown): ShoalError {
  const name = `${address.host}:${address.port}`
  return new ShoalError('SHOAL_BROKER_UNREACHABLE', `broker ${name} cannot be reached: ${reason}`, {
    cause,
    details: { address: name },
  })
}

/** The innermost reason: theirs say 'Connection error' around what happened. */
function reasonOf(error: unknown): string {
  let inner = error
  while (inner instanceof Error && inner.cause !== undefined) inner = inner.cause
  // A refused connection to a name with several addresses is an AggregateError with an empty message.
  if (inner instanceof AggregateError && inner.errors.length > 0) return messageOf(inner.errors[0])
  return messageOf(inner)
}
