/**
 * What the broker has of our positions, and what it should have: pure.
 *
 *   acknowledged ≤ committable      dirty = committable beyond acknowledged; a plan holds every dirty partition
 *
 * A position becomes acknowledged by the broker's answer alone, and only as far as was sent: what finished meanwhile
 * stays dirty. An answer that comes after the partition went is known by its epoch and changes nothing. Within an
 * epoch `acknowledged` never goes back, whatever order answers come in.
 */

import { partitionId } from '../work.ts'
import type { PartitionWork } from '../work.ts'
import type { Assignment, CommitPosition, CommitResult } from '../source.ts'

/** Nothing is remembered beside the position yet. */
const NO_METADATA = ''
/** Not even the start position is known to the group. */
const NOTHING = -1

interface Entry {
  readonly work: PartitionWork
  acknowledged: number
}

/** What a round of answers means. */
export interface CommitSummary {
  readonly committed: readonly CommitPosition[]
  /** Some positions are not stored: send again. */
  readonly retry: boolean
  readonly stale: readonly CommitPosition[]
}

export class CommitLedger {
  readonly #entries = new Map<string, Entry>()
  readonly #committed = new Map<string, number>()

  /** A new partition. A start that the group has not committed is dirty at once: it decides what `latest` meant. */
  track(work: PartitionWork, { committed, startOffset }: Assignment): void {
    const acknowledged = committed?.offset === startOffset ? startOffset : NOTHING
    this.#entries.set(work.id, { work, acknowledged })
  }

  /** The partition is not ours any more: nothing of this epoch is sent again. */
  forget(work: PartitionWork): void {
    if (this.#entries.get(work.id)?.work === work) this.#entries.delete(work.id)
  }

  plan(only?: readonly PartitionWork[]): CommitPosition[] {
    const positions: CommitPosition[] = []
    for (const { work, acknowledged } of this.#entries.values()) {
      const offset = work.tracker.committable()
      if (offset <= acknowledged || (only !== undefined && !only.includes(work))) continue
      const { topic, partition, epoch } = work
      positions.push({ topic, partition, epoch, offset, metadata: NO_METADATA })
    }
    return positions
  }

  answer(sent: readonly CommitPosition[], results: readonly CommitResult[]): CommitSummary {
    const committed: CommitPosition[] = []
    const stale: CommitPosition[] = []
    let retry = false
    for (const position of sent) {
      const outcome = outcomeOf(position, results)
      const entry = this.#entries.get(partitionId(position))
      const current = entry !== undefined && entry.work.epoch === position.epoch
      switch (outcome) {
        case 'committed':
          this.#committed.set(partitionId(position), position.offset)
          if (current) entry.acknowledged = Math.max(entry.acknowledged, position.offset)
          committed.push(position)
          break
        case 'stale':
          if (current) this.#entries.delete(partitionId(position))
          stale.push(position)
          break
        case 'retry':
          retry ||= current
      }
    }
    return { committed, retry, stale }
  }

  /** The last position the broker acknowledged, by `topic/partition`, of every partition this member has held. */
  committed(): Record<string, number> {
    return Object.fromEntries(this.#committed)
  }
}

/** A partition that the answer leaves out is not known to be stored. */
function outcomeOf(
  position: CommitPosition,
  results: readonly CommitResult[],
): CommitResult['outcome'] {
  const result = results.find(
    ({ topic, partition, epoch }) =>
      topic === position.topic && partition === position.partition && epoch === position.epoch,
  )
  return result?.outcome ?? 'retry'
}
