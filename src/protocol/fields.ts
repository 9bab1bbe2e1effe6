/**
 * The words in which an API file describes its messages: types of fields and the versions they live in.
 *
 * A field is plain data (`spec`) with a type beside it; the codec turns it into a reader and a writer for a version.
 * Every modifier answers a new field. A field that a version does not have takes its default when decoding and is
 * ignored when encoding, so that code behind the codec sees one shape whatever the version.
 */

import type { KafkaErrorCode } from './errors.ts'

export type Shape =
  | { readonly kind: 'array'; readonly element: FieldSpec }
  | { readonly kind: 'struct'; readonly fields: readonly NamedSpec[] }
  | { readonly kind: ScalarKind }

export type ScalarKind =
  | 'bool'
  | 'int8'
  | 'int16'
  | 'int32'
  | 'uint16'
  | 'int64'
  | 'bigint64'
  | 'float64'
  | 'uuid'
  | 'errorCode'
  | 'string'
  | 'bytes'
  | 'records'

export interface FieldSpec {
  readonly shape: Shape
  /** First version in which null is a value; `Infinity` when it never is. */
  readonly nullableSince: number
  /** First and last version that have the field. */
  readonly since: number
  readonly until: number
  /** Its number among the tagged fields of flexible versions; null for a field at a fixed place. */
  readonly tag: number | null
  /** The value where the field is absent. */
  readonly absent: unknown
}

export interface NamedSpec {
  readonly name: string
  readonly spec: FieldSpec
}

/** A field whose decoded values are `Value` and which encodes an `Input`. */
export interface Field<Value, Input = Value> {
  readonly spec: FieldSpec
  /** Types alone; never set. */
  readonly types?: { readonly value: Value; readonly input: Input }
  /** Present from `version` on. */
  since(version: number, absent: Value): Field<Value, Input>
  /** Present up to and including `version`. */
  until(version: number, absent: Value): Field<Value, Input>
  /** Present from `first` to `last`, both included. */
  between(first: number, last: number, absent: Value): Field<Value, Input>
  /** A tagged field of the flexible versions from `since` on; not written when it equals its default. */
  tagged(tag: number, absent: Value, since?: number): Field<Value, Input>
  /** May be null from `version` on. */
  nullableSince(version: number): Field<Value | null, Input | null>
}

/** The fields of a struct in the order of the wire. */
export type FieldMap = Readonly<Record<string, Field<unknown>>>

/** What a struct of these fields decodes to. */
export type ValuesOf<Fields extends FieldMap> = {
  readonly [Name in keyof Fields]: NonNullable<Fields[Name]['types']>['value']
}

/** What a struct of these fields encodes from: the same, but records may come in several chunks. */
export type InputsOf<Fields extends FieldMap> = {
  readonly [Name in keyof Fields]: NonNullable<Fields[Name]['types']>['input']
}

function field<Value, Input = Value>(spec: FieldSpec): Field<Value, Input> {
  return {
    spec,
    since: (since, absent) => field({ ...spec, since, absent }),
    until: (until, absent) => field({ ...spec, until, absent }),
    between: (since, until, absent) => field({ ...spec, since, until, absent }),
    tagged: (tag, absent, since = 0) =>
      field({ ...spec, tag, absent, since: Math.max(spec.since, since) }),
    nullableSince: (nullableSince) => field({ ...spec, nullableSince }),
  }
}

function always<Value, Input = Value>(shape: Shape): Field<Value, Input> {
  return field({
    shape,
    nullableSince: Infinity,
    since: 0,
    until: Infinity,
    tag: null,
    absent: undefined,
  })
}

export const bool = (): Field<boolean> => always({ kind: 'bool' })
export const int8 = (): Field<number> => always({ kind: 'int8' })
export const int16 = (): Field<number> => always({ kind: 'int16' })
export const int32 = (): Field<number> => always({ kind: 'int32' })
export const uint16 = (): Field<number> => always({ kind: 'uint16' })
/** A number that must be a safe integer: offsets, timestamps. */
export const int64 = (): Field<number> => always({ kind: 'int64' })
/** A number that may use all 64 bits: producer ids. */
export const bigint64 = (): Field<bigint> => always({ kind: 'bigint64' })
export const float64 = (): Field<number> => always({ kind: 'float64' })
/** 16 bytes as 22 characters of base64url, Kafka's text form of topic ids. */
export const uuid = (): Field<string> => always({ kind: 'uuid' })
/** An int16 as the name of Kafka's error. */
export const errorCode = (): Field<KafkaErrorCode> => always({ kind: 'errorCode' })
export const string = (): Field<string> => always({ kind: 'string' })
/** Bytes; decoded as a slice of the frame. */
export const bytes = (): Field<Uint8Array> => always({ kind: 'bytes' })

/** Record batches: decoded as a slice of the frame, encoded from a slice or from chunks, neither copied. */
export type RecordsInput = Uint8Array | readonly Uint8Array[]
export const records = (): Field<Uint8Array, RecordsInput> => always({ kind: 'records' })

export function struct<const Fields extends FieldMap>(
  fields: Fields,
): Field<ValuesOf<Fields>, InputsOf<Fields>> {
  return always({ kind: 'struct', fields: namedSpecs(fields) })
}

export function array<const Fields extends FieldMap>(
  fields: Fields,
): Field<readonly ValuesOf<Fields>[], readonly InputsOf<Fields>[]>
export function array<Value, Input>(
  element: Field<Value, Input>,
): Field<readonly Value[], readonly Input[]>
export function array(element: FieldMap | Field<unknown>): Field<readonly unknown[]> {
  const spec = isField(element) ? element.spec : struct(element).spec
  return always({ kind: 'array', element: spec })
}

/** The same field, in all versions also null. */
export function nullable<Value, Input>(
  inner: Field<Value, Input>,
): Field<Value | null, Input | null> {
  return inner.nullableSince(0)
}

export function namedSpecs(fields: FieldMap): readonly NamedSpec[] {
  return Object.entries(fields).map(([name, { spec }]) => ({ name, spec }))
}

/** A field map may have a field named `spec` or `since`; what `spec` then holds is a field, not a description. */
function isField(element: FieldMap | Field<unknown>): element is Field<unknown> {
  return typeof element.since === 'function'
}
