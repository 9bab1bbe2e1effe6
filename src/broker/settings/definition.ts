/**
 * What a setting is, for broker and topic settings alike: a type, a default, a range, and whether it changes anything here.
 *
 * Values travel as the text that Kafka's tools send and show; `parseValue` makes them usable and says in a sentence what is
 * wrong with one that is not. Settings of Kafka that mean nothing on a single node are kept, checked and shown, and marked
 * `effect: 'none'`.
 */

export type SettingType = 'boolean' | 'int' | 'long' | 'double' | 'string' | 'list'

export interface SettingDefinition {
  readonly type: SettingType
  readonly default: string
  readonly doc: string
  readonly min?: number
  readonly max?: number
  readonly oneOf?: readonly string[]
  /** `shown`: accepted and described for Kafka's tools, changes nothing on one node. */
  readonly effect: 'full' | 'shown'
}

/** What a definition's values are once parsed. */
export type ValueOf<Type extends SettingType> = Type extends 'boolean'
  ? boolean
  : Type extends 'int' | 'long' | 'double'
    ? number
    : Type extends 'list'
      ? readonly string[]
      : string

export type SettingValue = boolean | number | string | readonly string[]

export type Parsed =
  | { readonly kind: 'value'; readonly value: SettingValue }
  | { readonly kind: 'problem'; readonly problem: string }

const INT_RANGE = { min: -(2n ** 31n), max: 2n ** 31n - 1n } as const
const LONG_RANGE = { min: -(2n ** 63n), max: 2n ** 63n - 1n } as const

export function parseValue(definition: SettingDefinition, text: string): Parsed {
  switch (definition.type) {
    case 'boolean':
      return parseBoolean(text)
    case 'int':
      return parseWhole(definition, text, INT_RANGE)
    case 'long':
      return parseWhole(definition, text, LONG_RANGE)
    case 'double':
      return parseDouble(definition, text)
    case 'string':
      return oneOf(definition, [text.trim()]) ?? { kind: 'value', value: text.trim() }
    case 'list': {
      const items = listItems(text)
      return oneOf(definition, items) ?? { kind: 'value', value: items }
    }
  }
}

/** The items of a list setting: separated by commas, spaces around them dropped. */
export function listItems(text: string): readonly string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

/** The known name that is nearest to a mistyped one, when one is near enough to be meant. */
export function nearestName(name: string, known: Iterable<string>): string | undefined {
  let nearest: string | undefined
  let least = Math.max(2, Math.floor(name.length / 3)) + 1
  for (const candidate of known) {
    if (Math.abs(candidate.length - name.length) >= least) continue
    const distance = editDistance(name, candidate)
    if (distance < least) [nearest, least] = [candidate, distance]
  }
  return nearest
}

function parseBoolean(text: string): Parsed {
  const word = text.trim().toLowerCase()
  if (word === 'true' || word === 'false') return { kind: 'value', value: word === 'true' }
  return problem(`'${shorten(text)}' is neither true nor false`)
}

function parseWhole(
  definition: SettingDefinition,
  text: string,
  range: { readonly min: bigint; readonly max: bigint },
): Parsed {
  const word = text.trim()
  if (!/^[-+]?\d{1,19}$/.test(word)) return problem(`'${shorten(text)}' is not a whole number`)
  const exact = BigInt(word.replace('+', ''))
  if (exact < range.min || exact > range.max)
    return problem(`${word} does not fit in a ${definition.type}`)
  return inRange(definition, Number(exact))
}

function parseDouble(definition: SettingDefinition, text: string): Parsed {
  const value = text.trim() === '' ? Number.NaN : Number(text)
  if (!Number.isFinite(value)) return problem(`'${shorten(text)}' is not a number`)
  return inRange(definition, value)
}

function inRange({ min, max }: SettingDefinition, value: number): Parsed {
  if (min !== undefined && value < min) return problem(`${value} is less than ${min}`)
  if (max !== undefined && value > max) return problem(`${value} is more than ${max}`)
  return { kind: 'value', value }
}

function oneOf(definition: SettingDefinition, items: readonly string[]): Parsed | undefined {
  const { oneOf: allowed } = definition
  if (allowed === undefined) return undefined
  const wrong = items.find((item) => !allowed.includes(item))
  if (wrong !== undefined)
    return problem(`'${shorten(wrong)}' is not one of ${allowed.map((a) => `'${a}'`).join(', ')}`)
  return undefined
}

function problem(sentence: string): Parsed {
  return { kind: 'problem', problem: sentence }
}

function shorten(text: string): string {
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`
}

/** Levenshtein's distance, one row at a time. */
function editDistance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, index) => index)
  for (let i = 0; i < left.length; i++) {
    const next = [i + 1]
    for (let j = 0; j < right.length; j++) {
      const replaced = (row[j] ?? 0) + (left[i] === right[j] ? 0 : 1)
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1))
    }
    row = next
  }
  return row[right.length] ?? 0
}
