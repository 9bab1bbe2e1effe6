/**
 * One Kafka API from one description: decoder, encoder and types of all its versions.
 *
 *   api({ key, name, versions, flexibleSince, request: {...}, response: {...} })
 *
 * The description is walked once per version, when that version is first used; what is kept are closures that read and
 * write. Records are slices of the frame on the way in and spliced chunks on the way out. Frames and headers are in
 * `frame.ts`. Wrong bytes throw SHOAL_PROTOCOL_DECODE, values that do not fit SHOAL_PROTOCOL_ENCODE; both name the API,
 * the version and the field.
 */

import { ShoalError } from '../core/index.ts'
import type { ReadValue, WriteValue } from './codec.ts'
import { prepareReader, prepareWriter } from './codec.ts'
import { CodecFailure } from './codec-failure.ts'
import type { FieldMap, FieldSpec, InputsOf, ValuesOf } from './fields.ts'
import { struct } from './fields.ts'
import type { ReaderLimits } from './reader.ts'
import { Reader } from './reader.ts'
import { Writer } from './writer.ts'

export {
  array,
  bigint64,
  bool,
  bytes,
  errorCode,
  float64,
  int16,
  int32,
  int64,
  int8,
  nullable,
  records,
  string,
  struct,
  uint16,
  uuid,
} from './fields.ts'
export type { Field, FieldMap, InputsOf, RecordsInput, ValuesOf } from './fields.ts'

/** The key whose responses have a header that never changes, so that a client can read it before it knows the broker. */
const API_VERSIONS_KEY = 18

export interface ApiDescription<Request extends FieldMap, Response extends FieldMap> {
  readonly key: number
  readonly name: string
  /** First and last version, both included. */
  readonly versions: readonly [first: number, last: number]
  /** First version with compact lengths and tagged fields; null when there is none. */
  readonly flexibleSince: number | null
  readonly request: Request
  readonly response: Response
}

export interface Api<Request extends FieldMap = FieldMap, Response extends FieldMap = FieldMap> {
  readonly key: number
  readonly name: string
  readonly versions: readonly [first: number, last: number]
  readonly flexibleSince: number | null
  /** The descriptions, for tools and tests that walk them. */
  readonly request: FieldSpec
  readonly response: FieldSpec
  serves(version: number): boolean
  requestHeaderVersion(version: number): 1 | 2
  responseHeaderVersion(version: number): 0 | 1
  /** Bytes after the last field are ignored. @throws ShoalError SHOAL_PROTOCOL_DECODE */
  decodeRequest(
    version: number,
    from: Reader | Uint8Array,
    limits?: ReaderLimits,
  ): ValuesOf<Request>
  decodeResponse(
    version: number,
    from: Reader | Uint8Array,
    limits?: ReaderLimits,
  ): ValuesOf<Response>
  /** @throws ShoalError SHOAL_PROTOCOL_ENCODE */
  encodeRequest(version: number, value: InputsOf<Request>): readonly Uint8Array[]
  encodeResponse(version: number, value: InputsOf<Response>): readonly Uint8Array[]
  /** The same into a writer that holds a header already. */
  writeRequest(writer: Writer, version: number, value: InputsOf<Request>): void
  writeResponse(writer: Writer, version: number, value: InputsOf<Response>): void
}

/** What a request of the API decodes to. */
export type RequestOf<A extends { decodeRequest(...args: never[]): unknown }> = ReturnType<
  A['decodeRequest']
>
/** What a response of the API decodes to. */
export type ResponseOf<A extends { decodeResponse(...args: never[]): unknown }> = ReturnType<
  A['decodeResponse']
>
/** What a request of the API encodes from: as `RequestOf`, but records may come in chunks. */
export type RequestInput<A> = A extends Api<infer Request> ? InputsOf<Request> : never
/** What a response of the API encodes from: as `ResponseOf`, but records may come in chunks. */
export type ResponseInput<A> = A extends Api<FieldMap, infer Response> ? InputsOf<Response> : never

