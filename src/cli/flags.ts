/**
 * Values of flags: numbers and lists of numbers, checked where they are read, with a sentence that names the flag.
 */

import { Option } from 'commander'
import { parseDuration } from '../consumer/index.ts'
import { ShoalError } from '../core/index.ts'

/** @throws ShoalError SHOAL_INVALID_ARGUMENT */
export function wholeNumber(flag: string, text: string, least: number): number {
  const value = text.trim() === '' ? Number.NaN : Number(text)
  if (Number.isSafeInteger(value) && value >= least) return value
  throw new ShoalError(
    'SHOAL_INVALID_ARGUMENT',
    `${flag} ${text}: expected a whole number of at least ${least}`,
  )
}

/** `0,2,5`. @throws ShoalError SHOAL_INVALID_ARGUMENT */
export function wholeNumbers(flag: string, text: string): readonly number[] {
  return text.split(',').map((part) => wholeNumber(flag, part, 0))
}

/** `30s`, in milliseconds. @throws ShoalError SHOAL_INVALID_ARGUMENT */
export function durationFlag(flag: string, text: string): number {
  const durationMs = parseDuration(text)
  if (durationMs !== undefined) return durationMs
  throw new ShoalError(
    'SHOAL_INVALID_ARGUMENT',
    `${flag} ${text}: expected a duration such as 30s or 2m`,
  )
}

/** Collects a flag that may be given more than once. */
export function collect(value: string, previous: readonly string[]): readonly string[] {
  return [...previous, value]
}

/** How a command that stays writes its log. */
export function logFormatOption(): Option {
  return new Option('--log-format <format>', 'how the log on stderr is written')
    .choices(['text', 'json'])
    .default('text')
}
