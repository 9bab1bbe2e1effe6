/**
 * What must hold of handlers and committed positions, whatever the brokers and members did (C1, C2, C3, C6, C15).
 */

export interface SeenExecution {
  readonly member: string
  readonly partition: string
  readonly offset: number
  readonly key: number
  /** Whether it may overlap with another owner's: its process is gone, or was cut off. */
  readonly isOver: () => boolean
}

interface Produced {
  readonly offset: number
  readonly key: number
}

export class TogetherChecker {
  readonly violations: string[] = []
  executions = 0
  readonly #produced = new Map<string, Produced[]>()
  readonly #done = new Map<string, Set<number>>()
  readonly #committed = new Map<string, number>()
  readonly #running = new Set<SeenExecution>()

  get isFine(): boolean {
    return this.violations.length === 0
  }

  /** Everything is done and committed. */
  get isComplete(): boolean {
    return this.missing() === ''
  }

  produced(partition: string, offset: number, key: number): void {
    const records = this.#produced.get(partition) ?? []
    records.push({ offset, key })
    this.#produced.set(partition, records)
  }

  began(execution: SeenExecution): void {
    this.executions++
    const { partition, offset, key, member } = execution
    const earlier = this.#firstOpen(partition, (record) => record.key === key)
    if (earlier < offset)
      this.violation(
        `C3 order: ${member} began ${partition}/${offset} before ${earlier} of its key was done`,
      )
    for (const other of this.#running)
      if (other.partition === partition && other.key === key && !other.isOver())
        this.violation(
          `C3 overlap: ${member} began ${partition}/${offset} while ${other.member} runs ${other.offset}`,
        )
    this.#running.add(execution)
  }

  ended(execution: SeenExecution, completed: boolean): void {
    this.#running.delete(execution)
    if (completed) this.done(execution.partition, execution.offset)
  }

  done(partition: string, offset: number): void {
    const done = this.#done.get(partition) ?? new Set()
    done.add(offset)
    this.#done.set(partition, done)
  }

  committed(partition: string, offset: number): void {
    const before = this.#committed.get(partition) ?? 0
    if (offset < before)
      this.violation(`C6 regression: ${partition} went from ${before} back to ${offset}`)
    this.#committed.set(partition, Math.max(before, offset))
    const first = this.#firstOpen(partition, () => true)
    if (first < offset)
      this.violation(`C1 unsafe commit: ${partition} at ${offset}, but ${first} is not done`)
  }

  missing(): string {
    const words: string[] = []
    for (const [partition, records] of this.#produced) {
      const first = this.#firstOpen(partition, () => true)
      if (first < Number.POSITIVE_INFINITY) words.push(`${partition}/${first} is not done`)
      const end = Math.max(...records.map(({ offset }) => offset)) + 1
      const committed = this.#committed.get(partition) ?? 0
      if (committed < end) words.push(`${partition}: committed ${committed} of ${end}`)
    }
    return words.join(', ')
  }

  violation(words: string): void {
    this.violations.push(words)
  }

  #firstOpen(partition: string, of: (record: Produced) => boolean): number {
    const done = this.#done.get(partition)
    let first = Number.POSITIVE_INFINITY
    for (const record of this.#produced.get(partition) ?? [])
      if (record.offset < first && of(record) && done?.has(record.offset) !== true)
        first = record.offset
    return first
  }
}