interface Codec {
  readonly read: ReadValue
  readonly write: WriteValue
}

export function api<const Request extends FieldMap, const Response extends FieldMap>(
  description: ApiDescription<Request, Response>,
): Api<Request, Response> {
  const { key, name, versions, flexibleSince } = description
  const requestSpec = struct(description.request).spec
  const responseSpec = struct(description.response).spec
  const isFlexible = (version: number) => flexibleSince !== null && version >= flexibleSince
  const serves = (version: number) => version >= versions[0] && version <= versions[1]
  const requests = memoize((version) => prepare(requestSpec, version))
  const responses = memoize((version) => prepare(responseSpec, version))

  function prepare(spec: FieldSpec, version: number): Codec {
    const dialect = { version, flexible: isFlexible(version) }
    return { read: prepareReader(spec, dialect), write: prepareWriter(spec, dialect) }
  }

  function decode(
    codecs: (version: number) => Codec,
    what: 'request' | 'response',
    version: number,
    from: Reader | Uint8Array,
    limits: ReaderLimits | undefined,
  ): unknown {
    if (!serves(version)) throw refused('SHOAL_PROTOCOL_DECODE', what, version)
    try {
      return codecs(version).read(from instanceof Reader ? from : new Reader(from, limits))
    } catch (error) {
      throw described(error, 'SHOAL_PROTOCOL_DECODE', what, version)
    }
  }

  function write(
    codecs: (version: number) => Codec,
    what: 'request' | 'response',
    version: number,
    value: unknown,
    writer: Writer,
  ): void {
    if (!serves(version)) throw refused('SHOAL_PROTOCOL_ENCODE', what, version)
    try {
      codecs(version).write(writer, value)
    } catch (error) {
      throw described(error, 'SHOAL_PROTOCOL_ENCODE', what, version)
    }
  }

  function encode(
    codecs: (version: number) => Codec,
    what: 'request' | 'response',
    version: number,
    value: unknown,
  ): readonly Uint8Array[] {
    const writer = new Writer()
    write(codecs, what, version, value, writer)
    return writer.finish()
  }

  function refused(code: FailureCode, what: string, version: number): ShoalError {
    return new ShoalError(
      code,
      `${name} ${what} version ${version} is not between ${versions[0]} and ${versions[1]}`,
      { details: { api: name, version } },
    )
  }

  function described(error: unknown, code: FailureCode, what: string, version: number): unknown {
    if (!(error instanceof CodecFailure)) return error
    const path = error.path === '' ? '' : ` at ${error.path}`
    return new ShoalError(code, `${name} ${what} version ${version}${path}: ${error.message}`, {
      details: { api: name, version, field: error.path },
    })
  }

  return {
    key,
    name,
    versions,
    flexibleSince,
    request: requestSpec,
    response: responseSpec,
    serves,
    requestHeaderVersion: (version) => (isFlexible(version) ? 2 : 1),
    responseHeaderVersion: (version) => (key !== API_VERSIONS_KEY && isFlexible(version) ? 1 : 0),
    decodeRequest: (version, from, limits) =>
      decode(requests, 'request', version, from, limits) as ValuesOf<Request>,
    decodeResponse: (version, from, limits) =>
      decode(responses, 'response', version, from, limits) as ValuesOf<Response>,
    encodeRequest: (version, value) => encode(requests, 'request', version, value),
    encodeResponse: (version, value) => encode(responses, 'response', version, value),
    writeRequest: (writer, version, value) => write(requests, 'request', version, value, writer),
    writeResponse: (writer, version, value) => write(responses, 'response', version, value, writer),
  }
}

type FailureCode = 'SHOAL_PROTOCOL_DECODE' | 'SHOAL_PROTOCOL_ENCODE'

function memoize<Value>(make: (version: number) => Value): (version: number) => Value {
  const made: Value[] = []
  return (version) => (made[version] ??= make(version))
}
