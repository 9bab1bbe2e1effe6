/**
 * From the description of a field to the closures that read and write it in one version.
 *
 *   classic    length int16 or int32, -1 is null
 *   flexible   length + 1 as unsigned varint, 0 is null; each struct ends with its tagged fields:
 *              count, then for each: tag, size, value
 *
 * A nullable struct has one byte before it: -1 null, 1 present (KIP-893). Tagged fields are written in the order of
 * their tags, those that equal their default are not; unknown ones are skipped.
 */

import { CodecFailure } from './codec-failure.ts'
import { kafkaErrorNumber, kafkaErrorOf } from './errors.ts'
import type { KafkaErrorCode } from './errors.ts'
import type { FieldSpec, NamedSpec, ScalarKind, Shape } from './fields.ts'
import type { Reader } from './reader.ts'
import { unfit, Writer } from './writer.ts'

export type ReadValue = (reader: Reader) => unknown
export type WriteValue = (writer: Writer, value: unknown) => void

/** How one version of one API writes. */
export interface Dialect {
  readonly version: number
  readonly flexible: boolean
}

type Values = Record<string, unknown>

const ABSENT_STRUCT = -1
const PRESENT_STRUCT = 1

export function prepareReader(spec: FieldSpec, dialect: Dialect): ReadValue {
  const isNullable = dialect.version >= spec.nullableSince
  const { shape } = spec
  if (shape.kind === 'struct') {
    const read = structReader(shape.fields, dialect)
    return isNullable ? (reader) => (reader.int8() < 0 ? null : read(reader)) : read
  }
  const readLength = lengthReader(shape, dialect, isNullable)
  switch (shape.kind) {
    case 'array':
      return arrayReader(shape.element, dialect, readLength)
    case 'string':
      return (reader) => {
        const length = readLength(reader)
        return length < 0 ? null : reader.text(length)
      }
    case 'bytes':
    case 'records':
      return (reader) => {
        const length = readLength(reader)
        return length < 0 ? null : reader.slice(length)
      }
    default:
      return scalarReaders[shape.kind]
  }
}

type FixedKind = Exclude<ScalarKind, 'string' | 'bytes' | 'records'>

const scalarReaders: Readonly<Record<FixedKind, ReadValue>> = {
  bool: (reader) => reader.int8() !== 0,
  int8: (reader) => reader.int8(),
  int16: (reader) => reader.int16(),
  int32: (reader) => reader.int32(),
  uint16: (reader) => reader.uint16(),
  int64: (reader) => reader.int64(),
  bigint64: (reader) => reader.bigint64(),
  float64: (reader) => reader.float64(),
  uuid: (reader) => reader.uuid(),
  errorCode: (reader) => kafkaErrorOf(reader.int16()),
}

/** Reads a length or a count; -1 means null and comes out only where null is allowed. */
function lengthReader(
  shape: Shape,
  { flexible }: Dialect,
  isNullable: boolean,
): (reader: Reader) => number {
  const read: (reader: Reader) => number = flexible
    ? (reader) => reader.unsignedVarint() - 1
    : shape.kind === 'string'
      ? (reader) => reader.int16()
      : (reader) => reader.int32()
  return (reader) => {
    const length = read(reader)
    if (length >= 0 || (length === -1 && isNullable)) return length
    throw new CodecFailure(length === -1 ? 'null is not allowed' : `a length is ${length}`)
  }
}

function arrayReader(
  element: FieldSpec,
  dialect: Dialect,
  readCount: (reader: Reader) => number,
): ReadValue {
  const read = prepareReader(element, dialect)
  // An element that can take no bytes would make any count legal: one byte is demanded for it.
  const smallest = Math.max(1, smallestSize(element, dialect))
  return (reader) => {
    const count = readCount(reader)
    if (count < 0) return null
    reader.spendElements(count, smallest)
    const elements: unknown[] = []
    try {
      while (elements.length < count) elements.push(read(reader))
    } catch (error) {
      throw inField(error, `[${elements.length}]`)
    }
    return elements
  }
}

function structReader(fields: readonly NamedSpec[], dialect: Dialect): ReadValue {
  const absent = absentValues(fields)
  const fixed = fixedFields(fields, dialect)
  const names = fixed.map(({ name }) => name)
  const readers = fixed.map(({ spec }) => prepareReader(spec, dialect))
  const readTagged = dialect.flexible ? taggedReader(fields, dialect) : undefined
  return (reader) => {
    // A copy of all fields' defaults gives every struct of the API the same hidden class.
    const values: Values = { ...absent }
    let index = 0
    try {
      for (; index < readers.length; index++)
        values[names[index] as string] = (readers[index] as ReadValue)(reader)
    } catch (error) {
      throw inField(error, names[index] as string)
    }
    if (readTagged !== undefined) readTagged(reader, values)
    return values
  }
}

