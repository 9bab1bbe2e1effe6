/**
 * What a handler of one Kafka API gets and gives: messages, never bytes.
 *
 *   const handler = handlerFor<BrokerContext>()
 *   export const handleHeartbeat = handler(heartbeat, async ({ request, context }) => ...)
 *
 * The connection decodes, starts the handler and writes what it answers, responses always in the order of the requests.
 * One request of a connection runs at a time, but requests of a pipelined API (Produce) that follow each other start
 * before the earlier ones are answered: their handlers take effect up to their first `await` in order.
 * A refusal that the protocol can express is a value in the response; whatever a handler throws closes the connection.
 */

import type { Address } from '../../core/index.ts'
import type { Api, FieldMap, InputsOf, Reader, ValuesOf } from '../../protocol/index.ts'
import { encodeResponseFrame, produce, readRequest } from '../../protocol/index.ts'

export interface Call<Request, Context> {
  readonly request: Request
  readonly version: number
  /** From the request's header; '' when the client sent none. */
  readonly clientId: string
  /** The broker's services. */
  readonly context: Context
  readonly connection: ClientConnection
}

/** The connection that a request came in by, as handlers see it. */
export interface ClientConnection {
  /** Unique within the listener; for logs and for state that lives as long as a connection. */
  readonly id: number
  /** Where the client is, as Kafka writes it in group descriptions: `/127.0.0.1`. */
  readonly clientHost: string
  /** What the client said of itself in ApiVersions v3+, null before. */
  readonly clientSoftware: ClientSoftware | null
  /** Where this connection came in: the address that a client certainly reaches. */
  readonly listenerAddress: Address
  /** Aborts when the client is gone or the listener closes: whoever waits on the client's behalf stops. */
  readonly signal: AbortSignal
  /** Remembers what the client said of itself. */
  identify(software: ClientSoftware): void
  /** Ends the connection once the answers before this one are sent; the reason is logged. */
  close(reason: string): void
}

export interface ClientSoftware {
  readonly name: string
  readonly version: string
}

/** Makes the frame of an answer: chunks for one gathering write. */
export type EncodeFrame = (correlationId: number) => readonly Uint8Array[]

/** A handler with its types closed over: what the dispatcher keeps, one for each API key. */
export interface Handler<Context> {
  readonly key: number
  readonly name: string
  /** First and last version served. */
  readonly versions: readonly [first: number, last: number]
  /** Whether requests that follow each other start before the earlier ones are answered. */
  readonly pipelined: boolean
  /**
   * Decodes what follows the common part of the request's header, and begins. Resolves with the answer, or null when there is none to send.
   * @throws ShoalError SHOAL_PROTOCOL_DECODE at once, before anything happened
   */
  start(reader: Reader, call: Omit<Call<unknown, Context>, 'request'>): Promise<EncodeFrame | null>
}

/** Answers null where the protocol has no response (Produce with acks 0). */
export type Serve<Request extends FieldMap, Response extends FieldMap, Context> = (
  call: Call<ValuesOf<Request>, Context>,
) => Promise<InputsOf<Response> | null>

export type DefineHandler<Context> = <Request extends FieldMap, Response extends FieldMap>(
  api: Api<Request, Response>,
  serve: Serve<Request, Response, Context>,
) => Handler<Context>

/** The constructor of handlers that share a context: `const handler = handlerFor<BrokerContext>()`. */
export function handlerFor<Context>(): DefineHandler<Context> {
  return (api, serve) => ({
    key: api.key,
    name: api.name,
    versions: api.versions,
    pipelined: api.key === produce.key,
    start(reader, call) {
      const request = readRequest(api, call.version, reader)
      return serve({ ...call, request }).then((response) =>
        response === null
          ? null
          : (correlationId) => encodeResponseFrame(api, call.version, correlationId, response),
      )
    },
  })
}
