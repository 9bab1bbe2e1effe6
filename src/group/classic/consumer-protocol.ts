/**
 * What classic consumers say to each other through their group, as far as the coordinator has to understand it to let them
 * share one with KIP-848 members: subscriptions in, assignments in and out.
 *
 *   subscription: int16 version, topics, bytes, from v1 on: owned partitions (a topic with its int32 partitions each),
 *                 from v2 on an int32 generation, from v3 on a rack
 *   assignment:   int16 version, partitions, bytes
 *
 * Lists have an int32 count, strings an int16 length, bytes an int32 length that may be -1. A count is never believed: what
 * is not there ends the reading with null.
 */

import type { NamedPartitions } from '../record-parts.ts'

export type { NamedPartitions }

/** Of groups whose members speak as described here. */
export const CONSUMER_PROTOCOL_TYPE = 'consumer'

export interface Subscription {
  readonly topics: readonly string[]
  readonly ownedPartitions: readonly NamedPartitions[]
  readonly rackId: string | null
}

export function readSubscription(metadata: Uint8Array): Subscription | null {
  return reading(metadata, (reader) => {
    const version = reader.int16()
    if (version < 0) throw new Malformed()
    const topics = reader.list(() => reader.string() ?? malformed())
    reader.skipBytes()
    const ownedPartitions = version >= 1 ? reader.list(() => reader.partitions()) : []
    if (version >= 2) reader.int32()
    return { topics, ownedPartitions, rackId: version >= 3 ? reader.string() : null }
  })
}

/** Zero bytes, what a member gets that its leader left out, mean: nothing. */
export function readAssignment(assignment: Uint8Array): readonly NamedPartitions[] | null {
  if (assignment.length === 0) return []
  return reading(assignment, (reader) => {
    if (reader.int16() < 0) throw new Malformed()
    return reader.list(() => reader.partitions())
  })
}

/** In version 0, which every client reads. */
export function writeAssignment(assigned: readonly NamedPartitions[]): Uint8Array {
  const topics = assigned.map(({ topic, partitions }) => ({ name: utf8.encode(topic), partitions }))
  const length = topics.reduce(
    (sum, { name, partitions }) => sum + 6 + name.length + 4 * partitions.length,
    10,
  )
  const bytes = new Uint8Array(length)
  const view = new DataView(bytes.buffer)
  view.setInt32(2, topics.length)
  let position = 6
  for (const { name, partitions } of topics) {
    view.setInt16(position, name.length)
    bytes.set(name, position + 2)
    position += 2 + name.length
    view.setInt32(position, partitions.length)
    position += 4
    for (const partition of partitions) {
      view.setInt32(position, partition)
      position += 4
    }
  }
  view.setInt32(position, -1)
  return bytes
}

class Malformed extends Error {}

function malformed(): never {
  throw new Malformed()
}

function reading<T>(bytes: Uint8Array, read: (reader: Reader) => T): T | null {
  try {
    return read(new Reader(bytes))
  } catch (error) {
    if (error instanceof Malformed) return null
    throw error
  }
}

class Reader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #position = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  int16(): number {
    return this.#view.getInt16(this.#take(2))
  }

  int32(): number {
    return this.#view.getInt32(this.#take(4))
  }

  string(): string | null {
    const length = this.int16()
    if (length < 0) return null
    const start = this.#take(length)
    return utf8Decoder.decode(this.#bytes.subarray(start, start + length))
  }

  skipBytes(): void {
    this.#take(Math.max(0, this.int32()))
  }

  /** Every element takes bytes of its own, so a count that lies runs out of them. */
  list<T>(read: () => T): readonly T[] {
    const list: T[] = []
    for (let count = this.int32(); count > 0; count--) list.push(read())
    return list
  }

  partitions(): NamedPartitions {
    const topic = this.string() ?? malformed()
    return { topic, partitions: this.list(() => this.int32()) }
  }

  #take(length: number): number {
    const start = this.#position
    if (start + length > this.#bytes.length) throw new Malformed()
    this.#position = start + length
    return start
  }
}

const utf8 = new TextEncoder()
const utf8Decoder = new TextDecoder()