function taggedReader(
  fields: readonly NamedSpec[],
  dialect: Dialect,
): (reader: Reader, values: Values) => void {
  const tagged = taggedFields(fields, dialect).map(({ name, spec }) => ({
    name,
    tag: spec.tag,
    read: prepareReader(spec, dialect),
  }))
  if (tagged.length === 0) return (reader) => reader.skipTagged()
  return (reader, values) => {
    for (let left = reader.taggedCount(); left > 0; left--) {
      const tag = reader.unsignedVarint()
      const size = reader.unsignedVarint()
      const start = reader.take(size)
      const field = tagged.find((known) => known.tag === tag)
      if (field !== undefined) values[field.name] = readWithin(reader, start, field)
    }
  }
}

/** Reads a tagged field that must not pass its own size; bytes that it leaves over are skipped. */
function readWithin(
  reader: Reader,
  start: number,
  { name, read }: { readonly name: string; readonly read: ReadValue },
): unknown {
  const { position: after, end } = reader
  reader.position = start
  reader.end = after
  try {
    return read(reader)
  } catch (error) {
    throw inField(error, name)
  } finally {
    reader.position = after
    reader.end = end
  }
}

/** Bytes that a value takes at least. */
function smallestSize(spec: FieldSpec, dialect: Dialect): number {
  const { shape } = spec
  switch (shape.kind) {
    case 'bool':
    case 'int8':
      return 1
    case 'int16':
    case 'uint16':
    case 'errorCode':
      return 2
    case 'int32':
      return 4
    case 'int64':
    case 'bigint64':
    case 'float64':
      return 8
    case 'uuid':
      return 16
    case 'string':
      return dialect.flexible ? 1 : 2
    case 'bytes':
    case 'records':
    case 'array':
      return dialect.flexible ? 1 : 4
    case 'struct': {
      if (dialect.version >= spec.nullableSince) return 1
      const fixed = fixedFields(shape.fields, dialect)
      const sizes = fixed.map((field) => smallestSize(field.spec, dialect))
      return sizes.reduce((sum, size) => sum + size, dialect.flexible ? 1 : 0)
    }
  }
}

export function prepareWriter(spec: FieldSpec, dialect: Dialect): WriteValue {
  const { flexible, version } = dialect
  const isNullable = version >= spec.nullableSince
  const { shape } = spec
  const write = presentWriter(shape, dialect)
  const writeNull = nullWriter(shape, flexible)
  const isOptionalStruct = shape.kind === 'struct' && isNullable
  return (writer, value) => {
    if (value === null || value === undefined) {
      if (value === null && isNullable) return writeNull(writer)
      throw new CodecFailure(value === null ? 'null is not allowed' : 'the value is missing')
    }
    if (isOptionalStruct) writer.int8(PRESENT_STRUCT)
    write(writer, value)
  }
}

function presentWriter(shape: Shape, dialect: Dialect): WriteValue {
  const { flexible } = dialect
  switch (shape.kind) {
    case 'struct':
      return structWriter(shape.fields, dialect)
    case 'array':
      return arrayWriter(shape.element, dialect)
    case 'string':
      return (writer, value) => writer.text(value, flexible)
    case 'bytes':
      return (writer, value) => {
        if (!(value instanceof Uint8Array)) throw unfit(value, 'bytes')
        writeCount(writer, value.length, flexible)
        writer.copy(value)
      }
    case 'records':
      return (writer, value) => writeRecords(writer, value, flexible)
    case 'errorCode':
      return (writer, value) => writer.int16(kafkaErrorNumber(value as KafkaErrorCode) ?? value)
    case 'bool':
    case 'int8':
    case 'int16':
    case 'int32':
    case 'uint16':
    case 'int64':
    case 'bigint64':
    case 'float64':
    case 'uuid':
      return scalarWriters[shape.kind]
  }
}

const scalarWriters: Readonly<Record<Exclude<FixedKind, 'errorCode'>, WriteValue>> = {
  bool: (writer, value) => writer.bool(value),
  int8: (writer, value) => writer.int8(value),
  int16: (writer, value) => writer.int16(value),
  int32: (writer, value) => writer.int32(value),
  uint16: (writer, value) => writer.uint16(value),
  int64: (writer, value) => writer.int64(value),
  bigint64: (writer, value) => writer.bigint64(value),
  float64: (writer, value) => writer.float64(value),
  uuid: (writer, value) => writer.uuid(value),
}

