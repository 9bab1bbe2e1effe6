/**
 * What must hold at every moment of a runtime's life, whatever fails (C1-C15 of the runtime's promises).
 *
 * It knows the truth from outside: every record produced, every execution begun and ended, every position stored, every
 * dead letter written. A violation is kept with what it concerns; the run stops at the first.
 */

import type { MemoryBroker, Report, StoredCommit } from '../../src/consumer/index.ts'
import { readEntry } from '../../src/consumer/parking/parked-record.ts'

export interface Execution {
  readonly member: string
  readonly lane: string
  readonly partition: string
  readonly offset: number
  /** Whether its result may no longer count: the member crashed, or its signal aborted. */
  readonly isOver: () => boolean
}

/** Offsets in order of production, and the first of them that is not done. */
interface Line {
  readonly offsets: number[]
  cursor: number
}

export interface CheckedTopics {
  readonly records: string
  readonly deadLetters: string
  readonly parked: string
}

export class RuntimeChecker {
  readonly violations: string[] = []
  executions = 0
  commits = 0
  readonly #broker: MemoryBroker
  readonly #deadLetters: string
  readonly #topic: string
  readonly #parkedTopic: string
  readonly #partitions = new Map<string, Line>()
  readonly #lanes = new Map<string, Line>()
  readonly #done = new Map<string, Set<number>>()
  readonly #running = new Set<Execution>()
  readonly #stored = new Map<string, number>()
  /** Dead letters read so far. */
  #lettersRead = 0
  /** Records that are durable in a parked topic: they may be committed past, and are not done. */
  readonly #parked = new Map<string, Set<number>>()
  readonly #parkedRead = new Map<number, number>()

  constructor(broker: MemoryBroker, topics: CheckedTopics) {
    this.#broker = broker
    this.#deadLetters = topics.deadLetters
    this.#topic = topics.records
    this.#parkedTopic = topics.parked
  }

  produced(partition: string, offset: number, lane: string): void {
    lineOf(this.#partitions, partition).offsets.push(offset)
    lineOf(this.#lanes, lane).offsets.push(offset)
  }

  began(execution: Execution): void {
    this.executions++
    const { partition, offset, lane, member } = execution
    const first = this.#firstOpen(partition, lineOf(this.#lanes, lane))
    if (first < offset)
      this.#violation(`C3 order: ${partition}/${offset} began before ${first} of its key was done`)
    for (const other of this.#running)
      if (other.lane === lane && !other.isOver())
        this.#violation(
          `C3 overlap: ${member} began ${partition}/${offset} while ${other.member} runs ${other.offset} of its key`,
        )
    this.#running.add(execution)
  }

  /** The handler is through: `completed` when its work is done. */
  ended(execution: Execution, completed: boolean): void {
    this.#running.delete(execution)
    if (completed) this.#doneOf(execution.partition).add(execution.offset)
  }

  committed({ topic, partition, offset, epoch }: StoredCommit): void {
    this.commits++
    const id = `${topic}/${partition}`
    const before = this.#stored.get(id) ?? 0
    if (offset < before)
      this.#violation(`C6 regression: ${id} went from ${before} back to ${offset} (epoch ${epoch})`)
    this.#stored.set(id, offset)
    const first = this.#firstOpen(id, lineOf(this.#partitions, id), partition)
    if (first < offset)
      this.#violation(`C1 unsafe commit: ${id} at ${offset}, but ${first} is not done`)
  }

  /** C4 and C12, from what the member itself says. */
  bounded(
    member: string,
    report: Report,
    limits: { readonly running: number; readonly buffered: number },
  ): void {
    let running = 0
    for (const execution of this.#running)
      if (execution.member === member && !execution.isOver()) running++
    if (running > limits.running)
      this.#violation(`C4: ${member} runs ${running} of ${limits.running} handlers`)
    const buffered = report.delivered - endedOf(report)
    if (buffered > limits.buffered)
      this.#violation(`C12: ${member} holds ${buffered} of ${limits.buffered} records`)
  }

  stopped(member: string, report: Report): void {
    if (report.delivered !== endedOf(report))
      this.#violation(`the report of ${member} does not add up: ${JSON.stringify(report)}`)
  }

  startedInDoubt(member: string): void {
    this.#violation(`C7: ${member} began a handler while its ownership was in doubt`)
  }

  /** C2 and C15: everything is done and committed. */
  converged(): boolean {
    return this.missing().length === 0
  }

  missing(): string[] {
    return [...this.#partitions].flatMap(([partition, line]) => {
      const done = this.#doneOf(partition)
      this.#readLetters()
      const first = line.offsets.find((offset) => !done.has(offset)) ?? Number.POSITIVE_INFINITY
      const committed = this.#stored.get(partition) ?? 0
      const end = this.#endOf(partition)
      return [
        ...(first < Number.POSITIVE_INFINITY ? [`${partition}/${first} is not done`] : []),
        ...(committed < end ? [`${partition}: committed ${committed} of ${end}`] : []),
      ]
    })
  }

  /** @param parkedIn also look at what is parked in this partition. */
  #firstOpen(partition: string, line: Line, parkedIn?: number): number {
    const done = this.#doneOf(partition)
    const parked = setOf(this.#parked, partition)
    for (; line.cursor < line.offsets.length; line.cursor++) {
      const offset = line.offsets[line.cursor]!
      if (done.has(offset)) continue
      this.#readLetters()
      if (done.has(offset)) continue
      if (parkedIn === undefined) return offset
      this.#readParked(parkedIn)
      if (!parked.has(offset)) return offset
    }
    return Number.POSITIVE_INFINITY
  }

  #readLetters(): void {
    const records = this.#broker.records(this.#deadLetters, 0)
    for (; this.#lettersRead < records.length; this.#lettersRead++) {
      const { headers } = records[this.#lettersRead]!
      const text = (name: string) =>
        new TextDecoder().decode(
          headers.find(({ key }) => key === `shoal-dlq-${name}`)?.value ?? undefined,
        )
      this.#doneOf(`${text('origin-topic')}/${text('origin-partition')}`).add(
        Number(text('origin-offset')),
      )
    }
  }

  #readParked(partition: number): void {
    const records = this.#broker.records(this.#parkedTopic, partition)
    const from = this.#parkedRead.get(partition) ?? 0
    this.#parkedRead.set(partition, records.length)
    for (const record of records.slice(from)) {
      const entry = readEntry(record)?.entry
      if (entry?.kind === 'message')
        setOf(this.#parked, `${this.#topic}/${partition}`).add(entry.origin)
    }
  }

  #doneOf(partition: string): Set<number> {
    return setOf(this.#done, partition)
  }

  #endOf(partition: string): number {
    const [topic = '', index] = partition.split('/')
    return this.#broker.log.partition(topic, Number(index)).endOffset
  }

  #violation(words: string): void {
    this.violations.push(words)
  }
}

function setOf(sets: Map<string, Set<number>>, id: string): Set<number> {
  const known = sets.get(id)
  if (known !== undefined) return known
  const set = new Set<number>()
  sets.set(id, set)
  return set
}

function lineOf(lines: Map<string, Line>, id: string): Line {
  const known = lines.get(id)
  if (known !== undefined) return known
  const line = { offsets: [], cursor: 0 }
  lines.set(id, line)
  return line
}

function endedOf(report: Report): number {
  const { handled, deadLettered, skipped, parked, failed, abandoned } = report
  return handled + deadLettered + skipped + parked + failed + abandoned
}
