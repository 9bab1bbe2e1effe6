/**
 * What the world has been told, and whether a recovered store still says the same.
 *
 * The ledger notes everything in the order it was appended, batches of all partitions and records of the machine in one
 * list: the store promises that a crash leaves a prefix of it. What was acknowledged or visible must be in that prefix,
 * byte for byte; what was neither may be lost, and then its offsets may be given to something else.
 * After a recovery the ledger goes on with what was found, so that a second crash is judged by the first's outcome.
 */

import type { LogStore, PartitionLog, PartitionLogId } from '../../src/log/index.ts'

export interface BatchNote {
  readonly kind: 'batch'
  readonly partition: number
  readonly baseOffset: number
  readonly nextOffset: number
  /** As they are stored: the log patches the array that it was given. */
  readonly bytes: Uint8Array
  acknowledged: boolean
}

export interface RecordNote {
  readonly kind: 'record'
  readonly text: string
  acknowledged: boolean
}

export interface DeletionNote {
  readonly kind: 'deletion'
  readonly partition: number
  acknowledged: boolean
}

export type Note = BatchNote | RecordNote | DeletionNote

/** What can be seen of a partition from outside. */
interface Seen {
  readonly logStartOffset: number
  readonly highWatermark: number
}

export class Violation extends Error {}

export class Ledger {
  readonly notes: Note[] = []
  /** The live logs: what of them is visible is read at the moment of the crash. */
  readonly #logs = new Map<number, PartitionLog>()
  #seen = new Map<number, Seen>()

  watch(partition: number, log: PartitionLog): void {
    this.#logs.set(partition, log)
  }

  note<Kind extends Note>(note: Kind, flushed: Promise<unknown>): Kind {
    this.notes.push(note)
    flushed.then(
      () => {
        note.acknowledged = true
      },
      () => {},
    )
    return note
  }

  /** Stops watching: from here on nothing is acknowledged and nothing becomes visible. Each call gives a ledger of its own. */
  atCrash(): Ledger {
    const frozen = new Ledger()
    for (const note of this.notes) frozen.notes.push({ ...note })
    frozen.#seen = new Map(this.#seen)
    for (const [partition, { logStartOffset, highWatermark }] of this.#logs)
      frozen.#seen.set(partition, { logStartOffset, highWatermark })
    return frozen
  }

  /**
   * Compares a recovered store with the ledger, then goes on from what was found.
   * @param durable whether acknowledged means durable: false for flush policies that promise only a prefix
   */
  async check(found: Recovered, { durable }: { readonly durable: boolean }): Promise<void> {
    this.#checkPrefix(found, durable)
    for (const [partition, log] of found.logs) {
      const seen = this.#seen.get(partition)
      const deleted = this.#deletionOf(partition)
      if (deleted !== undefined && log.logEndOffset === 0) continue
      if (seen !== undefined && durable) {
        demand(
          log.logStartOffset >= seen.logStartOffset,
          `partition ${partition}: log start went back from ${seen.logStartOffset} to ${log.logStartOffset}`,
        )
        demand(
          log.highWatermark >= seen.highWatermark,
          `partition ${partition}: visible up to ${seen.highWatermark}, now up to ${log.highWatermark}`,
        )
      }
      demand(log.corrupt === null, `partition ${partition} counts as corrupt: ${log.corrupt}`)
      this.#checkContents(partition, log, await readAll(log))
    }
    this.#goOnWith(found)
  }

  #checkPrefix(found: Recovered, durable: boolean): void {
    let firstLost: Note | null = null
    let recordIndex = 0
    for (const note of this.notes) {
      const present = this.#presence(note, found, note.kind === 'record' ? recordIndex++ : 0)
      if (present === false) {
        demand(!durable || !note.acknowledged, `acknowledged and lost: ${describe(note)}`)
        firstLost ??= note
      }
      if (present === true && firstLost !== null)
        demand(false, `${describe(note)} is there, ${describe(firstLost)} before it is not`)
    }
    demand(
      found.records.length <= recordIndex,
      `the machine has ${found.records.length} records, ${recordIndex} were appended`,
    )
  }

