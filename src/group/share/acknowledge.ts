/**
 * What a member says of the records it holds. Whole or not at all: one range that is refused refuses them all, as in Kafka.
 *
 *   1 accept   acknowledged           3 reject   given up          0 gap   archived, there was no such record
 *   2 release  available again, later if there is a backoff; given up after the last attempt
 *   4 renew    the lock begins anew; not a new delivery
 *
 * Ranges come in order of their offsets. Below the start offset they are ignored: those records are done, or gone from the
 * log. INVALID_RECORD_STATE: not held by this member (its lock ended, another has it, it is done, the same offset twice).
 * INVALID_REQUEST: what no client says by being late.
 */

import { releaseDelayMs } from './limits.ts'
import { isLockOf } from './holds.ts'
import type { OffsetRange } from './ranges.ts'
import { type ShareDecision, type ShareState, ShareTurn } from './turn.ts'

/** By their numbers in ShareFetch and ShareAcknowledge. */
export const AcknowledgeType = { Gap: 0, Accept: 1, Release: 2, Reject: 3, Renew: 4 } as const

export interface AcknowledgementBatch extends OffsetRange {
  /** One for the whole range, or one for each offset. */
  readonly acknowledgeTypes: ArrayLike<number>
  /** How long what is released stays away, or a renewed lock lasts, instead of what holds for the group. */
  readonly durationMs?: number
  /** What failed, where something did (a release or a rejection): in words, and wall time in milliseconds. */
  readonly failure?: { readonly error: string; readonly atMs: number }
  /** Of the delivery that is meant (HTTP handles say it): one that ended is not taken for the next of the same member. */
  readonly deliveryCount?: number
}

export interface AcknowledgeRequest {
  readonly memberId: string
  readonly batches: readonly AcknowledgementBatch[]
  readonly nowMs: number
}

export type AcknowledgeResponse =
  | { readonly errorCode: 'NONE' }
  | {
      readonly errorCode: 'INVALID_RECORD_STATE' | 'INVALID_REQUEST'
      readonly errorMessage: string
    }

export function acknowledgeRecords(
  state: ShareState,
  request: AcknowledgeRequest,
): ShareDecision<AcknowledgeResponse> {
  const { memberId, batches, nowMs } = request
  const turn = new ShareTurn(state, nowMs)
  const problem = formProblem(batches) ?? stateProblem(turn, memberId, batches)
  // A refused request changes nothing, not even what the clock ended before it: the next deadline will.
  if (problem !== null) return { response: problem, records: [], holds: state.holds }

  const { startOffset } = turn.partition
  for (const batch of batches)
    for (const { firstOffset, lastOffset, type } of runs(batch)) {
      const range = { firstOffset: Math.max(firstOffset, startOffset), lastOffset }
      if (range.firstOffset > lastOffset) continue
      if (batch.failure !== undefined) turn.fail({ ...range, ...batch.failure })
      settle(turn, memberId, range, type, batch.durationMs)
    }
  return turn.decision({ errorCode: 'NONE' })
}

function settle(
  turn: ShareTurn,
  memberId: string,
  range: OffsetRange,
  type: number,
  durationMs: number | undefined,
): void {
  switch (type) {
    case AcknowledgeType.Gap:
      return turn.deliver(range, { state: 'archived' })
    case AcknowledgeType.Accept:
      return turn.deliver(range, { state: 'acknowledged' })
    case AcknowledgeType.Release:
      return turn.giveBack(
        range,
        (count) => durationMs ?? releaseDelayMs(turn.config.releaseBackoff, count),
      )
    case AcknowledgeType.Reject:
      for (const segment of turn.segments(range)) turn.giveUp(segment, 'rejected')
      return
    default:
      return turn.hold(range, turn.lockFor(memberId, durationMs))
  }
}

/** What is wrong with a request whatever the state. */
function formProblem(batches: readonly AcknowledgementBatch[]): AcknowledgeResponse | null {
  let previous = -1
  for (const { firstOffset, lastOffset, acknowledgeTypes, durationMs } of batches) {
    const range = `offsets ${firstOffset} to ${lastOffset}`
    if (firstOffset < 0 || lastOffset < firstOffset) return malformed(`${range} are not a range`)
    if (firstOffset < previous) return malformed(`${range} come after offset ${previous}`)
    if (durationMs !== undefined && !(Number.isSafeInteger(durationMs) && durationMs >= 0))
      return malformed(`${range} have the impossible duration ${durationMs}`)
    const count = acknowledgeTypes.length
    if (count !== 1 && count !== lastOffset - firstOffset + 1)
      return malformed(`${range} have ${count} acknowledge types`)
    for (let index = 0; index < count; index++)
      if (!isKnownType(acknowledgeTypes[index]))
        return malformed(`${range} have the unknown acknowledge type ${acknowledgeTypes[index]}`)
    previous = lastOffset
  }
  return null
}

/** What is wrong with a request because of where the records stand. */
function stateProblem(
  turn: ShareTurn,
  memberId: string,
  batches: readonly AcknowledgementBatch[],
): AcknowledgeResponse | null {
  const { startOffset, endOffset } = turn.partition
  let previous = -1
  for (const { firstOffset, lastOffset, deliveryCount } of batches) {
    const range = `offsets ${firstOffset} to ${lastOffset}`
    const isRepeated = firstOffset === previous
    previous = lastOffset
    if (lastOffset < startOffset) continue
    if (startOffset === endOffset) return late(`${range} are not in flight`)
    if (lastOffset >= endOffset) return malformed(`${range} were never delivered as far as that`)
    if (isRepeated) return late(`offset ${firstOffset} is acknowledged twice`)
    for (const { delivery, hold } of turn.segments({ firstOffset, lastOffset })) {
      if (delivery.state !== 'available' || !isLockOf(hold, memberId))
        return late(`${range} are not all held by member ${memberId}`)
      if (deliveryCount !== undefined && deliveryCount !== delivery.deliveryCount)
        return late(`${range} were delivered again since, to the same member`)
    }
  }
  return null
}

/** Neighbours of one type, so that a request costs what it says and not how many records it names. */
function* runs({ firstOffset, lastOffset, acknowledgeTypes }: AcknowledgementBatch) {
  let first = firstOffset
  for (let index = 1; index < acknowledgeTypes.length; index++) {
    const type = acknowledgeTypes[index - 1]
    if (acknowledgeTypes[index] === type) continue
    yield { firstOffset: first, lastOffset: firstOffset + index - 1, type: Number(type) }
    first = firstOffset + index
  }
  yield {
    firstOffset: first,
    lastOffset,
    type: Number(acknowledgeTypes[acknowledgeTypes.length - 1]),
  }
}

function isKnownType(type: number | undefined): boolean {
  return type !== undefined && KNOWN_TYPES.has(type)
}

const KNOWN_TYPES: ReadonlySet<number> = new Set(Object.values(AcknowledgeType))

function malformed(errorMessage: string): AcknowledgeResponse {
  return { errorCode: 'INVALID_REQUEST', errorMessage }
}

function late(errorMessage: string): AcknowledgeResponse {
  return { errorCode: 'INVALID_RECORD_STATE', errorMessage }
}
