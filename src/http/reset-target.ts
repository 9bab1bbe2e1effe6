/**
 * Where a reset goes, as text: `earliest`, `latest`, `current`, `1234`, `+100`, `-100`, `@2026-11-21T10:00:00Z`, `@-2h`,
 * `group:other`. The same grammar as `shoal groups reset --to`. Pure.
 */

import type { ResetTarget } from '../admin/index.ts'

/** A target, or whose offsets have to be read first. */
export type ResetSpec =
  | Exclude<ResetTarget, { readonly kind: 'listed' }>
  | { readonly kind: 'group'; readonly groupId: string }

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

/** Null for text that is none of these. */
export function parseResetTarget(text: string, nowMs: number): ResetSpec | null {
  if (text === 'earliest' || text === 'latest' || text === 'current') return { kind: text }
  if (/^\d{1,15}$/.test(text)) return { kind: 'offset', offset: Number(text) }
  if (/^[+-]\d{1,15}$/.test(text)) return { kind: 'shift', by: Number(text) }
  if (/^group:.+/.test(text)) return { kind: 'group', groupId: text.slice('group:'.length) }
  const [, digits, unit = ''] = /^@-(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text) ?? []
  if (digits !== undefined)
    return { kind: 'time', timestampMs: Math.round(nowMs - Number(digits) * (UNIT_MS[unit] ?? 0)) }
  const timestampMs = /^@\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text.slice(1)) : Number.NaN
  return Number.isNaN(timestampMs) ? null : { kind: 'time', timestampMs }
}
