/**
 * Takes a delivered batch: into the backlog, where its records wait to be looked at, or as work items at once, where
 * what starts next is not simply the next record.
 *
 * The lane is the key's bytes, or what `order.by` says of the value: then the payload is read here, once, and handed to
 * the first execution. A payload that cannot be read has no order to keep: it goes through the lane of the records
 * without a key, to the dead letters.
 */

import { ShoalError, assertInvariant } from '../../core/index.ts'
import { Attempt } from './attempt.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { Order } from '../options.ts'
import { InvalidPayload } from '../payload.ts'
import { WorkItem } from '../work.ts'
import type { PartitionWork } from '../work.ts'
import type { Settings } from '../resolve-options.ts'
import type { Retried, SourceBatch, SourceRecords } from '../source.ts'

type By = Exclude<Order<unknown>, string>['by']

const utf8 = new TextEncoder()
const NO_RECORDS: SourceRecords = []

export class Intake {
  readonly #settings: Settings
  readonly #dispatcher: Dispatcher

  constructor(settings: Settings, dispatcher: Dispatcher) {
    this.#settings = settings
    this.#dispatcher = dispatcher
  }

  /** Records that a former owner of their partition had finished. */
  remembered = 0

  /** How many records of the batch were taken; one that was delivered before in this epoch is not taken again. */
  take(work: PartitionWork, batch: SourceBatch): number {
    const { tracker } = work
    if (tracker.rememberedEnd > batch.endOffset) this.#forget(work, batch)
    const records = newRecords(batch.records, work.deliveredOffset)
    work.deliveredOffset = Math.max(work.deliveredOffset, batch.nextOffset)
    work.endOffset = batch.endOffset
    if (this.#mustLookAtOnce(work, records, batch)) return this.#look(work, batch, records)
    if (records.length === 0 && work.waitingBatches === 0) tracker.endBatch(batch.nextOffset)
    else {
      const chunk = { byteLength: batch.byteLength, remaining: records.length }
      this.#dispatcher.addLater({ work, records, chunk, nextOffset: batch.nextOffset, at: 0 })
    }
    return records.length
  }

  /** Whether what starts next depends on more than the order of arrival and the keys of the records. */
  #mustLookAtOnce(
    work: PartitionWork,
    records: SourceRecords,
    { hasHistory }: SourceBatch,
  ): boolean {
    const { order, topics } = this.#settings
    const { tracker } = work
    return (
      typeof order === 'object' ||
      topics.size > 0 ||
      work.parking !== null ||
      work.careful ||
      this.#dispatcher.isPicky ||
      tracker.rememberedEnd > tracker.nextOffset ||
      (hasHistory ?? someHaveHistory(records))
    )
  }

  #look(work: PartitionWork, batch: SourceBatch, records: SourceRecords): number {
    const { order, maxDeliveries } = this.#settings
    const { tracker } = work
    const by = typeof order === 'object' ? order.by.bind(order) : null
    const chunk = { byteLength: batch.byteLength, remaining: 0 }
    assertInvariant(work.waitingBatches === 0, 'a batch overtook another of its partition')
    for (const record of records) {
      if (tracker.skipRemembered(record.offset)) {
        this.remembered++
        continue
      }
      const item = new WorkItem(record, work, chunk, tracker.deliver(record.offset))
      if (by !== null) this.#readLane(item, by)
      else if (order === 'key') item.laneKey = record.key
      if (record.retried !== undefined) goOn(item, record.retried)
      if ((record.deliveryCount ?? 1) > maxDeliveries) this.#condemn(item)
      chunk.remaining++
      this.#dispatcher.add(item)
    }
    tracker.endBatch(batch.nextOffset)
    return chunk.remaining
  }

  /** The map must not make records count as done that the log has yet to see. */
  #forget({ id, tracker }: PartitionWork, { endOffset }: SourceBatch): void {
    this.#settings.logger.log('warn', 'the completion map goes beyond the log and is ignored', {
      group: this.#settings.group,
      partition: id,
      mapEnd: tracker.rememberedEnd,
      endOffset,
    })
    tracker.forgetRemembered()
  }

  /** Every process that had it is gone, or gave it back, before it ended: it is not started again. */
  #condemn(item: WorkItem): void {
    const failedMs = this.#settings.clock.wallMs()
    const times = (item.record.deliveryCount ?? 1) - 1
    item.firstFailureMs = failedMs
    item.letter = {
      kind: 'dead-letter',
      reason: 'too-many-deliveries',
      error: `handed out ${times} times and never ended: what had it died, or lost it, each time (retry.maxDeliveries)`,
      afterMs: 0,
      failedMs,
      failures: 0,
    }
  }

  #readLane(item: WorkItem, by: By): void {
    const { read } = this.#settings
    try {
      const value = read === null ? item.record.value : read(item.record.value)
      if (value instanceof Promise)
        throw new ShoalError(
          'SHOAL_INVALID_ARGUMENT',
          'order.by needs a schema that checks at once: this one answers with a promise',
        )
      item.decoded = { value }
      const nowMs = this.#dispatcher.nowMs()
      const { record, partition, chunk } = item
      const lane = by(value, new Attempt(this.#dispatcher, record, partition, chunk, item, nowMs))
      item.laneKey = lane === null ? null : utf8.encode(lane)
    } catch (error) {
      if (error instanceof ShoalError && error.code === 'SHOAL_INVALID_ARGUMENT') throw error
      item.decoded = {
        error:
          error instanceof InvalidPayload ? error : new InvalidPayload('order.by threw', error),
      }
    }
  }
}

/** A record that was put off, and is back. */
function goOn(item: WorkItem, { attempts, firstFailureMs }: Retried): void {
  item.attempts = attempts
  item.firstFailureMs = firstFailureMs
}

/** The broker counts how often it handed the record out, or has it back after a wait. */
function someHaveHistory(records: SourceRecords): boolean {
  for (const { deliveryCount, retried } of records)
    if (deliveryCount !== undefined || retried !== undefined) return true
  return false
}

/** Without those that were delivered before. */
function newRecords(records: SourceRecords, from: number): SourceRecords {
  const first = records.at(0)
  if (first === undefined) return NO_RECORDS
  return first.offset >= from ? records : [...records].filter(({ offset }) => offset >= from)
}
