/**
 * A group member in Python (confluent-kafka) that a test drives, and the events it tells.
 */

import { join } from 'node:path'
import { Program } from '../real/program.ts'
import { startPython, type PythonKind } from '../real/python.ts'

export interface MemberJob {
  readonly conf: Readonly<Record<string, string | number | boolean>>
  readonly topics: readonly string[]
  readonly commit?: 'each' | 'none'
  readonly workMs?: number
  /** Stop polling after so many records, until told to go on. */
  readonly pauseAfter?: number
}

export interface MemberEvent {
  readonly event: string
  /** Seconds since the epoch. */
  readonly at: number
  readonly partitions?: readonly (readonly [topic: string, partition: number])[]
  readonly offsets?: readonly (readonly [topic: string, partition: number, offset: number])[]
  readonly topic?: string
  readonly partition?: number
  readonly offset?: number
  readonly key?: string | null
  readonly value?: string | null
  readonly error?: string | null
  /** Of `closed`: the TCP connections that the process still had before and after `close()`. */
  readonly connections?: readonly [before: number, after: number]
}

export class Member {
  readonly program: Program
  readonly #events: MemberEvent[] = []
  #parsed = 0

  constructor(kind: PythonKind, job: MemberJob) {
    this.program = startPython(
      kind,
      [join(import.meta.dirname, 'programs/member.py'), JSON.stringify(job)],
      { keepInputOpen: true },
    )
  }

  get events(): readonly MemberEvent[] {
    const end = this.program.stdout.lastIndexOf('\n') + 1
    for (const line of this.program.stdout.slice(this.#parsed, end).split('\n'))
      if (line !== '') this.#events.push(JSON.parse(line) as MemberEvent)
    this.#parsed = Math.max(end, this.#parsed)
    return this.#events
  }

  /** The partition numbers that it owns now, by what it was told. */
  get owned(): readonly number[] {
    const owned = new Set<number>()
    for (const { event, partitions = [] } of this.events)
      for (const [, partition] of partitions)
        if (event === 'assign') owned.add(partition)
        else owned.delete(partition)
    return [...owned].sort((left, right) => left - right)
  }

  get messages(): readonly MemberEvent[] {
    return this.of('message')
  }

  /** The events of one kind, from the `since`-th event on. */
  of(kind: string, since = 0): readonly MemberEvent[] {
    return this.events.slice(since).filter(({ event }) => event === kind)
  }

  /** The partitions that events of one kind named, in order, from the `since`-th event on. */
  told(kind: 'assign' | 'revoke' | 'lost', since = 0): readonly number[] {
    return this.of(kind, since)
      .flatMap(({ partitions = [] }) => partitions.map(([, partition]) => partition))
      .sort((left, right) => left - right)
  }

  /** Resolves once its events are so. */
  async until(holds: (events: readonly MemberEvent[]) => boolean, limitMs?: number): Promise<void> {
    await this.program.until(() => holds(this.events), limitMs)
  }

  /** Resolves once it told something of this kind, and returns the first. */
  async untilTold(kind: string, since = 0): Promise<MemberEvent> {
    await this.until(() => this.of(kind, since).length > 0)
    return this.of(kind, since)[0]!
  }

  /** Resolves once it got so many records. */
  async untilMessages(count: number): Promise<void> {
    await this.until(() => this.messages.length >= count)
  }

  /** Resolves once it owns exactly these partitions. */
  async untilOwns(partitions: readonly number[]): Promise<void> {
    await this.until(() => this.owned.join() === partitions.join())
  }

  /** Resolves once it owns so many partitions. */
  async untilOwnsSome(count: number): Promise<void> {
    await this.until(() => this.owned.length === count)
  }

  tell(command: string): void {
    this.program.write(`${command}\n`)
  }

  /** Leaves the group as `close()` does, and ends. */
  async close(): Promise<void> {
    this.tell('close')
    await this.program.finished()
  }

  /** Ends it like a crash. */
  async crash(): Promise<void> {
    this.program.kill('SIGKILL')
    await this.program.finished()
  }
}
