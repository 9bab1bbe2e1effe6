/** What a caller may have meant: the nearest of some names, by the letters that would have to change. */

/** The one with the fewest changes; undefined when none is near. */
export function nearest(given: string, known: Iterable<string>): string | undefined {
  let best: string | undefined
  let bestDistance = Math.max(2, Math.floor(given.length / 3)) + 1
  for (const name of known) {
    const distance = changes(given, name, bestDistance)
    if (distance < bestDistance) {
      best = name
      bestDistance = distance
    }
  }
  return best
}

/** Letters put in, left out or replaced; `limit` when it is that or more. */
function changes(from: string, to: string, limit: number): number {
  if (Math.abs(from.length - to.length) >= limit) return limit
  let previous = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let row = 1; row <= from.length; row++) {
    const current = [row]
    for (let column = 1; column <= to.length; column++) {
      const replaced = (previous[column - 1] ?? 0) + (from[row - 1] === to[column - 1] ? 0 : 1)
      const changed = Math.min((previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1)
      current.push(Math.min(replaced, changed))
    }
    previous = current
  }
  return Math.min(limit, previous[to.length] ?? limit)
}
