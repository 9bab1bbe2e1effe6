/**
 * Producer ids: each is given once, also across restarts.
 *
 * A block of ids is reserved by one journal record before its first id is given; what a restart finds reserved counts as
 * used. Hard state is how far ids are reserved, soft state which of them were given.
 *
 *   reserved 0..999 ─▶ 0, 1, 2 given ─▶ restart ─▶ reserved 1000..1999 ─▶ 1000 given
 *
 * Not here: epochs and sequences (the partition logs check them) and transactional ids.
 */

import { assertInvariant, ShoalError } from '../core/index.ts'
import type { LogStore, StateMachine } from '../log/index.ts'

const MACHINE = 'producer-ids'
const BLOCK_SIZE = 1_000n

export interface ProducerIdRecord {
  /** All ids below are reserved. */
  readonly reservedBelow: bigint
}

export class ProducerIdTable {
  #reservedBelow = 0n
  #next = 0n

  /** The records that have to be replayed before an id can be taken. */
  handle(): readonly ProducerIdRecord[] {
    return this.#next < this.#reservedBelow
      ? []
      : [{ reservedBelow: this.#reservedBelow + BLOCK_SIZE }]
  }

  /** Makes the block that the record reserves the current one. */
  replay({ reservedBelow }: ProducerIdRecord): void {
    assertInvariant(reservedBelow > this.#reservedBelow, 'reserved producer ids went back')
    this.#next = this.#reservedBelow
    this.#reservedBelow = reservedBelow
  }

  /** Call once after the last replay of a start: what is reserved may have been given. */
  start(): void {
    this.#next = this.#reservedBelow
  }

  take(): bigint {
    assertInvariant(this.#next < this.#reservedBelow, 'a producer id is taken that is not reserved')
    return this.#next++
  }

  *snapshot(): IterableIterator<ProducerIdRecord> {
    if (this.#reservedBelow > 0n) yield { reservedBelow: this.#reservedBelow }
  }
}

/** The table as a machine of the journal. */
export function producerIdMachine(table: ProducerIdTable): StateMachine {
  return {
    name: MACHINE,
    replay: (bytes) => table.replay(decodeRecord(bytes)),
    *snapshot() {
      for (const record of table.snapshot()) yield encodeRecord(record)
    },
  }
}

export class ProducerIdService {
  readonly #table: ProducerIdTable
  readonly #logs: Pick<LogStore, 'appendMetadata' | 'flushed'>

  constructor(table: ProducerIdTable, logs: Pick<LogStore, 'appendMetadata' | 'flushed'>) {
    this.#table = table
    this.#logs = logs
    table.start()
  }

  /** An id that nobody had and nobody will have, once its reservation is flushed. */
  async allocate(): Promise<bigint> {
    const records = this.#table.handle()
    if (records.length > 0) this.#logs.appendMetadata(MACHINE, records.map(encodeRecord))
    for (const record of records) this.#table.replay(record)
    const producerId = this.#table.take()
    await this.#logs.flushed()
    return producerId
  }
}

function encodeRecord({ reservedBelow }: ProducerIdRecord): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ reservedBelow: String(reservedBelow) }))
}

function decodeRecord(bytes: Uint8Array): ProducerIdRecord {
  const text = new TextDecoder().decode(bytes)
  const [, digits] = /^\{"reservedBelow":"(\d{1,19})"\}$/.exec(text) ?? []
  if (digits === undefined)
    throw new ShoalError('SHOAL_STORAGE_CORRUPT', 'a producer id record is not what was written')
  return { reservedBelow: BigInt(digits) }
}
