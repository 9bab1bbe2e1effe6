/**
 * Where a reset goes, from flags to a target: `--to SPEC`, or one of the long options of Kafka's own tool.
 *
 *   earliest latest current   1234   +100 -100 (from the committed offset)   @2026-11-21T10:00:00Z @-2h   group:other
 *
 * Exactly one must be given. Pure: the offsets of a file or of another group are read by the command.
 */

import type { ResetTarget, TopicScope } from '../admin/index.ts'
import { parseDuration } from '../consumer/index.ts'
import { ShoalError, type Clock } from '../core/index.ts'
import { wholeNumber, wholeNumbers } from './flags.ts'
import { parseTime } from './position.ts'

export interface TargetFlags {
  readonly to?: string
  readonly toEarliest?: boolean
  readonly toLatest?: boolean
  readonly toCurrent?: boolean
  readonly toOffset?: string
  readonly shiftBy?: string
  readonly toDatetime?: string
  readonly byDuration?: string
  readonly fromFile?: string
}

/** A target, or whose offsets have to be read first. */
export type ResetSpec =
  | Exclude<ResetTarget, { readonly kind: 'listed' }>
  | { readonly kind: 'group'; readonly groupId: string }
  | { readonly kind: 'file'; readonly path: string }

/** @throws ShoalError SHOAL_INVALID_ARGUMENT when none or several are given, or one cannot be read */
export function resetSpec(flags: TargetFlags, clock: Clock): ResetSpec {
  const given = Object.entries(readers).flatMap(([name, read]) => {
    const value = flags[name as keyof TargetFlags]
    return value === undefined ? [] : [() => read(String(value), clock)]
  })
  const [spec] = given
  if (spec === undefined || given.length > 1)
    throw invalid(`say where to reset to, once: ${TARGET_FLAGS}`)
  return spec()
}

const readers: Readonly<Record<keyof TargetFlags, (value: string, clock: Clock) => ResetSpec>> = {
  to: toSpec,
  toEarliest: () => ({ kind: 'earliest' }),
  toLatest: () => ({ kind: 'latest' }),
  toCurrent: () => ({ kind: 'current' }),
  toOffset: (value) => ({ kind: 'offset', offset: wholeNumber('--to-offset', value, 0) }),
  shiftBy: (value) => ({ kind: 'shift', by: step('--shift-by', value) }),
  toDatetime: (value) => ({ kind: 'time', timestampMs: datetimeMs(value) }),
  byDuration: (value, clock) => ({
    kind: 'time',
    timestampMs: clock.wallMs() - durationMs(value),
  }),
  fromFile: (path) => ({ kind: 'file', path }),
}

const TARGET_FLAGS =
  '--to SPEC, --to-earliest, --to-latest, --to-current, --to-offset, --shift-by, --to-datetime, --by-duration or --from-file'

function toSpec(text: string, clock: Clock): ResetSpec {
  if (text === 'earliest' || text === 'latest' || text === 'current') return { kind: text }
  if (/^\d+$/.test(text)) return { kind: 'offset', offset: wholeNumber('--to', text, 0) }
  if (/^[+-]\d+$/.test(text)) return { kind: 'shift', by: step('--to', text) }
  if (text.startsWith('group:') && text.length > 'group:'.length)
    return { kind: 'group', groupId: text.slice('group:'.length) }
  const timestampMs = parseTime(text, clock)
  if (timestampMs !== null) return { kind: 'time', timestampMs }
  throw invalid(
    `--to ${text}: expected earliest, latest, current, an offset, +N, -N, @2026-11-21T10:00:00Z, @-2h or group:NAME`,
  )
}

function step(flag: string, text: string): number {
  if (/^[+-]?\d+$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text)
  throw invalid(`${flag} ${text}: expected a whole number such as 100 or -100`)
}

/** As Kafka's tool: 'YYYY-MM-DDThh:mm:ss.sss', in UTC unless it names a zone. */
function datetimeMs(text: string): number {
  const [, time, zone = 'Z'] =
    /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?)(Z|[+-]\d{2}:?\d{2})?$/.exec(text) ??
    []
  const timestampMs = time === undefined ? Number.NaN : Date.parse(`${time}${zone}`)
  if (!Number.isNaN(timestampMs)) return timestampMs
  throw invalid(
    `--to-datetime ${text}: expected 2026-11-21T10:00:00.000, which is UTC, or with a zone such as +01:00`,
  )
}

const DAY_MS = 24 * 60 * 60 * 1000

/** As Kafka's tool: PnDTnHnMnS; and as everywhere here: 90m, 2h. */
function durationMs(text: string): number {
  const own = parseDuration(text)
  if (own !== undefined) return own
  const match =
    /^P(?=\d|T\d)(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d{1,3})?)S)?)?$/.exec(text)
  const [, days = 0, hours = 0, minutes = 0, seconds = 0] = match ?? []
  const totalMs =
    Number(days) * DAY_MS +
    Number(hours) * 3_600_000 +
    Number(minutes) * 60_000 +
    Math.round(Number(seconds) * 1000)
  if (match !== null && Number.isSafeInteger(totalMs)) return totalMs
  throw invalid(`--by-duration ${text}: expected a duration such as PT2H, P1DT12H or 90m`)
}

/** `orders` or `orders:0,2`. @throws ShoalError SHOAL_INVALID_ARGUMENT */
export function topicScope(text: string): TopicScope {
  const at = text.lastIndexOf(':')
  if (at < 0 && text !== '') return { topic: text, partitions: null }
  if (at > 0)
    return { topic: text.slice(0, at), partitions: wholeNumbers('--topic', text.slice(at + 1)) }
  throw invalid(`--topic ${text}: expected a topic, or some of its partitions such as orders:0,2`)
}

function invalid(message: string): ShoalError {
  return new ShoalError('SHOAL_INVALID_ARGUMENT', message)
}
