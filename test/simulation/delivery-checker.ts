/**
 * What must hold for records that are delivered one by one, seen from outside: what was answered to whom, and the dead letters.
 *
 * - What was acknowledged, and answered so, never comes back; nor does what stands in the dead letters.
 * - The count of a record rises with every delivery, over crashes too.
 * - Whose acknowledgement is taken had the last delivery of the record.
 * - The position passes no record that nobody asked to acknowledge and that is not in the dead letters.
 * - In the end every record is acknowledged or in the dead letters.
 */

interface Last {
  readonly memberId: string
  readonly deliveryCount: number
}

export class DeliveryChecker {
  readonly violations: string[] = []
  readonly counts: Record<string, number> = {}
  recordCount = 0
  readonly #last = new Map<number, Last>()
  /** Somebody wanted it acknowledged. */
  readonly #asked = new Set<number>()
  /** Somebody was told that it is. */
  readonly #done = new Set<number>()
  readonly #letters = new Set<number>()
  /** The broker took an acknowledgement, answered or not; a crash may undo it. */
  #taken = new Set<number>()
  #position = 0

  count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1
  }

  get isDone(): boolean {
    for (let offset = 0; offset < this.recordCount; offset++)
      if (!this.#done.has(offset) && !this.#letters.has(offset) && offset >= this.#position)
        return false
    return true
  }

  delivered(memberId: string, offset: number, deliveryCount: number): void {
    this.count(deliveryCount === 1 ? 'delivered' : 'delivered again')
    if (this.#done.has(offset))
      this.violations.push(`${offset} was acknowledged and comes back to ${memberId}`)
    if (this.#letters.has(offset))
      this.violations.push(`${offset} is in the dead letters and comes back to ${memberId}`)
    const last = this.#last.get(offset)
    if (last !== undefined && deliveryCount <= last.deliveryCount)
      this.violations.push(
        `the count of ${offset} goes from ${last.deliveryCount} to ${deliveryCount}`,
      )
    this.#last.set(offset, { memberId, deliveryCount })
  }

  asked(offset: number): void {
    this.#asked.add(offset)
  }

  /** The broker takes what a member says of a delivery. */
  accepted(memberId: string, offset: number, { deliveryCount }: Omit<Last, 'memberId'>): void {
    this.count('accepted')
    // What is over already is answered as before: it changes nothing.
    if (this.#taken.has(offset) || this.#letters.has(offset)) return
    const last = this.#last.get(offset)
    if (last !== undefined && last.deliveryCount > deliveryCount)
      this.violations.push(
        `${memberId} answered delivery ${deliveryCount} of ${offset}, ${last.memberId} has delivery ${last.deliveryCount}`,
      )
  }

  taken(offset: number): void {
    this.#taken.add(offset)
  }

  done(offset: number): void {
    this.#done.add(offset)
  }

  letterWritten(offset: number): void {
    this.count('letter')
    this.#letters.add(offset)
  }

  /** What is on disk says that the group is at this position. */
  flushed(position: number): void {
    if (position < this.#position)
      this.violations.push(`the position goes from ${this.#position} to ${position}`)
    for (let offset = this.#position; offset < position; offset++)
      if (!this.#asked.has(offset) && !this.#letters.has(offset))
        this.violations.push(`the position ${position} passes ${offset}, which is not done`)
    this.#position = Math.max(this.#position, position)
  }

  restarted(): void {
    this.count('restart')
    this.#taken = new Set(this.#done)
  }

  ended(): void {
    if (!this.isDone) this.violations.push('in the end there are records that are not done')
  }
}
