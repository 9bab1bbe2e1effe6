/**
 * What is known to be damaged in one partition's log, in words for whoever has to repair it.
 *
 * The first damage counts and stays: it is queued as an event, so that the next start knows of it without reading
 * everything. Failures that say nothing about the file (no descriptors left) are not damage.
 * During recovery damage is only suspected: a file that is missing may be one that a later event of the journal deletes.
 */

import type { Logger } from '../core/index.ts'
import { messageOf } from '../core/index.ts'
import type { Segment } from './segment.ts'
import type { ScanDamage } from './segment-scan.ts'

const transientCodes: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN'])

export class LogDamage {
  readonly #logger: Logger
  readonly #record: (damage: string) => void
  #known: string | null
  /** Null once recovery is over. */
  #suspected: { readonly segment: Segment; readonly damage: ScanDamage }[] | null = []

  /** @param record told the first damage, once */
  constructor(known: string | null, logger: Logger, record: (damage: string) => void) {
    this.#known = known
    this.#logger = logger
    this.#record = record
  }

  get known(): string | null {
    return this.#known
  }

  /** What an event of the journal says. */
  restore(known: string | null): void {
    this.#known = known
  }

  /** Recovery is over: what was suspected in segments that are still there is so. */
  confirm(segments: readonly Segment[]): void {
    const suspected = this.#suspected ?? []
    this.#suspected = null
    for (const { segment, damage } of suspected)
      if (segments.includes(segment)) this.inFile(segment, damage)
  }

  inFile(segment: Segment, damage: ScanDamage): void {
    if (this.#suspected !== null) return void this.#suspected.push({ segment, damage })
    const { path } = segment
    const { position, message } = damage
    this.#logger.log('error', 'a segment file is damaged', { path, position, message })
    this.#note(`${path} at position ${position}: ${message}`)
  }

  inRead(segment: Segment, error: unknown): void {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    const { path } = segment
    if (transientCodes.has(code))
      this.#logger.log('warn', 'a segment file could not be read now', { path, code })
    else this.inFile(segment, { position: 0, message: messageOf(error) })
  }

  #note(damage: string): void {
    if (this.#known !== null) return
    this.#known = damage
    this.#record(damage)
  }
}
