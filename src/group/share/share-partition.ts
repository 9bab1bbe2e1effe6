/**
 * The hard state of one share-partition (a partition as one group shares it), as a value that is never changed in place.
 *
 *   done │ startOffset (SPSO) ··· in flight: every offset has a delivery ··· │ endOffset ··· never delivered
 *
 *   new ──▶ available ──▶ acknowledged          from │ available  archiving  acknowledged  archived
 *               │ ▲ (acquired again: count + n)  ─────┼────────────────────────────────────────────
 *               │ └───┘                      available│  count up      x           x           x
 *               ├──▶ archiving ──▶ archived  archiving│                                        x
 *               └──▶ archived                 the last two are terminal
 *
 * Invariants, asserted on every record: deliveries cover start to end without a gap, the first of them is not terminal;
 * only the moves of the table; counts never fall; within one state epoch the start never goes back.
 * Not here: who holds what (`holds.ts`) and why anything happens (`turn.ts` and who uses it).
 */

import { assertInvariant, unreachable } from '../../core/index.ts'
import type {
  Delivery,
  DeliveryRange,
  FailedRange,
  Failure,
  SharePartitionId,
  SharePartitionSnapshotRecord,
  ShareRecord,
} from './records.ts'
import { assign, type OffsetRange, type RangeList, within } from './ranges.ts'

export interface SharePartition extends SharePartitionId {
  /** Rises by one whenever the start offset is set anew. */
  readonly stateEpoch: number
  /** The first record not terminal: what the group has committed, so to say. */
  readonly startOffset: number
  /** The first offset that was never delivered. (Kafka's SPEO is the one before.) */
  readonly endOffset: number
  readonly deliveries: RangeList<Delivery>
  /** What members said of failed deliveries; of records that are done only until the start passes them. */
  readonly failures: RangeList<Failure>
}

const MOVES: Readonly<Record<Delivery['state'], readonly Delivery['state'][]>> = {
  available: ['available', 'archiving', 'acknowledged', 'archived'],
  archiving: ['archived'],
  acknowledged: [],
  archived: [],
}

/**
 * @param partition null for one that nobody has heard of
 * @returns null when nothing is left
 */
export function applyShareRecord(
  partition: SharePartition | null,
  record: ShareRecord,
): SharePartition | null {
  const { groupId, topicId, partition: index } = record
  const id = { groupId, topicId, partition: index }
  switch (record.kind) {
    case 'share-started': {
      const { stateEpoch, startOffset } = record
      check(id, stateEpoch === (partition?.stateEpoch ?? 0) + 1, 'started anew, epoch not the next')
      return fresh(id, stateEpoch, startOffset)
    }
    case 'share-partition': {
      check(id, partition === null, 'a snapshot of what is there already')
      const { stateEpoch, startOffset, deliveries, failures } = record
      const empty = { ...fresh(id, stateEpoch, startOffset), failures }
      return deliveries.reduce<SharePartition>(withDelivery, empty)
    }
    case 'share-delivery':
      return record.deliveries.reduce(withDelivery, known(partition, record))
    case 'share-failed':
      return record.failed.reduce(withFailure, known(partition, record))
    case 'share-log-start':
      return withStart(known(partition, record), record.logStartOffset)
    case 'share-committed':
      return withStart(known(partition, record), record.startOffset)
    case 'share-deleted':
      known(partition, record)
      return null
    default:
      return unreachable(record)
  }
}

/** What became of a range of records; the start follows at once. */
export function withDelivery(partition: SharePartition, range: DeliveryRange): SharePartition {
  const { firstOffset, lastOffset, value } = range
  const { startOffset, endOffset } = partition
  check(
    partition,
    startOffset <= firstOffset && firstOffset <= endOffset && firstOffset <= lastOffset,
    'a delivery outside of what is in flight',
  )
  for (const { value: before } of within(partition.deliveries, range)) {
    check(partition, MOVES[before.state].includes(value.state), 'a move that is not allowed')
    check(partition, deliveryCountOf(value) >= deliveryCountOf(before), 'a count that falls')
  }
  return advanced({
    ...partition,
    endOffset: Math.max(endOffset, lastOffset + 1),
    deliveries: assign(partition.deliveries, range, value),
  })
}

/** What a member said of records that are in flight. */
function withFailure(
  partition: SharePartition,
  { firstOffset, lastOffset, atMs, error }: FailedRange,
): SharePartition {
  const { startOffset, endOffset } = partition
  const range = {
    firstOffset: Math.max(firstOffset, startOffset),
    lastOffset: Math.min(lastOffset, endOffset - 1),
  }
  if (range.firstOffset > range.lastOffset) return partition
  let failures = assign(partition.failures, range, { firstMs: atMs, lastMs: atMs, error })
  for (const { value, ...before } of within(partition.failures, range))
    failures = assign(failures, before, { firstMs: value.firstMs, lastMs: atMs, error })
  return { ...partition, failures }
}

/** The record that says all of it. */
export function shareSnapshotOf(partition: SharePartition): SharePartitionSnapshotRecord {
  const { endOffset: _, ...state } = partition
  return { kind: 'share-partition', ...state }
}

export function isTerminal({ state }: Delivery): boolean {
  return state === 'acknowledged' || state === 'archived'
}

/** Whatever became of what lay below. */
function withStart(partition: SharePartition, offset: number): SharePartition {
  const { startOffset, endOffset, deliveries } = partition
  check(partition, offset > startOffset, 'a start that lies behind')
  return advanced({
    ...partition,
    startOffset: offset,
    endOffset: Math.max(endOffset, offset),
    deliveries: assign(deliveries, below(partition, offset), null),
  })
}

function below({ startOffset }: SharePartition, offset: number): OffsetRange {
  return { firstOffset: startOffset, lastOffset: offset - 1 }
}

function advanced(partition: SharePartition): SharePartition {
  const { deliveries, endOffset } = partition
  const open = deliveries.findIndex(({ value }) => !isTerminal(value))
  const startOffset = deliveries[open]?.firstOffset ?? endOffset
  const failures = from(partition.failures, startOffset)
  if (open === 0) return failures === partition.failures ? partition : { ...partition, failures }
  return {
    ...partition,
    startOffset,
    deliveries: open < 0 ? [] : deliveries.slice(open),
    failures,
  }
}

/** What lies below is nobody's business any more. */
function from(failures: RangeList<Failure>, startOffset: number): RangeList<Failure> {
  const [first] = failures
  if (first === undefined || first.firstOffset >= startOffset) return failures
  return assign(failures, { firstOffset: 0, lastOffset: startOffset - 1 }, null)
}

/** Terminal records have no count any more: they are above all counts. */
function deliveryCountOf(delivery: Delivery): number {
  return 'deliveryCount' in delivery ? delivery.deliveryCount : Number.MAX_SAFE_INTEGER
}

function fresh(id: SharePartitionId, stateEpoch: number, startOffset: number): SharePartition {
  const empty = { deliveries: [], failures: [] }
  return { ...id, stateEpoch, startOffset, endOffset: startOffset, ...empty }
}

function known(partition: SharePartition | null, record: ShareRecord): SharePartition {
  assertInvariant(
    partition?.stateEpoch === record.stateEpoch,
    complaint(record, `${record.kind} for another state epoch`),
  )
  return partition
}

function check(id: SharePartitionId, holds: boolean, what: string): void {
  assertInvariant(holds, complaint(id, what))
}

function complaint({ groupId, topicId, partition }: SharePartitionId, what: string) {
  return () => `share-partition ${groupId}:${topicId}:${partition}: ${what}`
}
