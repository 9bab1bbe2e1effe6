/**
 * The kinds of fields that routes are made of, each with its limits, its description and how it is read.
 *
 * 64-bit integers are numbers up to 2^53 - 1 and strings of digits beyond it, or everywhere with `?int64=string`; requests take
 * both. Spans of time are milliseconds (`..._ms`) or text with a unit (`30s`).
 */

import { z } from 'zod'

/** Ids of groups and members: Kafka allows anything; a path, a header line and a log line should stay readable. */
const LONGEST_ID = 255

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }

/** An offset, a timestamp or a count of records or bytes. */
export const int64 = z
  .union([
    z.int(),
    z
      .string()
      .regex(/^-?\d{1,19}$/, 'expected a whole number')
      .transform(toSafe),
  ])
  .meta({
    id: 'Int64',
    description:
      'a number up to 2^53 - 1, a string of digits beyond; ?int64=string makes it always a string',
  })

function toSafe(text: string, context: z.core.$RefinementCtx<string>): number {
  const value = Number(text)
  if (Number.isSafeInteger(value)) return value
  context.addIssue({ code: 'custom', message: 'is beyond 2^53 - 1' })
  return z.NEVER
}

export const offset = int64

export const groupId = z
  .string()
  .min(1)
  .max(LONGEST_ID)
  .meta({ description: 'the id of the group' })

export const memberId = z
  .string()
  .min(1)
  .max(LONGEST_ID)
  .meta({ description: 'the id of the member, chosen by the caller' })

export const topicName = z
  .string()
  .min(1)
  .max(249)
  .meta({ description: 'the name of the topic: letters, digits, `.`, `_` and `-`' })

export const partitionIndex = z
  .int()
  .min(0)
  .max(2 ** 31 - 1)

export const timestamp = z.iso.datetime({ offset: true }).meta({ description: 'RFC 3339' })

/** Topic names to partition numbers: `{"orders": [0, 1]}`. */
export const partitionLists = z.record(z.string(), z.array(partitionIndex))

/** Text such as `500ms`, `30s`, `5m`, `1h`, read as milliseconds. */
export const duration = z
  .string()
  .regex(/^\d+(?:\.\d+)?(?:ms|s|m|h)$/, 'expected a span of time such as 500ms, 30s, 5m or 1h')
  .transform(milliseconds)
  .meta({ description: 'a span of time such as `500ms`, `30s`, `5m`, `1h`' })

/** The same within bounds, milliseconds. */
export function span({ least, most }: { readonly least: number; readonly most: number }) {
  return duration.refine(
    (spanMs) => spanMs >= least && spanMs <= most,
    `expected a span from ${spanText(least)} to ${spanText(most)}`,
  )
}

function spanText(spanMs: number): string {
  const units = Object.entries(unitMs).toReversed()
  const [unit, factor] = units.find(([, each]) => spanMs >= each && spanMs % each === 0) ?? [
    'ms',
    1,
  ]
  return `${spanMs / factor}${unit}`
}

function milliseconds(text: string): number {
  const [, digits = '0', unit = ''] = /^([\d.]+)([a-z]+)$/.exec(text) ?? []
  return Math.round(Number(digits) * (unitMs[unit] ?? 0))
}
