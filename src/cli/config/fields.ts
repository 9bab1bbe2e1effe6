/**
 * Kinds of settings: what a text in a file or in the environment may say, and what it becomes.
 *
 * Each is a zod type with its kind beside it (`kindOf`), so that texts of the environment can be read as it asks, secrets
 * can be masked and the reference page can name the form. Values are checked here and nowhere else.
 */

import { z } from 'zod'
import { parseDuration } from '../../consumer/index.ts'

/** How a text becomes a value, and how a value is shown. */
export type Kind =
  | 'text'
  | 'secret'
  | 'number'
  | 'flag'
  | 'duration'
  | 'size'
  | 'list'
  | 'choice'
  | 'structure'

/** What a field was declared as; fields that are not from here are structures, for files alone. */
export function kindOf(field: z.core.$ZodType): Kind {
  const known = z.globalRegistry.get(field)?.['x-kind'] as Kind | undefined
  if (known !== undefined) return known
  const { def } = (field as z.core.$ZodTypes)._zod
  return 'innerType' in def ? kindOf(def.innerType) : 'structure'
}

/** The kind stands beside the description, and so in the JSON Schema too. */
function declare<Field extends z.ZodType>(kind: Kind, field: Field): Field {
  return field.meta({ 'x-kind': kind })
}

export function text(): z.ZodString {
  return declare('text', z.string({ error: 'expected a text' }).min(1, 'must not be empty'))
}

/** Shown as `***`; its environment variable has a twin `…_FILE` that names a file. */
export function secret(): z.ZodString {
  return declare('secret', z.string({ error: 'expected a text' }).min(1, 'must not be empty'))
}

export function wholeNumber(least: number, most: number): z.ZodNumber {
  return declare(
    'number',
    z
      .int({ error: ({ input }) => `${shown(input)} is not a whole number` })
      .min(least, { error: ({ input }) => `${shown(input)} is below ${least}` })
      .max(most, { error: ({ input }) => `${shown(input)} is above ${most}` }),
  )
}

export function flag(): z.ZodBoolean {
  return declare(
    'flag',
    z.boolean({ error: ({ input }) => `${shown(input)}: expected true or false` }),
  )
}

export function choice<const Words extends readonly [string, ...string[]]>(words: Words) {
  return declare(
    'choice',
    z.enum(words, { error: ({ input }) => `${shown(input)}: expected ${alternatives(words)}` }),
  )
}

/** Texts; in the environment with commas between them. */
export function list() {
  const entry = z.string().trim().min(1, 'has an empty name in it')
  return declare(
    'list',
    z.preprocess(
      (value) => (typeof value === 'string' ? value.split(',') : value),
      z.array(entry, { error: 'expected names with commas between them' }).min(1, 'names nothing'),
    ),
  )
}

/** `500ms`, `30s`, `5m`, `2h`, `7d`, or a number of milliseconds; becomes milliseconds. */
export function duration({ least = 1 }: { readonly least?: number } = {}) {
  return declare(
    'duration',
    z.union([z.string(), z.number()]).transform((value, context) => {
      const ms = durationMs(value)
      if (ms !== undefined && ms >= least) return ms
      const problem =
        ms === undefined
          ? `${shown(value)}: expected a duration such as 30s, 5m, 7d`
          : `${shown(value)} is below ${least} ms`
      context.addIssue({ code: 'custom', message: problem, input: value })
      return z.NEVER
    }),
  )
}

/** `64MiB`, `512KiB`, `1GiB`, or a number of bytes; becomes bytes. */
export function size({ least = 1 }: { readonly least?: number } = {}) {
  return declare(
    'size',
    z.union([z.string(), z.number()]).transform((value, context) => {
      const bytes = sizeBytes(value)
      if (bytes !== undefined && bytes >= least) return bytes
      const problem =
        bytes === undefined
          ? `${shown(value)}: expected a size such as 64MiB, 512KiB`
          : `${shown(value)} is below ${least} bytes`
      context.addIssue({ code: 'custom', message: problem, input: value })
      return z.NEVER
    }),
  )
}

const DAY_MS = 86_400_000

function durationMs(value: string | number): number | undefined {
  const days = typeof value === 'string' ? /^(\d+(?:\.\d+)?)d$/.exec(value.trim())?.[1] : undefined
  if (days !== undefined) return Number(days) * DAY_MS
  // A bare number in the environment is a text.
  const number = typeof value === 'string' && /^\d+$/.test(value.trim()) ? Number(value) : value
  return parseDuration(number)
}

const UNITS: Readonly<Record<string, number>> = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 }

function sizeBytes(value: string | number): number | undefined {
  if (typeof value === 'number')
    return Number.isSafeInteger(value) && value >= 0 ? value : undefined
  const [, digits, unit = 'B'] = /^(\d+(?:\.\d+)?) ?(B|KiB|MiB|GiB)?$/.exec(value.trim()) ?? []
  const bytes = Number(digits) * (UNITS[unit] ?? Number.NaN)
  return Number.isSafeInteger(bytes) ? bytes : undefined
}

/** A value in a sentence: texts in quotes, and not without end. */
function shown(value: unknown): string {
  if (value === undefined) return 'nothing'
  return (JSON.stringify(value) ?? typeof value).slice(0, 60)
}

function alternatives(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`
}
