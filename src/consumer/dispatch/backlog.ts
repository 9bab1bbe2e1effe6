/**
 * Delivered records that have not been looked at: one partition after the other has its turn, each in its order.
 *
 *   p0   [ · · · ▶ r5 r6 r7 ] [ r8 … ]
 *   p3   [ ▶ r0 r1 … ]                       only what is looked at becomes a work item
 *
 * A record waits here for free: no item, no place in its lane or in the tracker. A turn lasts until a record is met that
 * does not end at once: then those of another partition, with other keys, are more likely to find their lane free. A batch
 * counts as seen (`OffsetTracker.endBatch`) when its last record has left: nothing that waits here can be committed past.
 */

import type { SourceRecord, SourceRecords } from '../source.ts'
import type { Chunk, PartitionWork } from '../work.ts'

export interface BacklogBatch {
  readonly work: PartitionWork
  readonly records: SourceRecords
  readonly chunk: Chunk
  /** The position after the batch. */
  readonly nextOffset: number
  /** The next record to look at. */
  at: number
}

/** Who looks at records, and may start them. */
export interface Onlooker {
  /** Whether something else comes first now. */
  readonly isInterrupted: boolean
  /** The record starts, or waits in its lane. True: it is done. */
  lookAt(record: SourceRecord, batch: BacklogBatch): boolean
  /** That was its last record. */
  lookedAt(batch: BacklogBatch): void
}

export class Backlog {
  /** The batches of each partition that has some. */
  #queues: BacklogBatch[][] = []
  /** Whose turn it is. */
  #turn = 0

  get isEmpty(): boolean {
    return this.#queues.length === 0
  }

  push(batch: BacklogBatch): void {
    const { work } = batch
    work.waitingBatches++
    work.waitingRecords += batch.records.length
    const queue = this.#queues.find(([first]) => first?.work === work)
    if (queue === undefined) this.#queues.push([batch])
    else queue.push(batch)
  }

  /** Has at most so many records looked at, of one batch, until one is not done at once. Gives how many it were. */
  look(most: number, onlooker: Onlooker): number {
    const batch = this.#head
    if (batch === undefined) return 0
    const { work, records } = batch
    let isOver = true
    let count = 0
    while (count < most && isOver && batch.at < records.length) {
      const record = records.at(batch.at++) as SourceRecord
      work.waitingRecords--
      count++
      isOver = onlooker.lookAt(record, batch)
      // What a handler did may have taken the partition, and with it the batch.
      if (this.#head !== batch) return count
      if (onlooker.isInterrupted) break
    }
    if (batch.at === records.length) {
      this.#shift()
      onlooker.lookedAt(batch)
    } else if (!isOver) this.#rotate()
    return count
  }

  /** Forgets what a partition still had here. */
  drop(partition: PartitionWork): void {
    this.#queues = this.#queues.filter(([first]) => first?.work !== partition)
    this.#turn = 0
    partition.waitingBatches = 0
    partition.waitingRecords = 0
  }

  get #head(): BacklogBatch | undefined {
    return this.#queues[this.#turn]?.[0]
  }

  /** The next partition has its turn. */
  #rotate(): void {
    this.#turn++
    if (this.#turn >= this.#queues.length) this.#turn = 0
  }

  /** All records of the head have left. */
  #shift(): void {
    const queue = this.#queues[this.#turn]
    const batch = queue?.shift()
    if (batch !== undefined) batch.work.waitingBatches--
    if (queue?.length !== 0) return
    this.#queues.splice(this.#turn, 1)
    if (this.#turn >= this.#queues.length) this.#turn = 0
  }
}
