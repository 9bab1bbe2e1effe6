/**
 * Dead letters of what a group gave up: written to `<topic>-dlq`, and only then is the record done.
 *
 *   archiving ─▶ read the record ─▶ (one turn: append the letter · journal `archived`) ─▶ one flush has both
 *
 * Both go to the journal in one turn and so, as a rule, in one frame of it; a crash that tears them apart leaves the letter
 * without the end of the record, never the other way round, and the letter's id tells a second one. A letter that cannot be
 * written (a full disk, a topic that cannot be made) is tried again; until then its record holds the committed offset.
 * After a restart `dueDeadLetters` has what a crash left.
 */

import type { Logger, Timer, Timers } from '../../core/index.ts'
import { deadLetterHeaders, messageOf } from '../../core/index.ts'
import {
  deadLettersWritten,
  type DueDeadLetters,
  dueDeadLetters,
  failureAt,
  moveLogStart,
  type OffsetRange,
} from '../../group/index.ts'
import type { PartitionLog } from '../../log/index.ts'
import {
  encodeRecordBatch,
  type KafkaRecord,
  partitionForKey,
  type RecordBatch,
  type RecordInput,
} from '../../protocol/index.ts'
import type { TopicService } from '../topics/topic-service.ts'
import type { Topic } from '../topics/topic-table.ts'
import type { PartitionSlot } from './partition-slot.ts'
import { readLog, recordsOf } from './read-log.ts'

export const DEAD_LETTER_SUFFIX = '-dlq'

export function deadLetterTopicOf(topic: string): string {
  return topic + DEAD_LETTER_SUFFIX
}

/** Wait before a letter that could not be written is tried again. */
const RETRY_MS = 1_000
/** How much is read, and so kept in memory, for one round of letters. */
const READ_BYTES = 1_048_576
/** Whatever a topic took fits into its dead letters, decompressed and with headers. */
const MAX_LETTER_BYTES = '2147483647'

export interface DeadLetterWorld {
  readonly topics: TopicService
  readonly timers: Timers
  readonly logger: Logger
  wallMs(): number
  fail(error: Error): void
}

interface Letter {
  readonly range: OffsetRange
  readonly partition: number
  readonly record: RecordInput
}

export class DeadLetterWriter {
  readonly #world: DeadLetterWorld
  readonly #busy = new Set<PartitionSlot>()
  readonly #retries = new Map<PartitionSlot, Timer>()
  #isClosed = false

  constructor(world: DeadLetterWorld) {
    this.#world = world
  }

  /** Writes what is due, once at a time for each share-partition. */
  due(slot: PartitionSlot): void {
    if (this.#isClosed || this.#busy.has(slot) || this.#retries.has(slot)) return
    this.#writeAll(slot).catch((error: unknown) => {
      // Logs that close under it leave the letter to the next start.
      if (!this.#isClosed) this.#world.fail(asError(error))
    })
  }

  close(): void {
    this.#isClosed = true
    for (const timer of this.#retries.values()) timer.cancel()
    this.#retries.clear()
  }

  async #writeAll(slot: PartitionSlot): Promise<void> {
    this.#busy.add(slot)
    try {
      for (;;) {
        // Whoever gives up several records in one turn is written in one round.
        await new Promise<void>((resolve) => this.#world.timers.soon(resolve))
        const { state } = slot
        const [due] = state === null ? [] : dueDeadLetters(state.partition)
        if (due === undefined || this.#isClosed) return
        const problem = await this.#write(slot, due)
        if (problem !== null) return this.#retryLater(slot, due, problem)
      }
    } finally {
      this.#busy.delete(slot)
    }
  }

  /** A sentence when it cannot be done now. */
  async #write(slot: PartitionSlot, due: DueDeadLetters): Promise<string | null> {
    const { topics } = this.#world
    const origin = topics.table.byId(slot.id.topicId)
    const log = origin === undefined ? null : await topics.log(origin, slot.id.partition)
    // Its state ends with the topic.
    if (origin === undefined || log === null) return null
    if (log.logStartOffset > due.firstOffset) {
      slot.decide((state) => moveLogStart(state, log.logStartOffset))
      return null
    }
    const read = await readLog(log, due.firstOffset, READ_BYTES)
    if (read === 'KAFKA_STORAGE_ERROR') return 'the record cannot be read'
    const target = this.#deadLetterTopic(origin)
    if (typeof target === 'string') return target
    const lastOffset = Math.min(due.lastOffset, (read?.read.toOffset ?? Infinity) - 1)
    const letters = (read?.batches ?? []).flatMap((batch) =>
      this.#lettersOf(slot, { origin, due, batch }),
    )
    const logs = new Map<number, PartitionLog>()
    const placed = letters.map((letter) => ({
      ...letter,
      partition: partitionOf(letter.record, slot.id.partition, target),
    }))
    for (const { partition } of placed) {
      const opened = await topics.log(target, partition)
      if (opened === null) return `${target.name} has gone`
      logs.set(partition, opened)
    }
    if (this.#isClosed) return null
    return append(slot, { firstOffset: due.firstOffset, lastOffset }, placed, logs)
  }

  #deadLetterTopic(origin: Topic): Topic | string {
    const { topics } = this.#world
    const name = deadLetterTopicOf(origin.name)
    const known = topics.table.byName(name)
    if (known !== undefined) return known
    const { errorMessage, topic } = topics.create(
      {
        name,
        partitionCount: -1,
        replicationFactor: -1,
        assignments: [],
        configs: [{ name: 'max.message.bytes', value: MAX_LETTER_BYTES }],
      },
      false,
    )
    return topic ?? `${name} cannot be made: ${errorMessage ?? 'refused'}`
  }

  /** Of the records of one batch that are due; one for all where its inside cannot be read. */
  #lettersOf(
    slot: PartitionSlot,
    { origin, due, batch }: { origin: Topic; due: DueDeadLetters; batch: RecordBatch },
  ): Omit<Letter, 'partition'>[] {
    const firstOffset = Math.max(due.firstOffset, batch.baseOffset)
    const lastOffset = Math.min(due.lastOffset, batch.lastOffset)
    if (firstOffset > lastOffset) return []
    const records = recordsOf(batch)
    if (records !== null)
      return records
        .filter(({ offset }) => firstOffset <= offset && offset <= lastOffset)
        .map((record) => ({
          range: { firstOffset: record.offset, lastOffset: record.offset },
          record: this.#letterOf(slot, origin, due, record),
        }))
    const timestampMs = batch.maxTimestamp
    const unreadable = { offset: firstOffset, timestampMs, key: null, value: null, headers: [] }
    const record = this.#letterOf(slot, origin, due, unreadable)
    return [{ range: { firstOffset, lastOffset }, record }]
  }

