/**
 * How much is fetched ahead: about one answer beside the one that is being delivered, whatever the number of partitions.
 *
 *   waits undelivered + under way ≤ one answer      else partitions that are behind wait, those at their end do not
 *
 * More ahead makes nothing faster, and it is dear: an answer that waits for long is moved to the old generation, where
 * only a full collection finds that it is over. A partition that has nothing to deliver is held back for a moment at
 * most: others may be stuck behind slow handlers with what they have.
 */

import type { Timer, Timers } from '../../core/index.ts'
import { isBehind } from './fetch-track.ts'
import type { Track } from './fetch-track.ts'

/** The longest that a partition without records is held back because of what others have. */
const HOLD_MS = 10

export interface RestraintLimits {
  /** Most that one answer carries, and of one partition in it. */
  readonly maxBytes: number
  readonly maxPartitionBytes: number
}

/** Of one broker. */
export class FetchRestraint {
  readonly #limits: RestraintLimits
  readonly #timers: Timers
  readonly #goOn: () => void
  /** Bytes that fetches under way may bring. */
  #expected = 0
  #hold: Timer | null = null
  #isHoldOver = false

  /** @param goOn somebody was held back for long enough: `choose` again */
  constructor(limits: RestraintLimits, timers: Timers, goOn: () => void) {
    this.#limits = limits
    this.#timers = timers
    this.#goOn = goOn
  }

  /**
   * Which of the partitions that are ready to ask for now.
   * @param waitingBytes what has arrived and is not delivered, of all partitions
   */
  choose(ready: readonly Track[], waitingBytes: number): readonly Track[] {
    if (this.#expected + waitingBytes <= this.#limits.maxBytes) return ready
    const isHungry = ready.some((track) => isBehind(track) && isEmpty(track))
    if (isHungry && !this.#isHoldOver)
      this.#hold ??= this.#timers.schedule(HOLD_MS, () => {
        this.#hold = null
        this.#isHoldOver = true
        this.#goOn()
      })
    return ready.filter((track) => !isBehind(track) || (this.#isHoldOver && isEmpty(track)))
  }

  /** They are asked for. Gives what `answered` wants. */
  asked(tracks: readonly Track[]): number {
    const { maxBytes, maxPartitionBytes } = this.#limits
    const bytes = Math.min(maxBytes, tracks.filter(isBehind).length * maxPartitionBytes)
    this.#expected += bytes
    if (bytes > 0) this.close()
    return bytes
  }

  /** A fetch has ended, however it did. */
  answered(expectedBytes: number): void {
    this.#expected -= expectedBytes
  }

  close(): void {
    this.#isHoldOver = false
    this.#hold?.cancel()
    this.#hold = null
  }
}

function isEmpty({ arrived }: Track): boolean {
  return arrived.length === 0
}
