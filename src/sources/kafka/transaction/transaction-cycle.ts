/**
 * One transaction from its beginning to a certain end: which step follows which, and what a failure means. Pure.
 *
 *   [reset] ─▶ partitions ─▶ produce ─▶ add-offsets ─▶ offsets ─▶ end ─▶ committed
 *      ▲            └───────────┴─────────── fails ───────┘        │ no answer, or not now: asked again, until it is known
 *      │                            ▼                              ▼ fenced, timed out: it may have been the last answer
 *      └───────────────────────── reset ◀────────────────────── reset ─▶ verify ─▶ committed │ aborted
 *
 * `reset` is InitProducerId: the broker aborts what is open under the transactional id, finishes what was decided, and gives
 * the next epoch, so that nothing which is still under way can be written any more. It is the one way out of every failure.
 * `verify` reads the group's offsets: they are part of the transaction, so they tell whether it was committed.
 *
 * Invariants: `aborted` only when no commit was asked for, or the offsets show that it did not happen; `committed` only by
 * the broker's word; after anything but `committed` no step follows without a reset.
 */

import type { KafkaErrorCode } from '../../../protocol/index.ts'
import { isRetriable } from '../../../protocol/index.ts'

export type Step = 'reset' | 'partitions' | 'produce' | 'add-offsets' | 'offsets' | 'end' | 'verify'

/** How it ended, for certain. */
export type End = 'committed' | 'aborted'

export interface Cycle {
  readonly step: Step | 'over'
  /** What comes after a reset: the first step, the end that is certain by then, or a look at the offsets. */
  readonly afterReset: 'begin' | 'aborted' | 'verify'
  /** Set when it is over. */
  readonly end: End | null
  /** Why it failed first. */
  readonly cause: Cause | null
  /** The same step is tried again after a wait. */
  readonly isAgain: boolean
}

export interface Cause {
  readonly step: Step
  /** null: there was no answer, or it was cancelled. */
  readonly error: KafkaErrorCode | null
}

export type Event =
  | { readonly kind: 'done' }
  /** What `verify` found. */
  | { readonly kind: 'found'; readonly committed: boolean }
  | { readonly kind: 'refused'; readonly error: KafkaErrorCode }
  | { readonly kind: 'no-answer' }
  /** The partitions are about to go: give up what can still be given up. */
  | { readonly kind: 'cancelled' }

const NEXT: Readonly<Record<'partitions' | 'produce' | 'add-offsets' | 'offsets', Step>> = {
  partitions: 'produce',
  produce: 'add-offsets',
  'add-offsets': 'offsets',
  offsets: 'end',
}

/** @param isFresh whether the producer has an epoch in which nothing went wrong */
export function beginCycle(isFresh: boolean): Cycle {
  return {
    step: isFresh ? 'partitions' : 'reset',
    afterReset: 'begin',
    end: null,
    cause: null,
    isAgain: false,
  }
}

export function nextStep(cycle: Cycle, event: Event): Cycle {
  switch (cycle.step) {
    case 'over':
      return cycle
    case 'reset':
      return afterReset(cycle, event)
    case 'end':
      return afterEnd(cycle, event)
    case 'verify':
      return afterVerify(cycle, event)
    default:
      if (event.kind === 'done') return { ...cycle, step: NEXT[cycle.step], isAgain: false }
      // The broker still writes the markers of the transaction before: nothing of this one has begun.
      if (cycle.step === 'partitions' && isConcurrent(event)) return { ...cycle, isAgain: true }
      return aborting(cycle, cycle.step, event)
  }
}

function afterReset(cycle: Cycle, event: Event): Cycle {
  if (event.kind === 'done') {
    if (cycle.afterReset === 'begin') return { ...cycle, step: 'partitions', isAgain: false }
    if (cycle.afterReset === 'verify') return { ...cycle, step: 'verify', isAgain: false }
    return over(cycle, 'aborted')
  }
  // Nothing was begun: there is nothing to be certain of.
  if (cycle.afterReset === 'begin' && (event.kind === 'cancelled' || isFinal(event)))
    return over({ ...cycle, cause: causeOf('reset', event) }, 'aborted')
  // The epoch of a producer that the broker no longer knows cannot commit anything either.
  if (cycle.afterReset === 'aborted' && isFinal(event)) return over(cycle, 'aborted')
  if (isFinal(event)) return { ...cycle, step: 'verify', isAgain: false }
  return { ...cycle, isAgain: true }
}

function afterEnd(cycle: Cycle, event: Event): Cycle {
  if (event.kind === 'done') return over(cycle, 'committed')
  // Whether it arrived is not known; asking again changes nothing when it did.
  if (!isFinal(event)) return { ...cycle, isAgain: true }
  const cause = cycle.cause ?? causeOf('end', event)
  return { ...cycle, step: 'reset', afterReset: 'verify', cause, isAgain: false }
}

function afterVerify(cycle: Cycle, event: Event): Cycle {
  if (event.kind === 'found') return over(cycle, event.committed ? 'committed' : 'aborted')
  return { ...cycle, isAgain: true }
}

function aborting(cycle: Cycle, step: Step, event: Event): Cycle {
  const cause = causeOf(step, event)
  return { ...cycle, step: 'reset', afterReset: 'aborted', cause, isAgain: false }
}

function over(cycle: Cycle, end: End): Cycle {
  return { ...cycle, step: 'over', end, isAgain: false }
}

function causeOf(step: Step, event: Event): Cause {
  return { step, error: event.kind === 'refused' ? event.error : null }
}

/** Whether the same request would be refused again. */
function isFinal(event: Event): boolean {
  return event.kind === 'refused' && !isRetriable(event.error)
}

function isConcurrent(event: Event): boolean {
  return event.kind === 'refused' && event.error === 'CONCURRENT_TRANSACTIONS'
}

const OF_PRODUCER: ReadonlySet<KafkaErrorCode> = new Set([
  'INVALID_PRODUCER_EPOCH',
  'PRODUCER_FENCED',
  'INVALID_PRODUCER_ID_MAPPING',
  'UNKNOWN_PRODUCER_ID',
  'INVALID_TXN_STATE',
  'TRANSACTION_ABORTABLE',
  'CONCURRENT_TRANSACTIONS',
  'UNKNOWN_SERVER_ERROR',
])

/** Whether an answer to offsets speaks of the transaction: it says nothing of the member, who is still in its group. */
export function isOfProducer(error: KafkaErrorCode): boolean {
  return OF_PRODUCER.has(error)
}
