/**
 * Answers of XINFO and XPENDING as values: pure. Redis answers names and values in turn, and newer versions answer more of
 * them; what an older one does not say is null.
 */

import { textOf } from '../reply-text.ts'

export interface StreamFacts {
  readonly length: number
  /** `0-0` for a stream that never had an entry. */
  readonly lastId: string
  readonly firstId: string | null
  /** Redis 7 and newer: entries ever added. */
  readonly entriesAdded: number | null
}

export interface GroupFacts {
  readonly name: string
  readonly pending: number
  readonly lastDeliveredId: string
  /** Null before Redis 7, and where deletions made it impossible to tell. */
  readonly lag: number | null
}

export interface ConsumerFacts {
  readonly name: string
  readonly pending: number
  readonly idleMs: number
}

export interface PendingFacts {
  readonly count: number
  readonly firstId: string | null
}

export function streamFacts(reply: unknown): StreamFacts {
  const fields = fieldsOf(reply)
  const first = fields.get('first-entry')
  return {
    length: wholeOf(fields.get('length')) ?? 0,
    lastId: textOf(fields.get('last-generated-id')),
    firstId: Array.isArray(first) ? textOf(first[0]) : null,
    entriesAdded: wholeOf(fields.get('entries-added')),
  }
}

export function groupFacts(reply: unknown): readonly GroupFacts[] {
  return rowsOf(reply).map((fields) => ({
    name: textOf(fields.get('name')),
    pending: wholeOf(fields.get('pending')) ?? 0,
    lastDeliveredId: textOf(fields.get('last-delivered-id')),
    lag: wholeOf(fields.get('lag')),
  }))
}

export function consumerFacts(reply: unknown): readonly ConsumerFacts[] {
  return rowsOf(reply).map((fields) => ({
    name: textOf(fields.get('name')),
    pending: wholeOf(fields.get('pending')) ?? 0,
    idleMs: wholeOf(fields.get('idle')) ?? 0,
  }))
}

/** XPENDING without a range. */
export function pendingFacts(reply: unknown): PendingFacts {
  const [count, first] = Array.isArray(reply) ? reply : []
  return {
    count: wholeOf(count) ?? 0,
    firstId: first === null || first === undefined ? null : textOf(first),
  }
}

/** Whether one entry id comes before another. */
export function isBefore(left: string, right: string): boolean {
  const [leftMs = 0n, leftSequence = 0n] = left.split('-').map(BigInt)
  const [rightMs = 0n, rightSequence = 0n] = right.split('-').map(BigInt)
  return leftMs < rightMs || (leftMs === rightMs && leftSequence < rightSequence)
}

/** Before that no server made an id of its clock: somebody chose it, and it tells no time. The year 2001. */
const FIRST_PLAUSIBLE_MS = 1_000_000_000_000

/** How old an entry is by its id; null for an id that is no time. */
export function ageOfId(id: string, nowMs: number): number | null {
  const writtenMs = Number(id.split('-')[0])
  if (!Number.isSafeInteger(writtenMs) || writtenMs < FIRST_PLAUSIBLE_MS) return null
  return Math.max(0, nowMs - writtenMs)
}

function rowsOf(reply: unknown): readonly ReadonlyMap<string, unknown>[] {
  return Array.isArray(reply) ? reply.map(fieldsOf) : []
}

function fieldsOf(reply: unknown): ReadonlyMap<string, unknown> {
  const fields = new Map<string, unknown>()
  if (!Array.isArray(reply)) return fields
  for (let at = 0; at + 1 < reply.length; at += 2) fields.set(textOf(reply[at]), reply[at + 1])
  return fields
}

function wholeOf(value: unknown): number | null {
  const text = textOf(value)
  const number = text === '' ? Number.NaN : Number(text)
  return Number.isSafeInteger(number) ? number : null
}
