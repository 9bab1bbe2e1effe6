/**
 * One grammar for positions: `earliest`, `latest`, `1234`, `-100` (so many before the end), `@2026-11-21T10:00:00Z`, `@-2h`.
 */

import { ShoalError, type Clock } from '../core/index.ts'
import { parseDuration } from '../consumer/index.ts'
import type { ReadFrom } from '../sources/kafka/admin/index.ts'

/** @throws ShoalError SHOAL_INVALID_ARGUMENT that shows the grammar. */
export function parsePosition(text: string, clock: Clock): ReadFrom {
  if (text === 'earliest' || text === 'beginning') return { kind: 'earliest' }
  if (text === 'latest' || text === 'end') return { kind: 'latest' }
  if (/^\d+$/.test(text)) return { kind: 'offset', offset: Number(text) }
  if (/^-\d+$/.test(text)) return { kind: 'before-end', count: -Number(text) }
  const timestampMs = parseTime(text, clock)
  if (timestampMs !== null) return { kind: 'time', timestampMs }
  throw new ShoalError(
    'SHOAL_INVALID_ARGUMENT',
    `position ${text}: expected earliest, latest, an offset, -N before the end, @2026-11-21T10:00:00Z or @-2h`,
  )
}

/** `@2026-11-21T10:00:00Z` or `@-2h` in milliseconds since 1970; null for anything else. Without a zone it is local time. */
export function parseTime(text: string, clock: Clock): number | null {
  const ago = text.startsWith('@-') ? parseDuration(text.slice(2)) : undefined
  if (ago !== undefined) return clock.wallMs() - ago
  // Date.parse alone takes "@5" for a day in May.
  const timestampMs = /^@\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text.slice(1)) : Number.NaN
  return Number.isNaN(timestampMs) ? null : timestampMs
}
