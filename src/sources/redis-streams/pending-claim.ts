/**
 * What one look at pending entries claimed, as the scripts answer it, and how entries that may kill a process are kept apart.
 *
 *   delivered and not ended   once: claimed with the rest     SUSPECT_DELIVERIES times and more: alone, one at a time
 *
 * A process that dies raises the count of all that it had. So a record that kills it drags others along, twice at most; from then
 * on it is handed out with nothing else, and what dies is counted against it alone. Pure.
 */

import { offsetOfEntry } from './entry-id.ts'
import type { EntryFields } from './entry-record.ts'
import { textOf as text } from './reply-text.ts'

/** Deliveries without an end from which an entry is handed out alone. */
export const SUSPECT_DELIVERIES = 2

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
  /** `alone`: the entry is a suspect, nothing else is handed out before it ended. `left`: a suspect is next, not yet. */
  readonly suspects: 'none' | 'alone' | 'left'
}

export interface ClaimRequest {
  readonly cursor: string
  /** Whether it counts as a delivery. */
  readonly raises: boolean
  /** Whether a suspect may be handed out. */
  readonly alone: boolean
}

/** Those of the scripts' arguments that come last. */
export function claimArguments({ raises, alone }: ClaimRequest): readonly number[] {
  return [raises ? 1 : 0, SUSPECT_DELIVERIES, alone ? 1 : 0]
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
  const found = text(word)
  const suspects = found === 'alone' || found === 'left' ? found : 'none'
  const after = text(last) === '' ? null : `(${text(last)}`
  return {
    cursor: suspects === 'left' ? (after ?? from) : after,
    entries: entries.map(([id, fields], index) => ({
      offset: offsetOfEntry(text(id), stream),
      fields,
      deliveryCount: counts[index] ?? 1,
    })),
    lost: lost.map(text),
    suspects,
  }
}
