/**
 * How many records that may have killed a process run at once, where the broker counts deliveries. Pure.
 *
 *   deliveries that did not end    0, 1     2      3     4 and more
 *   at once, over a whole member    all     64     8     1
 *
 * A process that dies raises the count of all that it had, and nearly all of that never started. So a culprit is found in few
 * deaths: it drags its prefetch along twice, 63 others once, seven once more; from then on it is alone.
 * Invariants: of suspects in hand there are never more than the most suspicious of them allows; a record was alone in the last
 * delivery that `maxDeliveries` leaves it (with few of them the grades begin earlier); what was never delivered is no suspect.
 */

const AT_ONCE = [Infinity, Infinity, 64, 8, 1]

/** How many at once, by deliveries that did not end; the last one is for more, too. */
export type Grades = readonly number[]

/** Suspects that were handed out and did not end. */
export interface Hand {
  readonly count: number
  /** There may be so many of them. */
  readonly most: number
}

export function gradesFor(maxDeliveries = Infinity): Grades {
  const skipped = Math.max(0, AT_ONCE.length - maxDeliveries)
  return AT_ONCE.map((_, deliveries) =>
    deliveries === 0 ? Infinity : atOnce(deliveries + skipped, AT_ONCE),
  )
}

/** Infinity: it is no suspect. */
export function atOnce(deliveries: number, grades: Grades): number {
  return grades[Math.min(deliveries, grades.length - 1)] ?? 1
}

/** Deliveries from which a record is a suspect. */
export function suspectFrom(grades: Grades): number {
  return grades.findIndex((most) => most !== Infinity)
}

/** @param deliveries of all that is in hand, suspects or not */
export function handOf(deliveries: Iterable<number>, grades: Grades): Hand {
  let count = 0
  let most = Infinity
  for (const each of deliveries) {
    const limit = atOnce(each, grades)
    if (limit === Infinity) continue
    count++
    most = Math.min(most, limit)
  }
  return { count, most }
}

/** How many of those that wait, in their order, may be handed out beside what is in hand. */
export function admitted(waiting: readonly number[], hand: Hand, grades: Grades): number {
  let { count, most } = hand
  const held = waiting.findIndex((deliveries) => {
    const limit = atOnce(deliveries, grades)
    if (limit === Infinity) return false
    most = Math.min(most, limit)
    return ++count > most
  })
  return held === -1 ? waiting.length : held
}
