/**
 * The topics of a memory broker: partitions of records in order of offset, with holes where a test wants them.
 */

import { ShoalError } from '../../core/index.ts'
import { partitionId } from '../work.ts'
import type { SourceRecord } from '../source.ts'

export interface MemoryPartition {
  readonly topic: string
  readonly partition: number
  readonly records: SourceRecord[]
  /** The next offset to be written. */
  endOffset: number
}

export interface MemorySlice {
  readonly records: readonly SourceRecord[]
  /** Where to read on: behind the holes, too. */
  readonly nextOffset: number
  readonly endOffset: number
}

export class MemoryLog {
  readonly #partitions = new Map<string, MemoryPartition>()
  readonly #counts = new Map<string, number>()

  /** Creates a topic, or adds the partitions that it lacks. */
  createTopic(topic: string, partitionCount: number): void {
    for (let partition = this.partitionCount(topic); partition < partitionCount; partition++)
      this.#partitions.set(partitionId({ topic, partition }), {
        topic,
        partition,
        records: [],
        endOffset: 0,
      })
    this.#counts.set(topic, Math.max(partitionCount, this.partitionCount(topic)))
  }

  partitionCount(topic: string): number {
    return this.#counts.get(topic) ?? 0
  }

  partition(topic: string, partition: number): MemoryPartition {
    const found = this.#partitions.get(partitionId({ topic, partition }))
    if (found === undefined)
      throw new ShoalError('SHOAL_UNKNOWN_TOPIC', `memory: there is no ${topic}/${partition}`)
    return found
  }

  append(topic: string, partition: number, record: Omit<SourceRecord, 'offset'>): number {
    const log = this.partition(topic, partition)
    const offset = log.endOffset++
    log.records.push({ ...record, offset })
    return offset
  }

  /** Leaves a hole, as compaction and transaction markers do. */
  skip(topic: string, partition: number, count: number): void {
    this.partition(topic, partition).endOffset += count
  }

  read(topic: string, partition: number, from: number, maxRecords: number): MemorySlice {
    const { records, endOffset } = this.partition(topic, partition)
    const first = firstAtOrAfter(records, from)
    const slice = records.slice(first, first + maxRecords)
    const isLast = first + slice.length >= records.length
    const last = slice.at(-1)
    const nextOffset = isLast || last === undefined ? endOffset : last.offset + 1
    return { records: slice, nextOffset, endOffset }
  }
}

function firstAtOrAfter(records: readonly SourceRecord[], offset: number): number {
  let low = 0
  let high = records.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((records[middle] as SourceRecord).offset < offset) low = middle + 1
    else high = middle
  }
  return low
}