  /** Undefined when it cannot be told: retention or a deletion may have taken it. */
  #presence(note: Note, found: Recovered, recordIndex: number): boolean | undefined {
    if (note.kind === 'record') {
      if (recordIndex >= found.records.length) return false
      const text = found.records[recordIndex]
      demand(text === note.text, `machine record ${recordIndex} is ${text}, not ${note.text}`)
      return true
    }
    const log = found.logs.get(note.partition)
    if (note.kind === 'deletion') return log === undefined || log.logEndOffset === 0
    if (this.#deletionOf(note.partition) !== undefined || log === undefined) return undefined
    if (note.nextOffset <= log.logStartOffset) return undefined
    return note.nextOffset <= log.logEndOffset
  }

  #checkContents(partition: number, log: PartitionLog, bytes: Uint8Array): void {
    const expected = this.notes.filter(
      (note): note is BatchNote =>
        note.kind === 'batch' &&
        note.partition === partition &&
        note.nextOffset > log.logStartOffset &&
        note.nextOffset <= log.logEndOffset,
    )
    const whole = Buffer.concat(expected.map((note) => note.bytes))
    demand(
      whole.equals(bytes),
      `partition ${partition}: ${bytes.length} bytes from ${log.logStartOffset} to ${log.logEndOffset} are not the ${whole.length} that were appended`,
    )
  }

  #deletionOf(partition: number): DeletionNote | undefined {
    return this.notes.find(
      (note): note is DeletionNote => note.kind === 'deletion' && note.partition === partition,
    )
  }

  /** What was found is visible now, so it stays for good; a deleted partition has begun anew. */
  #goOnWith(found: Recovered): void {
    // A deletion that is not there explains nothing any more.
    const happened = this.notes.filter(
      (note) => note.kind !== 'deletion' || this.#presence(note, found, 0) === true,
    )
    this.notes.splice(0, this.notes.length, ...happened)
    let recordIndex = 0
    const isNew = (partition: number) =>
      this.#deletionOf(partition) !== undefined && found.logs.get(partition)?.logEndOffset === 0
    const reborn = new Set([...found.logs.keys()].filter(isNew))
    const kept = this.notes.filter((note) => {
      if (note.kind !== 'record' && reborn.has(note.partition)) return false
      const present = this.#presence(note, found, note.kind === 'record' ? recordIndex++ : 0)
      return present !== false
    })
    this.notes.splice(0, this.notes.length, ...kept)
    for (const note of this.notes) note.acknowledged = true
    this.#seen.clear()
    for (const [partition, { logStartOffset, highWatermark }] of found.logs)
      this.#seen.set(partition, { logStartOffset, highWatermark })
  }
}

export interface Recovered {
  readonly store: LogStore
  readonly logs: ReadonlyMap<number, PartitionLog>
  /** The machine's records, in order. */
  readonly records: readonly string[]
}

export async function readAll(log: PartitionLog): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for (let offset = log.logStartOffset; offset < log.highWatermark;) {
    const result = await log.read({ offset, maxBytes: 1_000, atLeastOneBatch: true })
    if (result.kind === 'refused')
      throw new Violation(`${nameOf(log.id)}: reading offset ${offset} is refused: ${result.error}`)
    demand(result.byteLength > 0, `${nameOf(log.id)}: nothing is read at offset ${offset}`)
    for (const chunk of result.chunks) chunks.push(chunk)
    const last = lastOffsetOf(result.chunks)
    demand(last >= offset, `${nameOf(log.id)}: reading offset ${offset} went back to ${last}`)
    offset = last + 1
  }
  return Buffer.concat(chunks)
}

export function demand(holds: boolean, message: string): void {
  if (!holds) throw new Violation(message)
}

/** Of the last of whole batches, however they are cut into chunks. */
function lastOffsetOf(chunks: readonly Uint8Array[]): number {
  const bytes = Buffer.concat(chunks)
  let last = -1
  for (let at = 0; at < bytes.length; at += 12 + bytes.readInt32BE(at + 8)) {
    demand(at + 12 + bytes.readInt32BE(at + 8) <= bytes.length, 'a part of a batch was served')
    last = Number(bytes.readBigInt64BE(at)) + bytes.readInt32BE(at + 23)
  }
  return last
}

function describe(note: Note): string {
  switch (note.kind) {
    case 'batch':
      return `batch ${note.baseOffset} of partition ${note.partition}`
    case 'record':
      return `machine record ${note.text}`
    case 'deletion':
      return `the deletion of partition ${note.partition}`
  }
}

function nameOf({ topicId, partition }: PartitionLogId): string {
  return `${topicId}/${partition}`
}
