/**
 * Acquiring for one member from one partition: from the first record that is free, read by read, until there is something.
 *
 *   begin (committed offset, or where the policy says) ─▶ what retention took ─▶ read ─▶ acquire ─▶ nothing? ─▶ read on
 *
 * Reading waits for the disk, so acquisitions of one share-partition take turns; what else happens meanwhile (a commit, a
 * lock that ends) is met by the decision itself, which looks at the state as it is then.
 */

import {
  type AcquiredRecords,
  acquireRecords,
  type AcquireRequest,
  moveLogStart,
  nextFetchOffset,
  startSharePartition,
  type SharePartitionId,
} from '../../group/index.ts'
import type { PartitionLog } from '../../log/index.ts'
import type { RecordBatch } from '../../protocol/index.ts'
import type { DeliveryStart } from './delivery.ts'
import type { PartitionSlot, SlotWorld } from './partition-slot.ts'
import { type LogRead, type OpenKeys, readLog, withheldByKey } from './read-log.ts'

/** Where a group begins; share groups may begin a while ago. */
export type AcquireStart = DeliveryStart | { readonly sinceMs: number }

export interface AcquireLimits {
  readonly memberId: string
  readonly mode: AcquireRequest['mode']
  readonly maxRecords: number
  readonly maxBytes: number
  readonly lockDurationMs?: number
  /** The member or its client is gone. */
  readonly signal: AbortSignal
}

export interface Acquired {
  readonly records: readonly AcquiredRecords[]
  /** Those that hold the records, each once, in order. */
  readonly batches: readonly RecordBatch[]
  readonly byteLength: number
  readonly count: number
}

export type AcquireProblem = 'NO_OFFSET' | 'STORAGE'

export interface AcquireWorld extends Pick<SlotWorld, 'record' | 'nowMs'> {
  committedOffset(id: SharePartitionId): number | null
  isOrderedByKey(id: SharePartitionId): boolean
  hasTopic(id: SharePartitionId): boolean
}

/** Brings the state to life, and up to date with the log. Null when it may be acquired from. */
export async function beginDelivery(
  slot: PartitionSlot,
  log: PartitionLog,
  start: AcquireStart,
  world: AcquireWorld,
): Promise<AcquireProblem | null> {
  if (slot.state === null) {
    const since = typeof start === 'object' ? await log.offsetForTimestamp(start.sinceMs) : null
    const offset = world.committedOffset(slot.id) ?? startOffset(log, start, since?.offset)
    if (offset === null) return 'NO_OFFSET'
    // Somebody else may have begun meanwhile, or the topic has gone.
    if (slot.state === null && world.hasTopic(slot.id)) {
      const begin = Math.max(0, log.logStartOffset, offset)
      world.record(slot.id, [startSharePartition(slot.id, null, begin)])
    }
  }
  const { logStartOffset } = log
  if ((slot.state?.partition.startOffset ?? logStartOffset) < logStartOffset)
    slot.decide((state) => moveLogStart(state, logStartOffset))
  return null
}

export async function acquireFrom(
  slot: PartitionSlot,
  log: PartitionLog,
  limits: AcquireLimits,
  world: AcquireWorld,
): Promise<Acquired | AcquireProblem> {
  const reader = readerOf(slot, log, world)
  for (;;) {
    const found = await reader(limits.maxBytes)
    if (found === null) return NOTHING
    if (found === 'KAFKA_STORAGE_ERROR') return 'STORAGE'
    // Who left while the log was read would hold what nobody else gets until its lock ends.
    if (limits.signal.aborted) return NOTHING
    const records = slot.decide((state, nowMs) =>
      acquireRecords(state, { ...limits, read: found.forState(state), nowMs }),
    )
    if (records === null) return NOTHING
    // What a read had may all be taken, or nobody's: then the next one. Records that travel apart end an acquisition.
    if (records.length > 0) return acquired(records, found.read.batches)
  }
}

function acquired(records: readonly AcquiredRecords[], read: readonly RecordBatch[]): Acquired {
  const batches = read.filter((batch) =>
    records.some(
      ({ firstOffset, lastOffset }) =>
        firstOffset <= batch.lastOffset && batch.baseOffset <= lastOffset,
    ),
  )
  return {
    records,
    batches,
    byteLength: batches.reduce((sum, batch) => sum + batch.byteLength, 0),
    count: records.reduce((sum, range) => sum + range.lastOffset - range.firstOffset + 1, 0),
  }
}

const NOTHING: Acquired = { records: [], batches: [], byteLength: 0, count: 0 }

interface Found {
  readonly read: LogRead
  readonly forState: (state: NonNullable<PartitionSlot['state']>) => LogRead['read']
}

/**
 * The reads of one acquisition, one after another. With order by key from the first record that is not done, since their
 * keys matter; else from the first that is free. Each begins behind the one before: what is there and was not taken is
 * not free, or not now.
 */
function readerOf(slot: PartitionSlot, log: PartitionLog, world: AcquireWorld) {
  const isOrdered = world.isOrderedByKey(slot.id)
  const openKeys: OpenKeys = new Set()
  let next = 0
  return async (maxBytes: number): Promise<Found | 'KAFKA_STORAGE_ERROR' | null> => {
    const { state } = slot
    if (state === null) return null
    const free = nextFetchOffset(state, world.nowMs())
    if (free === null) return null
    const offset = Math.max(next, isOrdered ? state.partition.startOffset : free)
    // A read that leaves a gap behind the last delivery could say nothing of what is in it.
    if (offset > state.partition.endOffset || offset >= log.highWatermark) return null
    const read = await readLog(log, offset, Math.max(1, maxBytes))
    if (read === null || read === 'KAFKA_STORAGE_ERROR') return read
    next = read.read.toOffset
    const forState: Found['forState'] = (now) =>
      isOrdered ? withheldByKey(read, now, openKeys) : read.read
    return { read, forState }
  }
}

function startOffset(
  log: PartitionLog,
  start: AcquireStart,
  since: number | undefined,
): number | null {
  if (typeof start === 'object') return since ?? log.highWatermark
  switch (start) {
    case 'earliest':
      return log.logStartOffset
    case 'latest':
      return log.highWatermark
    case 'none':
      return null
  }
}
