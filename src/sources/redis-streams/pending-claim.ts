/**
 * What one look at pending entries asks for, and what it claimed, as the scripts know it. Pure.
 *
 * Redis counts an entry when it is claimed. So what may kill a process is claimed only when it may run beside what is in hand
 * (`suspicion.ts`): what is left for later is not counted when the process dies.
 */

import type { Grades, Hand } from '../shards/suspicion.ts'
import { offsetOfEntry } from './entry-id.ts'
import type { EntryFields } from './entry-record.ts'
import { textOf as text } from './reply-text.ts'

/** Where a look at pending entries begins. */
export const FIRST_PENDING = '-'

export interface Entry {
  readonly offset: number
  readonly fields: EntryFields
  /** How often it was handed out, this time included, where it is known. */
  readonly deliveryCount?: number
}

export interface TakenOver {
  readonly entries: readonly Entry[]
  /** Where to go on; null when nothing is left. */
  readonly cursor: string | null
  /** Entries that were trimmed or deleted while nobody had finished them. */
  readonly lost: readonly string[]
  /** A suspect is next, and too many are in hand. */
  readonly isHeldBack: boolean
}

export interface ClaimRequest {
  readonly cursor: string
  /** Whether it counts as a delivery, for what stands under our own name, too. */
  readonly raises: boolean
  /** Suspects in hand, over the whole member. */
  readonly hand: Hand
  readonly grades: Grades
}

/** Those of the scripts' arguments that come last. */
export function claimArguments({ raises, hand, grades }: ClaimRequest): readonly number[] {
  const limits = [hand.most, ...grades.slice(1)].map((most) => (most === Infinity ? 0 : most))
  return [raises ? 1 : 0, hand.count, ...limits]
}

/** Null when the lease is no longer ours. */
export function claimed(answer: unknown, from: string, stream: string): TakenOver | null {
  const [outcome, last, entries, counts, lost, word] = answer as [
    Uint8Array,
    Uint8Array,
    [Uint8Array, EntryFields][],
    number[],
    Uint8Array[],
    Uint8Array,
  ]
  if (text(outcome) === 'stale') return null
  const isHeldBack = text(word) === 'left'
  const after = text(last) === '' ? null : `(${text(last)}`
  return {
    cursor: isHeldBack ? (after ?? from) : after,
    entries: entries.map(([id, fields], index) => ({
      offset: offsetOfEntry(text(id), stream),
      fields,
      deliveryCount: counts[index] ?? 1,
    })),
    lost: lost.map(text),
    isHeldBack,
  }
}
