/**
 * What the journal keeps of delayed records beside the log that holds them: JSON that a person can read.
 *
 *   producer     the producer id under which they are delivered; its sequences are why each is delivered once
 *   delivering   these stored records go to the end of that partition, as one batch of the producer's next sequence
 *   delivered    that batch is in the partition
 *   returned     the partition refused it: its records wait again
 *   topic-gone   the topic was deleted, and what was to go there
 *   trimmed      nothing below this offset of the log of delayed records waits
 *   state        all of it; written by snapshots
 *
 * `delivering` is journaled before the batch is appended. A crash between the two, or between the append and `delivered`, leaves
 * a batch that the next start appends again, with the same sequence: the partition stores it once.
 */

import { ShoalError } from '../../core/index.ts'
import type { ChunkSnapshot } from './offset-bits.ts'

export interface TargetId {
  readonly topicId: string
  readonly partition: number
}

export interface TargetState extends TargetId {
  readonly nextSequence: number
  /** Offsets in the log of delayed records of the batch that is being delivered; null when none is. */
  readonly delivering: readonly number[] | null
}

export type DelayedRecord =
  | { readonly kind: 'producer'; readonly producerId: string }
  | ({ readonly kind: 'delivering'; readonly offsets: readonly number[] } & TargetId)
  | ({ readonly kind: 'delivered' } & TargetId)
  | ({ readonly kind: 'returned' } & TargetId)
  | { readonly kind: 'topic-gone'; readonly topicId: string }
  | { readonly kind: 'trimmed'; readonly offset: number }
  | {
      readonly kind: 'state'
      readonly producerId: string | null
      readonly floor: number
      readonly delivered: readonly ChunkSnapshot[]
      readonly targets: readonly TargetState[]
    }

export function encodeDelayedRecord(record: DelayedRecord): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ v: 1, ...record }))
}

/** @throws ShoalError SHOAL_STORAGE_CORRUPT for what is no such record. */
export function decodeDelayedRecord(bytes: Uint8Array): DelayedRecord {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw new ShoalError('SHOAL_STORAGE_CORRUPT', 'a record of delayed messages is not JSON', {
      cause,
    })
  }
  if (isObject(value) && value['v'] === 1) {
    const record = recordFrom(value)
    if (record !== null) return record
  }
  throw new ShoalError(
    'SHOAL_STORAGE_CORRUPT',
    'a record of delayed messages in the journal is not one that was written',
  )
}

type Fields = Readonly<Record<string, unknown>>

function recordFrom(fields: Fields): DelayedRecord | null {
  const { kind, topicId, offsets, offset, producerId } = fields
  switch (kind) {
    case 'producer':
      return isProducerId(producerId) ? { kind, producerId } : null
    case 'delivering':
      return isTarget(fields) && isOffsets(offsets) ? { kind, ...targetOf(fields), offsets } : null
    case 'delivered':
    case 'returned':
      return isTarget(fields) ? { kind, ...targetOf(fields) } : null
    case 'topic-gone':
      return typeof topicId === 'string' ? { kind, topicId } : null
    case 'trimmed':
      return isOffset(offset) ? { kind, offset } : null
    case 'state':
      return stateFrom(fields)
    default:
      return null
  }
}

function stateFrom({ producerId, floor, delivered, targets }: Fields): DelayedRecord | null {
  if (producerId !== null && !isProducerId(producerId)) return null
  if (!isOffset(floor) || !Array.isArray(delivered) || !Array.isArray(targets)) return null
  const chunks: ChunkSnapshot[] = []
  for (const chunk of delivered as readonly unknown[]) {
    if (!Array.isArray(chunk)) return null
    const [index, base64] = chunk as readonly unknown[]
    if (!isOffset(index) || (base64 !== null && typeof base64 !== 'string')) return null
    chunks.push([index, base64])
  }
  const states: TargetState[] = []
  for (const target of targets as readonly unknown[]) {
    if (!isObject(target) || !isTarget(target) || !isOffset(target['nextSequence'])) return null
    const { nextSequence, delivering } = target
    if (delivering !== null && !isOffsets(delivering)) return null
    states.push({ ...targetOf(target), nextSequence, delivering })
  }
  return { kind: 'state', producerId, floor, delivered: chunks, targets: states }
}

function targetOf({ topicId, partition }: TargetId): TargetId {
  return { topicId, partition }
}

function isTarget(fields: Fields): fields is Fields & TargetId {
  return typeof fields['topicId'] === 'string' && isOffset(fields['partition'])
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null
}

function isProducerId(value: unknown): value is string {
  return typeof value === 'string' && /^\d{1,19}$/.test(value)
}

function isOffset(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function isOffsets(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every(isOffset)
}