  #letterOf(
    slot: PartitionSlot,
    origin: Topic,
    due: DueDeadLetters,
    record: KafkaRecord,
  ): RecordInput {
    const nowMs = this.#world.wallMs()
    const { state } = slot
    const failure = state && failureAt(state.partition, record.offset)
    const headers = deadLetterHeaders(
      record.headers,
      {
        topic: origin.name,
        partition: slot.id.partition,
        offset: record.offset,
        timestampMs: record.timestampMs,
      },
      {
        group: slot.id.groupId,
        reason: due.reason,
        error: failure?.error ?? UNTOLD[due.reason],
        attempts: due.deliveryCount,
        firstFailureMs: failure?.firstMs ?? nowMs,
        lastFailureMs: failure?.lastMs ?? nowMs,
      },
    )
    return { timestampMs: nowMs, key: record.key, value: record.value, headers }
  }

  #retryLater(slot: PartitionSlot, due: OffsetRange, problem: string): void {
    const { timers, logger } = this.#world
    const { groupId, topicId, partition } = slot.id
    const what = { groupId, topicId, partition, offset: due.firstOffset, problem }
    logger.log('warn', 'a dead letter could not be written and is tried again', what)
    const timer = timers.schedule(RETRY_MS, () => {
      this.#retries.delete(slot)
      this.due(slot)
    })
    this.#retries.set(slot, timer)
  }
}

/** In one turn: every letter of what is still due, and the end of its record. */
function append(
  slot: PartitionSlot,
  due: OffsetRange,
  letters: readonly Letter[],
  logs: ReadonlyMap<number, PartitionLog>,
): string | null {
  const { state } = slot
  const still = state === null ? [] : dueDeadLetters(state.partition)
  const isDue = ({ firstOffset, lastOffset }: OffsetRange) =>
    still.some((range) => range.firstOffset <= firstOffset && lastOffset <= range.lastOffset)
  const isStillDue = isDue({ firstOffset: due.firstOffset, lastOffset: due.firstOffset })
  // A commit or a reset ended it meanwhile.
  if (!isStillDue) return null
  const written: OffsetRange[] = []
  let problem: string | null = null
  for (const { range, partition, record } of letters) {
    if (!isDue(range)) continue
    const result = logs.get(partition)?.append(encodeRecordBatch([record]))
    if (result?.kind !== 'appended') {
      problem = result?.message ?? 'its partition has gone'
      break
    }
    // The store tells of a failed flush itself.
    result.flushed.catch(() => {})
    written.push(range)
  }
  // No such records in the log (compacted): nothing to keep.
  const missing = letters.length === 0 ? [due] : gaps(due, letters)
  const done = problem === null ? [...written, ...missing] : written
  if (done.length > 0)
    slot.decide((current, nowMs) => deadLettersWritten(current, sorted(done), nowMs))
  return problem
}

/** What lies between the letters of one read and was in no batch. */
function gaps(due: OffsetRange, letters: readonly Letter[]): OffsetRange[] {
  const result: OffsetRange[] = []
  let next = due.firstOffset
  for (const { range } of letters) {
    if (range.firstOffset > next)
      result.push({ firstOffset: next, lastOffset: range.firstOffset - 1 })
    next = range.lastOffset + 1
  }
  return result
}

function sorted(ranges: readonly OffsetRange[]): readonly OffsetRange[] {
  return [...ranges].sort((left, right) => left.firstOffset - right.firstOffset)
}

/** Letters of one key stay together; those without stay apart as their records were. */
function partitionOf({ key }: RecordInput, origin: number, { partitionCount }: Topic): number {
  return key === null || key === undefined
    ? origin % partitionCount
    : partitionForKey(key, partitionCount, 'murmur2')
}

const UNTOLD = {
  rejected: 'rejected without a word',
  'delivery-limit': 'not acknowledged in its last delivery',
} as const

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(messageOf(error))
}
