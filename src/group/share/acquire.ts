/**
 * Records for a member: those that came back first, then new ones, as far as a read of the log reached.
 *
 * The delivery count rises on disk before the records leave, so a record that takes the whole process down reaches its
 * limit too. What the read shows not to exist (compacted, control batches, aborted transactions) is archived, lest the
 * start wait for it for ever. The count of records in flight is bounded: past the limit only those are acquired that came
 * back. Records that keep failing travel apart from all others (`portionOf`).
 */

import { assertInvariant } from '../../core/index.ts'
import { portionOf } from './limits.ts'
import { append, countOf, type OffsetRange, type ValueRange } from './ranges.ts'
import { type ShareDecision, type ShareState, ShareTurn } from './turn.ts'

export interface AcquireRequest {
  readonly memberId: string
  readonly maxRecords: number
  /** KIP-1206. batch-optimized: whole batches, until there are `maxRecords` or more; record-limit: never more. */
  readonly mode: 'batch-optimized' | 'record-limit'
  readonly read: ShareRead
  /** How long this member may hold them, instead of the group's duration. */
  readonly lockDurationMs?: number
  readonly nowMs: number
}

/** What the log has from one offset to another; the handler reads from `nextFetchOffset` on. */
export interface ShareRead {
  readonly fromOffset: number
  /**
   * Exclusive, and at most what may be read (high watermark, last stable offset); the end of the last batch where a limit of
   * bytes cut the read. Offsets before it that are in no batch do not exist, and are never delivered.
   */
  readonly toOffset: number
  /** Of records that are to be delivered, sorted. The first may begin before `fromOffset`. */
  readonly batches: readonly ReadBatch[]
}

export interface ReadBatch extends OffsetRange {
  /** Not now: an earlier record of the same key is not done. In flight from now on, without a delivery. */
  readonly isWithheld?: boolean
}

export interface AcquiredRecords extends OffsetRange {
  readonly deliveryCount: number
}

export function acquireRecords(
  state: ShareState,
  request: AcquireRequest,
): ShareDecision<readonly AcquiredRecords[]> {
  const { read, nowMs } = request
  const turn = new ShareTurn(state, nowMs)
  const acquisition = new Acquisition(turn, request)
  let next = Math.max(read.fromOffset, turn.partition.startOffset)
  // A read that was overtaken by a reset, and now lies ahead, says nothing of what is between.
  if (next > turn.partition.endOffset) return turn.decision([])

  for (const batch of read.batches) {
    assertInvariant(
      batch.firstOffset <= batch.lastOffset && batch.lastOffset < read.toOffset,
      'a read has batches beyond its end, or out of order',
    )
    if (batch.lastOffset < next) continue
    if (acquisition.isFull()) return turn.decision(acquisition.records())
    const firstOffset = Math.max(batch.firstOffset, next)
    archiveMissing(turn, { firstOffset: next, lastOffset: firstOffset - 1 })
    const rest = { firstOffset, lastOffset: batch.lastOffset }
    const isTaken = batch.isWithheld === true ? acquisition.withhold(rest) : acquisition.take(rest)
    if (!isTaken) return turn.decision(acquisition.records())
    next = batch.lastOffset + 1
  }
  archiveMissing(turn, { firstOffset: next, lastOffset: read.toOffset - 1 })
  return turn.decision(acquisition.records())
}

/** No such records: those that a member holds are left to it, it will say so itself. */
function archiveMissing(turn: ShareTurn, { firstOffset, lastOffset }: OffsetRange): void {
  const { endOffset } = turn.partition
  for (const segment of turn.segments({ firstOffset, lastOffset }))
    if (segment.delivery.state === 'available' && segment.hold?.kind !== 'lock')
      turn.deliver(segment, { state: 'archived' })
  if (lastOffset >= endOffset)
    turn.deliver(
      { firstOffset: Math.max(firstOffset, endOffset), lastOffset },
      { state: 'archived' },
    )
}

/** What a member has got so far. */
class Acquisition {
  readonly #turn: ShareTurn
  readonly #request: AcquireRequest
  readonly #acquired: ValueRange<{ readonly deliveryCount: number }>[] = []
  #count = 0

  constructor(turn: ShareTurn, request: AcquireRequest) {
    this.#turn = turn
    this.#request = request
  }

  isFull(): boolean {
    return this.#count >= this.#request.maxRecords
  }

  records(): readonly AcquiredRecords[] {
    return this.#acquired.map(({ value, ...range }) => ({ ...range, ...value }))
  }

  /** Takes what is free of one batch. False: the rest of it, and what follows, has to wait. */
  take(batch: OffsetRange): boolean {
    const turn = this.#turn
    const { endOffset } = turn.partition
    for (const segment of turn.segments(batch)) {
      if (segment.delivery.state !== 'available' || segment.hold !== null) continue
      // The last attempt ended with a crash, or the limit was lowered.
      if (turn.isExhausted(segment.delivery)) turn.giveUp(segment, 'delivery-limit')
      else if (!this.#takeAgain(segment, segment.delivery.deliveryCount)) return false
    }
    if (batch.lastOffset < endOffset) return true
    const firstOffset = Math.max(batch.firstOffset, endOffset)
    const room = this.#room()
    if (room <= 0) return false
    const isCut = this.#request.mode === 'record-limit' && room < batch.lastOffset - firstOffset + 1
    const lastOffset = isCut ? firstOffset + room - 1 : batch.lastOffset
    return this.#lock({ firstOffset, lastOffset }, 1) && !isCut
  }

  /** Lets what is new of it be in flight, and nobody's. False: there is no room for all of it. */
  withhold(batch: OffsetRange): boolean {
    const firstOffset = Math.max(batch.firstOffset, this.#turn.partition.endOffset)
    const lastOffset = Math.min(batch.lastOffset, firstOffset + this.#room() - 1)
    if (lastOffset >= firstOffset)
      this.#turn.deliver({ firstOffset, lastOffset }, { state: 'available', deliveryCount: 0 })
    return lastOffset === batch.lastOffset || firstOffset > batch.lastOffset
  }

  /** Records that were delivered before; those that keep failing are all that an acquisition gets. */
  #takeAgain(range: OffsetRange, deliveryCount: number): boolean {
    const portion = portionOf(countOf(range), deliveryCount, this.#turn.config)
    if (portion === null) return this.#lock(range, deliveryCount + 1)
    const { firstOffset } = range
    if (this.#count === 0)
      this.#lock({ firstOffset, lastOffset: firstOffset + portion - 1 }, deliveryCount + 1)
    return false
  }

  /** False: there were more than may be taken. */
  #lock(range: OffsetRange, deliveryCount: number): boolean {
    const { maxRecords, mode, memberId, lockDurationMs } = this.#request
    const allowed = mode === 'record-limit' ? maxRecords - this.#count : Infinity
    const { firstOffset } = range
    const lastOffset = Math.min(range.lastOffset, firstOffset + allowed - 1)
    if (lastOffset < firstOffset) return false
    const taken = { firstOffset, lastOffset }
    this.#turn.deliver(taken, { state: 'available', deliveryCount })
    this.#turn.hold(taken, this.#turn.lockFor(memberId, lockDurationMs))
    append(this.#acquired, { ...taken, value: { deliveryCount } })
    this.#count += countOf(taken)
    return lastOffset === range.lastOffset
  }

  /** How many more offsets may be in flight. */
  #room(): number {
    const { startOffset, endOffset } = this.#turn.partition
    return this.#turn.config.partitionMaxRecordLocks - (endOffset - startOffset)
  }
}
