/**
 * Bytes that have arrived by all connections and are not answered, and who may read on when they are too many.
 *
 *   reading ──limit reached──▶ full: nobody reads, but the elected one ──three quarters of the limit──▶ reading
 *
 * When full, one of the connections that wait with half a request is elected and may read the rest. Without it, half
 * requests could fill the limit and wait for each other for ever; with it the limit is passed by about one request. The
 * next is elected when that request was handled, or when the connection is gone (a request that does not come is timed
 * out by the connection).
 */

export interface BudgetMember {
  /** Whether a part of a request has arrived. */
  readonly hasPartial: boolean
  /** `mayRead` may answer otherwise now. */
  budgetChanged(): void
}

export class InFlightBudget {
  readonly #maxBytes: number
  #bytes = 0
  #full = false
  readonly #members = new Set<BudgetMember>()
  /** Members with half a request that would read if they might, longest first. */
  readonly #waiting = new Set<BudgetMember>()
  #elected: BudgetMember | null = null

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get bytes(): number {
    return this.#bytes
  }

  join(member: BudgetMember): void {
    this.#members.add(member)
  }

  leave(member: BudgetMember): void {
    this.#members.delete(member)
    this.#waiting.delete(member)
    if (this.#elected === member) this.#elect()
  }

  /** Bytes arrived. */
  add(bytes: number): void {
    this.#bytes += bytes
    if (this.#full || this.#bytes < this.#maxBytes) return
    this.#full = true
    for (const member of this.#members) member.budgetChanged()
  }

  /** Bytes were handled, or dropped with their connection. */
  release(bytes: number): void {
    this.#bytes -= bytes
    if (!this.#full || this.#bytes > this.#maxBytes * 0.75) return
    this.#full = false
    this.#elected = null
    this.#waiting.clear()
    for (const member of this.#members) member.budgetChanged()
  }

  /** Whether the member may read; it is told when that changes. */
  mayRead(member: BudgetMember): boolean {
    if (!this.#full) return true
    if (!member.hasPartial) {
      this.#waiting.delete(member)
      return false
    }
    if (this.#elected !== member) this.#waiting.add(member)
    if (this.#elected === null) this.#elect()
    return this.#elected === member
  }

  /** A request of this member was handled: if it is the elected one, the next has its turn. */
  handled(member: BudgetMember): void {
    if (this.#elected === member && !member.hasPartial) this.#elect()
  }

  #elect(): void {
    const { value: longest } = this.#waiting.values().next()
    this.#elected = longest ?? null
    if (longest === undefined) return
    this.#waiting.delete(longest)
    longest.budgetChanged()
  }
}
