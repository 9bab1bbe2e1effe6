/**
 * What handlers send with `context.send`, until it is committed in one transaction with the position of its record.
 *
 *   attempt begins ─▶ send, send ─▶ it succeeds ─▶ kept with the record ─▶ the record is done ─▶ in the outbox
 *                                   └ it fails: forgotten                                          │ a commit that says
 *   committed: gone ◀── transaction ◀── planned: all that the commit's metadata says is done ◀─────┘ that it is done
 *   aborted: planned again with the next one. refused by the broker: its dead letter takes its place.
 *
 * A record whose completion does not fit into the metadata keeps its outputs for a later commit, so what is visible and
 * what is done are never two things. Outputs of one partition leave in the order in which their records ended.
 * Invariant: an output is part of exactly one transaction that commits. Pure, but for the order of calls.
 */

import { ShoalError } from '../../core/index.ts'
import type { OutgoingRecord, CommitPosition, CommitResult } from '../source.ts'
import { partitionId } from '../work.ts'
import type { PartitionWork, WorkItem } from '../work.ts'
import { outputRecord, sizeOf } from './output.ts'
import type { Output } from './output.ts'

/** An execution of a handler. */
export interface Sender {
  readonly id: string
  readonly item: WorkItem
  /** Why its result no longer counts; null while it does. */
  readonly cause: unknown
}

export interface OutboxHost {
  /** The dead letter of a record whose output the broker refuses; null: there is no place for it, the consumer stops. */
  refused(item: WorkItem, reason: string): OutgoingRecord | null
}

interface Entry {
  readonly item: WorkItem
  outputs: readonly OutgoingRecord[]
  bytes: number
  /** Its outputs are part of the commit under way. */
  planned: boolean
  /** What there is of it now is its dead letter. */
  isLetter: boolean
}

interface Shelf {
  readonly work: PartitionWork
  entries: Entry[]
}

export class Outbox {
  readonly #host: OutboxHost
  readonly #maxBytes: number
  readonly #open = new Map<Sender, OutgoingRecord[]>()
  /** Of records that succeeded, or have a letter, and are about to be done. */
  readonly #kept = new Map<WorkItem, { readonly outputs: OutgoingRecord[]; isLetter: boolean }>()
  readonly #shelves = new Map<PartitionWork, Shelf>()
  #bytes = 0

  /** @param maxBytes of outputs that wait for their commit, from which no handler starts. */
  constructor(maxBytes: number, host: OutboxHost) {
    this.#maxBytes = maxBytes
    this.#host = host
  }

  get bytes(): number {
    return this.#bytes
  }

  get isFull(): boolean {
    return this.#bytes >= this.#maxBytes
  }

  /** Half of the room is used: commit, there is no reason to wait. */
  get wantsCommit(): boolean {
    return this.#bytes * 2 >= this.#maxBytes
  }

  begin(attempt: Sender): void {
    this.#open.set(attempt, [])
  }

  /** @throws ShoalError SHOAL_CLOSED when the execution has ended; SHOAL_INVALID_ARGUMENT */
  send(attempt: Sender, output: Output): void {
    const outputs = this.#open.get(attempt)
    if (outputs === undefined || attempt.cause !== null)
      throw new ShoalError(
        'SHOAL_CLOSED',
        `${attempt.id}: context.send after the handler ended would be part of another record's transaction; await what sends before you return`,
      )
    outputs.push(outputRecord(output))
  }

  /** An execution ended. */
  settled(attempt: Sender, succeeded: boolean): void {
    const outputs = this.#open.get(attempt)
    this.#open.delete(attempt)
    if (succeeded && outputs !== undefined && outputs.length > 0)
      this.#kept.set(attempt.item, { outputs, isLetter: false })
  }

  /** The record goes to the dead letters, with its position. */
  letter(item: WorkItem, letter: OutgoingRecord): void {
    this.#kept.set(item, { outputs: [letter], isLetter: true })
  }

  /** The record is done: what it sent may be committed. */
  done(item: WorkItem): void {
    const kept = this.#kept.get(item)
    if (kept === undefined) return
    this.#kept.delete(item)
    const bytes = kept.outputs.reduce((sum, output) => sum + sizeOf(output), 0)
    this.#bytes += bytes
    const { partition: work } = item
    let shelf = this.#shelves.get(work)
    if (shelf === undefined) this.#shelves.set(work, (shelf = { work, entries: [] }))
    shelf.entries.push({ item, ...kept, bytes, planned: false })
  }

  /** What joins a commit of which it is known that everything below `end` is done that has ended. */
  plan(work: PartitionWork, end: number): readonly OutgoingRecord[] {
    const outputs: OutgoingRecord[] = []
    for (const entry of this.#shelves.get(work)?.entries ?? []) {
      entry.planned = entry.item.record.offset < end
      if (entry.planned) outputs.push(...entry.outputs)
    }
    return outputs
  }

  /** What became of the positions that were sent, with their outputs. */
  answered(sent: readonly CommitPosition[], results: readonly CommitResult[]): void {
    const outcomes = new Map(results.map((result) => [placeOf(result), result]))
    for (const position of sent) {
      const result = outcomes.get(placeOf(position))
      const shelf = this.#shelfOf(position)
      if (shelf === undefined || result === undefined) continue
      if (result.outcome === 'committed') {
        for (const entry of shelf.entries) if (entry.planned) this.#bytes -= entry.bytes
        shelf.entries = shelf.entries.filter((entry) => !entry.planned)
      } else if (result.outcome === 'refused') this.#replace(shelf, result)
    }
  }

  /** A partition is not ours any more. */
  drop(work: PartitionWork): void {
    for (const entry of this.#shelves.get(work)?.entries ?? []) this.#bytes -= entry.bytes
    this.#shelves.delete(work)
    for (const item of this.#kept.keys()) if (item.partition === work) this.#kept.delete(item)
  }

  /** The record whose output the broker will never take goes to the dead letters in its place. */
  #replace(shelf: Shelf, { refused }: CommitResult): void {
    const entry = shelf.entries.find(({ outputs }) =>
      outputs.some((output) => output === refused?.output),
    )
    if (entry === undefined || refused === undefined) return
    const letter = entry.isLetter ? null : this.#host.refused(entry.item, refused.reason)
    if (letter === null) {
      // Nowhere to go: it stays, uncommitted, and the consumer stops over it.
      if (entry.isLetter) this.#host.refused(entry.item, refused.reason)
      return
    }
    this.#bytes += sizeOf(letter) - entry.bytes
    Object.assign(entry, { outputs: [letter], bytes: sizeOf(letter), isLetter: true })
  }

  #shelfOf(position: CommitPosition): Shelf | undefined {
    for (const shelf of this.#shelves.values())
      if (shelf.work.epoch === position.epoch && shelf.work.id === partitionId(position))
        return shelf
    return undefined
  }
}

/** null where handlers send nothing. */
export function outboxOf(
  { outboxBytes }: { readonly outboxBytes: number | null },
  refused: OutboxHost['refused'],
): Outbox | null {
  return outboxBytes === null ? null : new Outbox(outboxBytes, { refused })
}

function placeOf({
  topic,
  partition,
  epoch,
}: {
  readonly topic: string
  readonly partition: number
  readonly epoch: number
}): string {
  return `${topic}/${partition}/${epoch}`
}
