/**
 * A member of a group that does nothing but write down what its source tells it, for the source suite.
 *
 * `until` waits for what it has seen, event by event, with a limit generous enough for a machine ten times slower. Owned
 * with `await using`: a test that fails leaves its group and ends, instead of keeping the process alive.
 */

import assert from 'node:assert/strict'
import type {
  Assignment,
  OwnedPartition,
  Source,
  SourceBatch,
  SourceEvents,
  SourceNotice,
  SourceRecord,
  SourceSession,
} from '../../src/consumer/index.ts'
import { GENEROUS_LIMIT_MS } from '../real/program.ts'

export interface Seen {
  readonly topic: string
  readonly partition: number
  readonly epoch: number
  readonly record: SourceRecord
}

export class RecordingMember implements SourceEvents, AsyncDisposable {
  readonly owned = new Map<string, Assignment>()
  readonly assignments: Assignment[] = []
  readonly batches: SourceBatch[] = []
  readonly seen: Seen[] = []
  readonly revocations: OwnedPartition[] = []
  readonly losses: OwnedPartition[] = []
  readonly ends: { readonly partition: OwnedPartition; readonly offset: number }[] = []
  readonly notices: SourceNotice[] = []
  readonly errors: Error[] = []
  /** What a revoke waits for, after the commit of everything seen when `commitOnRevoke` is set. */
  onRevoked: (partitions: readonly OwnedPartition[]) => Promise<void> = async () => {}
  session!: SourceSession
  #waiting: (() => void)[] = []

  static async join(
    source: Source,
    group: string,
    prepare: (member: RecordingMember) => void = () => {},
  ): Promise<RecordingMember> {
    const member = new RecordingMember()
    prepare(member)
    const delays = source.capabilities.nativeDelay
    member.session = await source.open({ group, events: member, delays, drainTimeoutMs: 20_000 })
    return member
  }

  assigned(assignments: readonly Assignment[]): void {
    for (const assignment of assignments) {
      assert.ok(!this.owned.has(idOf(assignment)), `${idOf(assignment)} was owned already`)
      this.owned.set(idOf(assignment), assignment)
      this.assignments.push(assignment)
    }
    this.#wake()
  }

  async revoked(partitions: readonly OwnedPartition[]): Promise<void> {
    this.revocations.push(...partitions)
    this.#wake()
    await this.onRevoked(partitions)
    this.#forget(partitions)
  }

  lost(partitions: readonly OwnedPartition[]): void {
    this.losses.push(...partitions)
    this.#forget(partitions)
  }

  records(batch: SourceBatch): void {
    assert.equal(
      this.owned.get(idOf(batch))?.epoch,
      batch.epoch,
      `${idOf(batch)} is delivered in an epoch that is not owned`,
    )
    this.batches.push(batch)
    for (const record of batch.records)
      this.seen.push({
        topic: batch.topic,
        partition: batch.partition,
        epoch: batch.epoch,
        record,
      })
    this.#wake()
  }

  endOfPartition(partition: OwnedPartition, offset: number): void {
    this.ends.push({ partition, offset })
    this.#wake()
  }

  notice(notice: SourceNotice): void {
    this.notices.push(notice)
    this.#wake()
  }

  failed(error: Error): void {
    this.errors.push(error)
    this.#wake()
  }

  /** Offsets seen of one partition, in the order of delivery. */
  offsets(topic: string, partition: number): number[] {
    return this.seen
      .filter((seen) => seen.topic === topic && seen.partition === partition)
      .map((seen) => seen.record.offset)
  }

  partitionsOf(topic: string): number[] {
    return [...this.owned.values()]
      .filter((assignment) => assignment.topic === topic)
      .map((assignment) => assignment.partition)
      .sort((a, b) => a - b)
  }

  assignment(topic: string, partition: number): Assignment {
    const assignment = this.owned.get(`${topic}/${partition}`)
    assert.ok(assignment, `${topic}/${partition} is not owned`)
    return assignment
  }

  /** Commits, asking again while the answer is `retry`, and gives the last answer of each partition. */
  async commit(
    positions: Parameters<SourceSession['commit']>[0],
  ): Promise<ReadonlyMap<string, string>> {
    const outcomes = new Map<string, string>()
    let left = positions
    while (left.length > 0) {
      const results = await this.session.commit(left)
      for (const result of results) outcomes.set(idOf(result), result.outcome)
      left = left.filter((position) => outcomes.get(idOf(position)) === 'retry')
      if (left.length > 0) await new Promise((resolve) => setImmediate(resolve))
    }
    return outcomes
  }

  /** Waits until `holds`, looked at after every event. */
  async until(what: string, holds: () => boolean): Promise<void> {
    await waitUntil(what, holds, (wake) => this.onNextEvent(wake))
  }

  /** Calls `wake` once, after the next event. */
  onNextEvent(wake: () => void): void {
    this.#waiting.push(wake)
  }

  /** Leaves the group. A test that failed will not let a revoke go on any more: nothing is waited for. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.onRevoked = async () => {}
    await this.session.close()
  }

  #forget(partitions: readonly OwnedPartition[]): void {
    for (const partition of partitions)
      if (this.owned.get(idOf(partition))?.epoch === partition.epoch)
        this.owned.delete(idOf(partition))
    this.#wake()
  }

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const wake of waiting) wake()
  }
}

/** Waits until `holds`; `subscribe` calls back once, after the next event. */
export async function waitUntil(
  what: string,
  holds: () => boolean,
  subscribe: (wake: () => void) => void,
): Promise<void> {
  const limit = AbortSignal.timeout(GENEROUS_LIMIT_MS)
  while (!holds()) {
    await new Promise<void>((resolve, reject) => {
      const late = () => reject(new Error(`${what}: not within ${GENEROUS_LIMIT_MS} ms`))
      limit.addEventListener('abort', late, { once: true })
      subscribe(() => {
        limit.removeEventListener('abort', late)
        resolve()
      })
      if (limit.aborted) late()
    })
  }
}

export function idOf(partition: { readonly topic: string; readonly partition: number }): string {
  return `${partition.topic}/${partition.partition}`
}