function nullWriter(shape: Shape, flexible: boolean): (writer: Writer) => void {
  if (shape.kind === 'struct') return (writer) => writer.int8(ABSENT_STRUCT)
  if (flexible) return (writer) => writer.unsignedVarint(0)
  if (shape.kind === 'string') return (writer) => writer.int16(-1)
  return (writer) => writer.int32(-1)
}

function writeCount(writer: Writer, count: number, flexible: boolean): void {
  if (flexible) writer.unsignedVarint(count + 1)
  else writer.int32(count)
}

function writeRecords(writer: Writer, value: unknown, flexible: boolean): void {
  const chunks = Array.isArray(value) ? value : [value]
  let length = 0
  for (const chunk of chunks) {
    if (!(chunk instanceof Uint8Array)) throw unfit(chunk, 'record bytes')
    length += chunk.length
  }
  writeCount(writer, length, flexible)
  for (const chunk of chunks as readonly Uint8Array[]) writer.splice(chunk)
}

function arrayWriter(element: FieldSpec, dialect: Dialect): WriteValue {
  const write = prepareWriter(element, dialect)
  return (writer, value) => {
    if (!Array.isArray(value)) throw unfit(value, 'an array')
    writeCount(writer, value.length, dialect.flexible)
    let index = 0
    try {
      for (; index < value.length; index++) write(writer, value[index])
    } catch (error) {
      throw inField(error, `[${index}]`)
    }
  }
}

function structWriter(fields: readonly NamedSpec[], dialect: Dialect): WriteValue {
  const fixed = fixedFields(fields, dialect)
  const names = fixed.map(({ name }) => name)
  const writers = fixed.map(({ spec }) => prepareWriter(spec, dialect))
  const writeTagged = dialect.flexible ? taggedWriter(fields, dialect) : undefined
  return (writer, value) => {
    if (typeof value !== 'object') throw unfit(value, 'an object')
    const values = value as Values
    let index = 0
    try {
      for (; index < writers.length; index++)
        (writers[index] as WriteValue)(writer, values[names[index] as string])
    } catch (error) {
      throw inField(error, names[index] as string)
    }
    if (writeTagged !== undefined) writeTagged(writer, values)
  }
}

function taggedWriter(
  fields: readonly NamedSpec[],
  dialect: Dialect,
): (writer: Writer, values: Values) => void {
  const tagged = taggedFields(fields, dialect)
    .map(({ name, spec }) => ({
      name,
      tag: spec.tag ?? 0,
      absent: spec.absent,
      write: prepareWriter(spec, dialect),
    }))
    .sort((left, right) => left.tag - right.tag)
  if (tagged.length === 0) return (writer) => writer.unsignedVarint(0)
  return (writer, values) => {
    const present = tagged.filter(({ name, absent }) => !isSame(values[name], absent))
    writer.unsignedVarint(present.length)
    for (const { name, tag, write } of present) {
      const inner = new Writer()
      try {
        write(inner, values[name])
      } catch (error) {
        throw inField(error, name)
      }
      writer.unsignedVarint(tag)
      writer.unsignedVarint(inner.byteLength)
      writer.append(inner)
    }
  }
}

/** Whether a tagged field has its default; one that is left out has it too. */
function isSame(value: unknown, absent: unknown): boolean {
  if (value === absent || value === undefined) return true
  if (typeof value !== 'object' || typeof absent !== 'object') return false
  if (value === null || absent === null) return false
  const names = Object.keys(value)
  return (
    names.length === Object.keys(absent).length &&
    names.every((name) => isSame((value as Values)[name], (absent as Values)[name]))
  )
}

function fixedFields(fields: readonly NamedSpec[], dialect: Dialect): readonly NamedSpec[] {
  return fields.filter(({ spec }) => spec.tag === null && isPresent(spec, dialect))
}

function taggedFields(fields: readonly NamedSpec[], dialect: Dialect): readonly NamedSpec[] {
  return fields.filter(({ spec }) => spec.tag !== null && isPresent(spec, dialect))
}

function isPresent(spec: FieldSpec, { version }: Dialect): boolean {
  return version >= spec.since && version <= spec.until
}

function absentValues(fields: readonly NamedSpec[]): Values {
  return Object.fromEntries(fields.map(({ name, spec }) => [name, spec.absent]))
}

function inField(error: unknown, step: string): unknown {
  return error instanceof CodecFailure ? error.prefix(step) : error
}
