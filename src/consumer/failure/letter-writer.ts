/**
 * Writes what has to be written before a record counts as done, dead letters and parked records, and tells of each
 * write, done or not.
 *
 * A letter goes to another topic than its record came from, or nowhere: a consumer of dead letters whose own dead
 * letters went to the same topic would turn in a circle for ever.
 */

import { ShoalError, messageOf, originId } from '../../core/index.ts'
import { deadLetterOf, originOf } from './dead-letter.ts'
import { backoffMs } from './decide.ts'
import type { EngineParts } from '../engine-parts.ts'
import type { Settings } from '../resolve-options.ts'
import type { DeliveredRecord, OutgoingRecord, SourceSession } from '../source.ts'
import { telemetry } from '../telemetry.ts'
import type { Outbox } from '../transaction/outbox.ts'
import { attemptsOf } from '../work.ts'
import type { Letter, WorkItem } from '../work.ts'

/** Where letters go; null before the source is open. */
export interface LetterHost {
  readonly session: SourceSession | null
  /** Exactly once: letters are part of the transaction that commits their record. */
  readonly outbox: Outbox | null
  produce(record: OutgoingRecord): Promise<void>
}

/** What is said of a record that follows one that is parked, or is put off again. */
export const DIVERTED = { kind: 'park', reason: 'parked', error: '', afterMs: 0 } as const

const RETRY = { kind: 'exponential', base: 200, max: 30_000, jitter: 'full' } as const

/** How long a letter waits that could not be written. `chance`: a random number from 0 to 1. */
export function letterBackoffMs(failures: number, chance: number): number {
  return backoffMs(RETRY, failures, undefined, chance)
}

const WORDS = { 'dead-letter': 'a dead letter', park: 'a parked record' } as const

export class LetterWriter {
  readonly #settings: Settings
  readonly #parts: EngineParts
  readonly #host: LetterHost

  constructor(settings: Settings, parts: EngineParts, host: LetterHost) {
    this.#settings = settings
    this.#parts = parts
    this.#host = host
  }

  /** Where a dead letter goes. @throws ShoalError SHOAL_INVALID_ARGUMENT when there is no topic that the letter may go to. */
  topicFor(item: WorkItem): string {
    const from = item.partition.topic
    const { deadLetterTopic } = this.#settings
    if (deadLetterTopic === null)
      throw new ShoalError('SHOAL_INVALID_ARGUMENT', item.letter?.error ?? 'no deadLetter topic')
    const topic = deadLetterTopic(from)
    if (typeof topic !== 'string' || topic === '' || topic === from)
      throw new ShoalError(
        'SHOAL_INVALID_ARGUMENT',
        `deadLetter: records of ${from} cannot go to '${topic}'`,
      )
    return topic
  }

  /** True when the broker has it. Never rejects. @param topic of a dead letter. */
  async write(item: WorkItem, letter: Letter, topic: string): Promise<boolean> {
    const { clock } = this.#settings
    const startedMs = clock.monotonicMs()
    try {
      if (letter.kind === 'park') await this.#park(item, letter)
      else
        await this.#parts.writeLetter(this.#deadLetter(item, letter, topic), (record) =>
          this.#send(item, record),
        )
    } catch (error) {
      letter.failures++
      this.#tell(item, letter, topic, error)
      return false
    }
    this.#tell(item, letter, topic, null, clock.monotonicMs() - startedMs)
    return true
  }

  /** In one step with the end of its record, where the broker can; a parked record ends in its own log. */
  async #send(item: WorkItem, letter: OutgoingRecord): Promise<void> {
    const { session, outbox } = this.#host
    if (outbox !== null) return outbox.letter(item, letter)
    if (item.parked !== null || session?.deadLetter === undefined) return this.#host.produce(letter)
    refuseStale(item, await session.deadLetter(letter, placeOf(item)))
  }

  /** In a topic of ours, or at the broker where it hands records out again by itself. */
  async #park(item: WorkItem, letter: Letter): Promise<void> {
    const { parking } = item.partition
    if (parking !== null) return parking.append(item, letter)
    const attempts = item.record.retried === undefined ? 0 : item.attempts
    const { firstFailureMs } = item
    const { session } = this.#host
    const outcome = session?.delay?.(placeOf(item), letter.afterMs, { attempts, firstFailureMs })
    refuseStale(item, (await outcome) ?? 'stale')
  }

  #deadLetter(item: WorkItem, letter: Letter, topic: string): OutgoingRecord {
    return deadLetterOf(item, {
      group: this.#settings.group,
      topic,
      reason: letter.reason,
      error: letter.error,
      attempts: attemptsOf(item),
      firstFailureMs: item.firstFailureMs,
      lastFailureMs: letter.failedMs,
    })
  }

  #tell(item: WorkItem, letter: Letter, topic: string, error: unknown, durationMs?: number): void {
    const { group, logger } = this.#settings
    const id = originId(originOf(item))
    const facts = { group, id, topic, reason: letter.reason }
    if (letter.kind === 'park' && error === null) return
    if (error === null) logger.log('warn', 'a record went to the dead letters', facts)
    else
      logger.log('error', `${WORDS[letter.kind]} was not written, its key waits`, {
        ...facts,
        error: messageOf(error),
        failures: letter.failures,
      })
    if (letter.kind === 'dead-letter' && telemetry.deadLetter.hasSubscribers)
      telemetry.deadLetter.publish({
        ...facts,
        kind: error === null ? 'written' : 'failed',
        error,
        durationMs,
      })
  }
}

function placeOf({ record, partition }: WorkItem): DeliveredRecord {
  const { topic, partition: index, epoch } = partition
  return { topic, partition: index, epoch, record }
}

function refuseStale({ partition }: WorkItem, outcome: 'done' | 'stale'): void {
  if (outcome === 'stale')
    throw new ShoalError('SHOAL_MEMBER_FENCED', `${partition.id} is not this member's any more`)
}
