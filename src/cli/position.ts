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
  const ago = text.startsWith('@-') ? parseDuration(text.slice(2)) : undefined
  if (ago !== undefined) return { kind: 'time', timestampMs: clock.wallMs() - ago }
  const timestampMs = text.startsWith('@') ? Date.parse(text.slice(1)) : Number.NaN
  if (!Number.isNaN(timestampMs)) return { kind: 'time', timestampMs }
  throw new ShoalError(
    'SHOAL_INVALID_ARGUMENT',
    `position ${text}: expected earliest, latest, an offset, -N before the end, @2026-11-21T10:00:00Z or @-2h`,
  )
}
