/**
 * Frames: a length, a header, a message.
 *
 *   request   size int32 · api key int16 · version int16 · correlation id int32 · client id · [tagged fields]
 *   response  size int32 · correlation id int32 · [tagged fields]
 *
 * The client id is never compact, also in flexible headers, so that any request's header can be read before its API is
 * known. Headers' tagged fields are skipped when reading and left empty when writing. Cutting a stream into frames is
 * the listener's; here a frame to decode comes without its length, a frame to send goes with it.
 */

import { ShoalError } from '../core/index.ts'
import { CodecFailure } from './codec-failure.ts'
import type { FieldMap, InputsOf, ValuesOf } from './fields.ts'
import type { ReaderLimits } from './reader.ts'
import { Reader } from './reader.ts'
import type { Api } from './schema.ts'
import { Writer } from './writer.ts'

/** Bytes of the length before each frame. */
export const FRAME_LENGTH_BYTES = 4

export interface RequestHeader {
  readonly apiKey: number
  readonly version: number
  readonly correlationId: number
  readonly clientId: string | null
}

/**
 * The part of a request header that does not depend on its API; the reader then stands before `readRequest`.
 * @throws ShoalError SHOAL_PROTOCOL_DECODE
 */
export function readRequestHeader(reader: Reader): RequestHeader {
  return guarded('request header', () => {
    const [apiKey, version, correlationId] = [reader.int16(), reader.int16(), reader.int32()]
    const length = reader.int16()
    const clientId = length < 0 ? null : reader.text(length)
    return { apiKey, version, correlationId, clientId }
  })
}

/**
 * The message of a request whose header was read.
 * @throws ShoalError SHOAL_PROTOCOL_DECODE, also for a version that the API does not have
 */
export function readRequest<Request extends FieldMap>(
  api: Api<Request>,
  version: number,
  reader: Reader,
): ValuesOf<Request> {
  if (api.serves(version) && api.requestHeaderVersion(version) === 2)
    guarded(`${api.name} request header`, () => reader.skipTagged())
  return api.decodeRequest(version, reader)
}

/** The frame of a request, as chunks for one gathering write. @throws ShoalError SHOAL_PROTOCOL_ENCODE */
export function encodeRequestFrame<Request extends FieldMap>(
  api: Api<Request>,
  header: Omit<RequestHeader, 'apiKey'>,
  value: InputsOf<Request>,
): readonly Uint8Array[] {
  const writer = new Writer()
  guarded(`${api.name} request header`, () => writeRequestHeader(writer, api, header))
  api.writeRequest(writer, header.version, value)
  return finishFrame(writer)
}

function writeRequestHeader(
  writer: Writer,
  api: Pick<Api, 'key' | 'requestHeaderVersion'>,
  { version, correlationId, clientId }: Omit<RequestHeader, 'apiKey'>,
): void {
  writer.int32(0)
  writer.int16(api.key)
  writer.int16(version)
  writer.int32(correlationId)
  if (clientId === null) writer.int16(-1)
  else writer.text(clientId, false)
  if (api.requestHeaderVersion(version) === 2) writer.unsignedVarint(0)
}

/** The frame of a response, as chunks for one gathering write. @throws ShoalError SHOAL_PROTOCOL_ENCODE */
export function encodeResponseFrame<Response extends FieldMap>(
  api: Api<FieldMap, Response>,
  version: number,
  correlationId: number,
  value: InputsOf<Response>,
): readonly Uint8Array[] {
  const writer = new Writer()
  writer.int32(0)
  writer.int32(correlationId)
  if (api.responseHeaderVersion(version) === 1) writer.unsignedVarint(0)
  api.writeResponse(writer, version, value)
  return finishFrame(writer)
}

/** Which request a response frame answers. @throws ShoalError SHOAL_PROTOCOL_DECODE */
export function correlationIdOf(frame: Uint8Array): number {
  return guarded('response header', () => new Reader(frame).int32())
}

/** The message of a response frame. @throws ShoalError SHOAL_PROTOCOL_DECODE */
export function decodeResponseFrame<Response extends FieldMap>(
  api: Api<FieldMap, Response>,
  version: number,
  frame: Uint8Array,
  limits?: ReaderLimits,
): { readonly correlationId: number; readonly response: ValuesOf<Response> } {
  const reader = new Reader(frame, limits)
  const correlationId = guarded(`${api.name} response header`, () => {
    const correlationId = reader.int32()
    if (api.responseHeaderVersion(version) === 1) reader.skipTagged()
    return correlationId
  })
  return { correlationId, response: api.decodeResponse(version, reader) }
}

function finishFrame(writer: Writer): readonly Uint8Array[] {
  const size = writer.byteLength - FRAME_LENGTH_BYTES
  const chunks = writer.finish()
  const [first] = chunks
  if (first !== undefined)
    new DataView(first.buffer, first.byteOffset, FRAME_LENGTH_BYTES).setInt32(0, size)
  return chunks
}

function guarded<Value>(what: string, step: () => Value): Value {
  try {
    return step()
  } catch (error) {
    if (error instanceof CodecFailure)
      throw new ShoalError('SHOAL_PROTOCOL_DECODE', `${what}: ${error.message}`)
    throw error
  }
}
