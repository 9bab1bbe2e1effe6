/**
 * Spans of time as users write them: milliseconds, or a number with its unit ('200ms', '1.5s', '2m', '1h').
 */

export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h'}`

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }

/** The span in milliseconds, or `undefined` when it is not one (negative, not finite, an unknown unit). */
export function parseDuration(text: unknown): number | undefined {
  if (typeof text === 'number') return Number.isFinite(text) && text >= 0 ? text : undefined
  if (typeof text !== 'string') return undefined
  const [, digits, unit = ''] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) ?? []
  const factor = unitMs[unit]
  return digits === undefined || factor === undefined ? undefined : Number(digits) * factor
}
