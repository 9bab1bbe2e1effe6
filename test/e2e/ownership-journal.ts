/**
 * Who worked on which partition from when to when, as the members themselves told it, and what that says.
 *
 *   owned from  assigned
 *   owned until revoked (released in good order), lost (it heard that it was fenced), gone (left, or killed)
 *
 * Two members that owned a partition at the same time are a violation, unless the earlier one was fenced: it heard later
 * that it had lost the partition, or, where members tell their generations, the two were never in the same one meanwhile. That
 * a fenced member can do no harm the tests show by its commits, which are refused.
 */

export type Ending = 'revoked' | 'lost' | 'gone'

interface Span {
  readonly member: string
  readonly partition: number
  readonly fromMs: number
  untilMs: number
  ending: Ending | null
}

/** Wall times come from several processes and are cut to milliseconds. */
const CLOCK_GRAIN_MS = 2

export class OwnershipJournal {
  readonly #spans: Span[] = []
  readonly #open = new Map<string, Span>()
  /** By member: its generations, from when on. */
  readonly #generations = new Map<
    string,
    { readonly generation: number; readonly fromMs: number }[]
  >()

  /** How many assignments were written down. */
  get size(): number {
    return this.#spans.length
  }

  /** The member is in this generation from now on; only of groups in which who is not in the present one is out. */
  joined(member: string, generation: number, atMs: number): void {
    const known = this.#generations.get(member) ?? []
    known.push({ generation, fromMs: atMs })
    this.#generations.set(member, known)
  }

  assigned(member: string, partitions: readonly number[], atMs: number): void {
    // What it was given again without giving it up it had all the time; if somebody else had it meanwhile, that shows.
    this.ended(member, partitions, 'revoked', atMs)
    for (const partition of partitions) {
      const span = { member, partition, fromMs: atMs, untilMs: Number.POSITIVE_INFINITY }
      const open: Span = { ...span, ending: null }
      this.#spans.push(open)
      this.#open.set(`${member}/${partition}`, open)
    }
  }

  ended(member: string, partitions: readonly number[], ending: Ending, atMs: number): void {
    for (const partition of partitions) {
      const span = this.#open.get(`${member}/${partition}`)
      if (span === undefined) continue
      this.#open.delete(`${member}/${partition}`)
      span.untilMs = atMs
      span.ending = ending
    }
  }

  /** The member is no more. */
  gone(member: string, atMs: number): void {
    const partitions = [...this.#open.values()]
      .filter((span) => span.member === member)
      .map(({ partition }) => partition)
    this.ended(member, partitions, 'gone', atMs)
  }

  /** Who owns each partition now. */
  owners(): ReadonlyMap<number, readonly string[]> {
    const owners = new Map<number, string[]>()
    for (const { partition, member } of this.#open.values())
      owners.set(partition, [...(owners.get(partition) ?? []), member])
    return owners
  }

  /** Partitions that one and the same member owned all that time. */
  keptThrough(fromMs: number, untilMs: number): readonly number[] {
    return this.#spans
      .filter((span) => span.fromMs <= fromMs && span.untilMs >= untilMs)
      .map(({ partition }) => partition)
  }

  /** When the last change was written down. */
  lastChangeMs(): number {
    return Math.max(
      0,
      ...this.#spans.flatMap(({ fromMs, untilMs }) => [
        fromMs,
        Number.isFinite(untilMs) ? untilMs : 0,
      ]),
    )
  }

  /** Overlaps of two members, as sentences; those of a member that lost its partition are counted apart. */
  overlaps(): { readonly violations: readonly string[]; readonly fenced: number } {
    const violations: string[] = []
    let fenced = 0
    const byPartition = Map.groupBy(this.#spans, ({ partition }) => partition)
    for (const [partition, spans] of byPartition) {
      const inOrder = spans.toSorted((left, right) => left.fromMs - right.fromMs)
      inOrder.forEach((span, index) => {
        for (const earlier of inOrder.slice(0, index)) {
          if (earlier.member === span.member) continue
          if (earlier.untilMs - CLOCK_GRAIN_MS <= span.fromMs) continue
          if (earlier.ending === 'lost' || this.#wereApart(earlier, span)) fenced++
          else
            violations.push(
              `partition ${partition}: ${span.member} from ${span.fromMs}, ${earlier.member} until ${earlier.untilMs} (${earlier.ending})`,
            )
        }
      })
    }
    return { violations, fenced }
  }

  /** Whether the members tell their generations, and had none in common while both owned the partition. */
  #wereApart(earlier: Span, later: Span): boolean {
    const untilMs = Math.min(earlier.untilMs, later.untilMs)
    const one = this.#generationsIn(earlier.member, later.fromMs, untilMs)
    const other = this.#generationsIn(later.member, later.fromMs, untilMs)
    return one.length > 0 && other.length > 0 && !one.some((number) => other.includes(number))
  }

  #generationsIn(member: string, fromMs: number, untilMs: number): readonly number[] {
    const known = this.#generations.get(member) ?? []
    return known
      .filter((one, index) => {
        const endMs = known[index + 1]?.fromMs ?? Number.POSITIVE_INFINITY
        return one.fromMs <= untilMs && endMs > fromMs
      })
      .map(({ generation }) => generation)
  }
}
