/**
 * A group member in Python (confluent-kafka) that a test drives, and the events it tells.
 */

import { join } from 'node:path'
import { Program } from '../real/program.ts'
import { startPython, type PythonKind } from '../real/python.ts'

export interface MemberJob {
  readonly conf: Readonly<Record<string, string | number | boolean>>
  readonly topics: readonly string[]
  readonly commit?: 'each' | 'each-async' | 'none'
  readonly workMs?: number
  readonly start?: 'paused'
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
}

export class Member implements AsyncDisposable {
  readonly program: Program

  constructor(kind: PythonKind, job: MemberJob) {
    this.program = startPython(
      kind,
      [join(import.meta.dirname, 'programs/member.py'), JSON.stringify(job)],
      { keepInputOpen: true },
    )
  }

  get events(): readonly MemberEvent[] {
    return this.program.stdout
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as MemberEvent)
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
    return this.events.filter(({ event }) => event === 'message')
  }

  /** Resolves once its events are so. */
  async until(holds: (events: readonly MemberEvent[]) => boolean, limitMs?: number): Promise<void> {
    await this.program.until(() => holds(this.events), limitMs)
  }

  /** Resolves once it owns exactly these partitions. */
  async untilOwns(partitions: readonly number[], limitMs?: number): Promise<void> {
    await this.program.until(() => this.owned.join() === partitions.join(), limitMs)
  }

  tell(command: string): void {
    this.program.write(`${command}\n`)
  }

  /** Leaves the group as `close()` does, and ends. */
  async close(): Promise<void> {
    this.tell('close')
    await this.program.finished()
  }

  kill(signal: NodeJS.Signals = 'SIGKILL'): void {
    this.program.kill(signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.program.kill('SIGKILL')
    await this.program.finished()
  }
}
