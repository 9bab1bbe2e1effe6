/**
 * Offsets in ranges: what holds for many offsets is kept once.
 *
 * A list is sorted, its ranges do not overlap, and neighbours that say the same are one range: memory follows the number of
 * ranges, not of offsets. Lists are values; `assign` makes a new one. Values are flat objects of strings and numbers.
 *
 *   assign 12-13 = b:   [10 ······ a ······ 19]   →   [10 a 11] [12 b 13] [14 a 19]
 */

export interface OffsetRange {
  readonly firstOffset: number
  /** Inclusive, as Kafka's share protocol has it. */
  readonly lastOffset: number
}

export interface ValueRange<V> extends OffsetRange {
  readonly value: V
}

export type RangeList<V> = readonly ValueRange<V>[]

/** Gives all offsets of a range one value, or none (null). */
export function assign<V extends object>(
  list: RangeList<V>,
  { firstOffset, lastOffset }: OffsetRange,
  value: V | null,
): RangeList<V> {
  const begin = indexAt(list, firstOffset)
  const result = list.slice(0, begin)
  let index = begin
  let tail: ValueRange<V> | null = null
  for (; index < list.length; index++) {
    const range = list[index]
    if (range === undefined || range.firstOffset > lastOffset) break
    if (range.firstOffset < firstOffset)
      append(result, { ...range, lastOffset: Math.min(range.lastOffset, firstOffset - 1) })
    if (range.lastOffset > lastOffset) tail = { ...range, firstOffset: lastOffset + 1 }
  }
  if (value !== null) append(result, { firstOffset, lastOffset, value })
  if (tail !== null) append(result, tail)
  const next = list[index]
  if (next === undefined) return result
  append(result, next)
  for (const range of list.slice(index + 1)) result.push(range)
  return result
}

/** The parts of a list that lie in a range, cut to it. */
export function within<V>(list: RangeList<V>, { firstOffset, lastOffset }: OffsetRange) {
  const parts: ValueRange<V>[] = []
  for (let index = indexAt(list, firstOffset); index < list.length; index++) {
    const range = list[index]
    if (range === undefined || range.firstOffset > lastOffset) break
    parts.push({
      firstOffset: Math.max(range.firstOffset, firstOffset),
      lastOffset: Math.min(range.lastOffset, lastOffset),
      value: range.value,
    })
  }
  return parts
}

/** Adds at the end, to the last range if it is a neighbour and says the same. */
export function append<V extends object>(list: ValueRange<V>[], range: ValueRange<V>): void {
  const last = list.at(-1)
  if (last?.lastOffset === range.firstOffset - 1 && isSame(last.value, range.value))
    list[list.length - 1] = { ...last, lastOffset: range.lastOffset }
  else list.push(range)
}

export function countOf({ firstOffset, lastOffset }: OffsetRange): number {
  return lastOffset - firstOffset + 1
}

/** The first range that ends at or after an offset; the length of the list if none does. */
function indexAt<V>(list: RangeList<V>, offset: number): number {
  let low = 0
  let high = list.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const range = list[middle]
    if (range !== undefined && range.lastOffset < offset) low = middle + 1
    else high = middle
  }
  return low
}

function isSame(left: object, right: object): boolean {
  if (left === right) return true
  const fields = Object.entries(left)
  const others: Readonly<Record<string, unknown>> = { ...right }
  return (
    fields.length === Object.keys(others).length &&
    fields.every(([name, value]) => others[name] === value)
  )
}
