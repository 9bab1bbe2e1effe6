/**
 * Reading parsed JSON that nobody vouches for: every access says what it expects and fails with the path to what it found.
 * Keys are names of an object or positions in a list.
 */

import { ShoalError } from '../core/index.ts'

type Key = string | number

export class Fields {
  readonly #value: object
  readonly #path: string

  constructor(value: unknown, path: string) {
    if (typeof value !== 'object' || value === null) throw corrupt(path, 'an object or a list')
    this.#value = value
    this.#path = path
  }

  text(key: Key): string {
    const value = this.#at(key)
    return typeof value === 'string' ? value : this.fail(key, 'a string')
  }

  isNull(key: Key): boolean {
    return this.#at(key) === null
  }

  textOrNull(key: Key): string | null {
    return this.#at(key) === null ? null : this.text(key)
  }

  integer(key: Key): number {
    const value = this.#at(key)
    return typeof value === 'number' && Number.isSafeInteger(value)
      ? value
      : this.fail(key, 'an integer')
  }

  integerOrNull(key: Key): number | null {
    return this.#at(key) === null ? null : this.integer(key)
  }

  /** An integer that is not negative. */
  count(key: Key): number {
    const value = this.integer(key)
    return value >= 0 ? value : this.fail(key, 'not negative')
  }

  flag(key: Key): boolean {
    const value = this.#at(key)
    return typeof value === 'boolean' ? value : this.fail(key, 'true or false')
  }

  /** Bytes in base64. */
  bytes(key: Key): Uint8Array {
    const text = this.text(key)
    const buffer = Buffer.from(text, 'base64')
    if (buffer.toString('base64') !== text) return this.fail(key, 'base64')
    return new Uint8Array(buffer)
  }

  object(key: Key): Fields {
    const fields = this.fields(key)
    return Array.isArray(fields.#value) ? this.fail(key, 'an object') : fields
  }

  objectOrNull(key: Key): Fields | null {
    return this.#at(key) === null ? null : this.object(key)
  }

  objects(key: Key): readonly Fields[] {
    return this.#list(key).all((index, list) => list.object(index))
  }

  /** A list of lists. */
  rows(key: Key): readonly Fields[] {
    return this.#list(key).all((index, list) => list.#list(index))
  }

  fields(key: Key): Fields {
    return new Fields(this.#at(key), `${this.#path}.${key}`)
  }

  /** Reads every element of this list. */
  all<T>(read: (index: number, list: Fields) => T): T[] {
    if (!Array.isArray(this.#value)) throw corrupt(this.#path, 'a list')
    return this.#value.map((_, index) => read(index, this))
  }

  fail(key: Key, expected: string): never {
    throw corrupt(`${this.#path}.${key}`, expected)
  }

  #list(key: Key): Fields {
    const fields = this.fields(key)
    return Array.isArray(fields.#value) ? fields : this.fail(key, 'a list')
  }

  #at(key: Key): unknown {
    return Object.hasOwn(this.#value, key)
      ? (this.#value as Readonly<Record<Key, unknown>>)[key]
      : undefined
  }
}

function corrupt(path: string, expected: string): ShoalError {
  return new ShoalError(
    'SHOAL_STORAGE_CORRUPT',
    `${path} in the journal is damaged: expected ${expected}`,
  )
}
