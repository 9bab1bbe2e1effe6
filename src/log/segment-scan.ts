/**
 * A walk over the batches of a segment file, window by window, every one of them checked.
 *
 * Whatever the file holds, each step answers intact batches only, in order, and says where damage lies before them. The
 * way on behind damage is `findChain`; places to find it by are the entries of the offset index, which has a checksum of
 * its own, and the end of what was written.
 */

import { BATCH_HEADER_BYTES } from '../protocol/index.ts'
import type { RecordBatch } from '../protocol/index.ts'
import { findChain, headerAt, intactAt, LARGEST_BATCH_BYTES } from './batch-scan.ts'
import type { Expected } from './batch-scan.ts'
import type { StoredFile } from './file-store.ts'

export interface ScanStart {
  readonly position: number
  /** Base offset of the batch at `position`, -1 when only its last offset is known. */
  readonly baseOffset: number
  readonly lastOffset?: number
}

export interface ScanSource {
  readonly file: StoredFile
  /** Position and offset after the last batch that is to be there. */
  readonly endPosition: number
  readonly endOffset: number
  readonly leaderEpochAt: (offset: number) => number
  /** The first place behind `position` that is known from elsewhere; null when there is none but the end. */
  readonly nextPlace: (position: number) => Promise<ScanStart | null>
}

export interface ScanStep {
  readonly batches: readonly RecordBatch[]
  /** Where the bytes that the batches lie in begin in the file: a batch is at `origin + batch.position`. */
  readonly origin: number
  /** What is wrong in the file before `batches`; null when nothing is. */
  readonly damage: ScanDamage | null
}

export interface ScanDamage {
  readonly position: number
  readonly message: string
}

/** How much is searched for the way on when no place is known. */
const RESYNC_BYTES = 64 * 1024 * 1024

export class SegmentScan {
  readonly #source: ScanSource
  #next: ScanStart

  constructor(source: ScanSource, start: ScanStart) {
    this.#source = source
    this.#next = start
  }

  /** The batches that begin in the next `windowBytes` (one at least); null at the end. @throws what the file's reads throw. */
  async next(windowBytes: number): Promise<ScanStep | null> {
    const { endPosition } = this.#source
    const { position } = this.#next
    if (position >= endPosition) return null
    const window = await this.#read(position, Math.max(windowBytes, BATCH_HEADER_BYTES))
    const batches = this.#intactIn(window)
    if (batches.length > 0) return { batches, origin: position, damage: null }

    // Nothing intact at the front: a batch larger than the window, or damage.
    const header = headerAt(window, 0, this.#expected())
    if (header !== null && header.byteLength > window.length) {
      const whole = await this.#read(position, header.byteLength)
      const larger = this.#intactIn(whole)
      if (larger.length > 0) return { batches: larger, origin: position, damage: null }
    }
    return this.#passDamage()
  }

  #expected(): Expected {
    return { ...this.#next, leaderEpochAt: this.#source.leaderEpochAt }
  }

  /** Takes intact batches from the front of the window and moves behind them. */
  #intactIn(window: Uint8Array): RecordBatch[] {
    const start = this.#next.position
    const batches: RecordBatch[] = []
    for (let position = 0; position < window.length;) {
      const batch = intactAt(window, position, this.#expected())
      if (batch === null) break
      batches.push(batch)
      position = batch.end
      this.#next = { position: start + position, baseOffset: batch.lastOffset + 1 }
    }
    return batches
  }

  async #passDamage(): Promise<ScanStep> {
    const { endPosition, endOffset, leaderEpochAt } = this.#source
    const from = this.#next
    const known = (await this.#knownBehind(from.position)) ?? {
      position: endPosition,
      baseOffset: endOffset,
    }
    const wanted = Math.min(known.position - from.position, RESYNC_BYTES)
    const region = await this.#read(from.position, wanted)
    const damage = {
      position: from.position,
      message:
        region.length < wanted
          ? `the file ends at ${from.position + region.length}, ${endPosition} bytes were durable`
          : 'the bytes are not those that were written',
    }

    const found = findChain(region, 1, {
      fromOffset: Math.max(0, from.baseOffset),
      toOffset: known.baseOffset,
      leaderEpochAt,
      endOffset: region.length === known.position - from.position ? known.baseOffset : null,
    })
    if (found === null) {
      this.#next = known
      return { batches: [], origin: known.position, damage }
    }
    const position = from.position + found.position
    this.#next = { position, baseOffset: found.baseOffset }
    const batches = this.#intactIn(region.subarray(found.position))
    return { batches, origin: position, damage }
  }

  /** The next known place whose batch has a header that says what is known: its offsets are right, then. */
  async #knownBehind(position: number): Promise<ScanStart | null> {
    const { nextPlace, leaderEpochAt } = this.#source
    let place = await nextPlace(position)
    while (place !== null) {
      const header = await this.#read(place.position, BATCH_HEADER_BYTES)
      const batch = headerAt(header, 0, { ...place, leaderEpochAt })
      if (batch !== null) return { position: place.position, baseOffset: batch.baseOffset }
      place = await nextPlace(place.position)
    }
    return null
  }

  /** Reads what is there, at most `bytes` and not beyond the end. */
  async #read(position: number, bytes: number): Promise<Uint8Array> {
    const { file, endPosition } = this.#source
    const target = Buffer.allocUnsafeSlow(
      Math.min(bytes, endPosition - position, LARGEST_BATCH_BYTES),
    )
    const count = await file.read(position, target)
    return target.subarray(0, count)
  }
}
