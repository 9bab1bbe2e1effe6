/**
 * What a member of a KIP-848 group does next: everything in one kind of request, the heartbeat.
 *
 *   out ─epoch 0─▶ joining ─▶ member ──fenced, unknown, silence──▶ lose all, epoch 0 again
 *                               │  ▲
 *          assignment ──▶ drain what it lacks, ──owned──▶ (told at once: the broker gives the partitions on)
 *                         take what it adds
 *
 * - The broker assigns. A partition that it takes away is ours until we say that we no longer own it, and that is said
 *   only after it was drained. What it adds is free already and starts at once.
 * - One heartbeat is under way at a time. It says only what changed; after an answer that did not come it says all, for
 *   what the broker heard of the last one is not known. Heartbeats go on during a drain.
 * - A topic that was deleted and made anew has another id: what was owned of it is lost, not drained, for a commit would
 *   count for the new one.
 * - `lastProofMs` is when the latest request left that the broker answered as from a member. A session timeout after it
 *   the member holds itself for fenced and loses everything.
 * - A static member that finds its instance id taken waits for the one before it, as long as a session may last; when it
 *   closes it leaves for a while (epoch -2), and the next one takes over what it had.
 *
 * Pure: `step` answers the next state and what to do; the shell is `consumer-member.ts`.
 */

import type { KafkaErrorCode } from '../../../protocol/index.ts'
import { isRetriable } from '../../../protocol/index.ts'
import { partitionKey } from '../topic-partition.ts'
import {
  andThen,
  byKey,
  idOf,
  initialConsumer,
  loseAll,
  outside,
  ownedOf,
  stay,
} from './consumer-state.ts'
import type { ConsumerSettings, ConsumerState, ConsumerStep } from './consumer-state.ts'
import type {
  ConsumerEffect,
  ConsumerInput,
  HeldPartition,
  NamedPartition,
} from './consumer-messages.ts'

export function step(
  state: ConsumerState,
  input: ConsumerInput,
  settings: ConsumerSettings,
  nowMs: number,
): ConsumerStep {
  if (state.phase === 'closed') return stay(state)
  switch (input.kind) {
    case 'start':
      return state.phase === 'out' ? beat({ ...initialConsumer, phase: 'joining' }) : stay(state)
    case 'answered':
      return input.attempt === state.attempt && state.isInFlight
        ? answered({ ...state, isInFlight: false }, input, settings, nowMs)
        : stay(state)
    case 'unanswered':
      return input.attempt === state.attempt && state.isInFlight
        ? unanswered({ ...state, isInFlight: false }, input.reason, settings)
        : stay(state)
    case 'named':
      return input.assignment === state.assignment && state.phase === 'member'
        ? reconcile({ ...state, wanted: byKey(input.partitions), wantedEpoch: input.epoch })
        : stay(state)
    case 'drained':
      return drained(state, input.drain)
    case 'refused':
      return refused(state, input)
    case 'timer':
      return input.key === 'heartbeat' ? beat(state) : session(state, settings, nowMs)
    case 'topic-remade':
      return remade(state, input.topic)
    case 'unsupported':
      return unsupported(state, 'UNSUPPORTED_VERSION')
    case 'close':
      return close(state, settings)
  }
}

/* heartbeats */

/** Says what there is to say, now or right after the answer to the last heartbeat. */
function beat(state: ConsumerState): ConsumerStep {
  if (state.phase === 'out' || state.isInFlight) return stay(state)
  const attempt = state.attempt + 1
  const isFull = state.isFull || state.memberEpoch === 0
  const owned = isFull || state.isUntold ? [...state.owned.values()].map(idOf) : null
  return {
    // What becomes due while it is under way is still due after its answer.
    state: { ...state, attempt, isInFlight: true, isFull: false, isUntold: false },
    effects: [
      { kind: 'cancel', key: 'heartbeat' },
      { kind: 'heartbeat', attempt, memberEpoch: state.memberEpoch, isFull, owned },
    ],
  }
}

/** A heartbeat, when there is something that the broker does not know. */
function tell(state: ConsumerState): ConsumerStep {
  return state.isUntold || state.isFull ? beat(state) : stay(state)
}

function answered(
  state: ConsumerState,
  answer: ConsumerInput & { kind: 'answered' },
  settings: ConsumerSettings,
  nowMs: number,
): ConsumerStep {
  if (answer.error !== 'NONE') return answeredNo(state, answer.error, settings, nowMs)
  const isNews = answer.memberEpoch !== state.memberEpoch
  const assignment = answer.assignment === null ? state.assignment : state.assignment + 1
  const member: ConsumerState = {
    ...state,
    phase: 'member',
    memberEpoch: answer.memberEpoch,
    assignment,
    intervalMs: answer.intervalMs > 0 ? answer.intervalMs : state.intervalMs,
    failures: 0,
    lastProofMs: Math.max(state.lastProofMs, answer.sentMs),
    unreleasedSinceMs: null,
  }
  const effects: ConsumerEffect[] = [
    { kind: 'schedule', key: 'heartbeat', delayMs: member.intervalMs },
    sessionTimer(member, settings, nowMs),
  ]
  if (isNews) effects.push({ kind: 'joined', memberEpoch: member.memberEpoch })
  if (answer.assignment !== null)
    effects.push({ kind: 'name', assignment, partitions: answer.assignment })
  return andThen(member, effects, tell)
}

function answeredNo(
  state: ConsumerState,
  error: KafkaErrorCode,
  settings: ConsumerSettings,
  nowMs: number,
): ConsumerStep {
  const isJoin = state.memberEpoch === 0
  switch (error) {
    case 'FENCED_MEMBER_EPOCH':
    case 'UNKNOWN_MEMBER_ID':
      return isJoin ? later(state, error, settings) : rejoin(state)
    case 'GROUP_ID_NOT_FOUND':
      // The group was forgotten with us in it; or, to who joins, it is of another kind.
      return isJoin ? unsupported(state, error) : rejoin(state)
    case 'UNSUPPORTED_VERSION':
      return unsupported(state, error)
    case 'UNRELEASED_INSTANCE_ID': {
      const sinceMs = state.unreleasedSinceMs ?? nowMs
      return nowMs - sinceMs < settings.unreleasedLimitMs
        ? later({ ...state, unreleasedSinceMs: sinceMs }, error, settings)
        : fail(state, error)
    }
    case 'COORDINATOR_LOAD_IN_PROGRESS':
    case 'COORDINATOR_NOT_AVAILABLE':
    case 'NOT_COORDINATOR':
      return andThen(state, [{ kind: 'forget-coordinator' }], (next) =>
        later(next, error, settings),
      )
    default:
      return isRetriable(error) ? later(state, error, settings) : fail(state, error)
  }
}

function unanswered(
  state: ConsumerState,
  reason: string,
  settings: ConsumerSettings,
): ConsumerStep {
  return andThen(state, [{ kind: 'forget-coordinator' }], (next) => later(next, reason, settings))
}

/** The broker did not say yes: again, with growing pauses, and in full. */
function later(state: ConsumerState, reason: string, settings: ConsumerSettings): ConsumerStep {
  const failures = state.failures + 1
  const backoffMs = settings.retryBackoffMs * 2 ** Math.min(failures - 1, 20)
  const delayMs = Math.min(settings.retryBackoffMaxMs, backoffMs)
  return {
    state: { ...state, failures, isFull: true },
    effects: [
      { kind: 'heartbeat-failed', reason },
      { kind: 'schedule', key: 'heartbeat', delayMs, jitter: true },
    ],
  }
}

/** What was owned is somebody else's by now. */
function rejoin(state: ConsumerState): ConsumerStep {
  return andThen(outside(state), [{ kind: 'cancel', key: 'session' }, ...loseAll(state)], beat)
}

/** The broker said, in answer to a commit, what it thinks of this member. */
function refused(
  state: ConsumerState,
  { memberEpoch, error }: { readonly memberEpoch: number; readonly error: KafkaErrorCode },
): ConsumerStep {
  if (state.phase !== 'member' || memberEpoch !== state.memberEpoch) return stay(state)
  switch (error) {
    case 'UNKNOWN_MEMBER_ID':
    case 'GROUP_ID_NOT_FOUND':
      return rejoin(state)
    case 'STALE_MEMBER_EPOCH':
    case 'ILLEGAL_GENERATION':
      // There is a newer epoch: the answer to the next heartbeat has it.
      return beat(state)
    default:
      return isRetriable(error) ? stay(state) : fail(state, error)
  }
}

/* partitions */

/** Goes from what is owned towards what the broker wants, and tells it. */
function reconcile(state: ConsumerState): ConsumerStep {
  const { wanted, wantedEpoch, memberEpoch } = state
  if (wanted === null) return stay(state)
  const remade = [...state.owned].filter(([key, one]) => isRemade(one, wanted.get(key)))
  const kept = new Map(state.owned)
  for (const [key] of remade) kept.delete(key)
  const added = [...wanted]
    .filter(([key]) => !kept.has(key))
    .map(([, one]) => ({ ...one, epoch: wantedEpoch }))
  const effects: ConsumerEffect[] = []
  if (remade.length > 0)
    effects.push({ kind: 'lose', partitions: remade.map(([, one]) => ownedOf(one)) })
  if (added.length > 0)
    effects.push({ kind: 'assign', partitions: added.map(ownedOf), memberEpoch })
  const taken: ConsumerState = {
    ...state,
    drain: leftOf(
      state.drain,
      remade.map(([, one]) => one),
    ),
    owned: new Map([...kept, ...byKey(added)]),
    isUntold: state.isUntold || remade.length + added.length > 0,
  }
  return andThen(taken, effects, (next) => andThen(...release(next, wanted), tell))
}

/** Begins to drain what is no longer wanted, unless a drain is under way: it goes on from there. */
function release(
  state: ConsumerState,
  wanted: ReadonlyMap<string, NamedPartition>,
): readonly [ConsumerState, readonly ConsumerEffect[]] {
  const released = [...state.owned].filter(([key]) => !wanted.has(key)).map(([, one]) => one)
  if (state.drain !== null || released.length === 0) return [state, []]
  const drain = { id: state.drainCount + 1, partitions: released.map(ownedOf) }
  return [
    { ...state, drainCount: drain.id, drain },
    [{ kind: 'revoke', drain: drain.id, partitions: drain.partitions }],
  ]
}

function drained(state: ConsumerState, id: number): ConsumerStep {
  if (state.drain?.id !== id) return stay(state)
  const owned = new Map(state.owned)
  for (const { epoch, ...one } of state.drain.partitions)
    if (owned.get(partitionKey(one))?.epoch === epoch) owned.delete(partitionKey(one))
  return reconcile({ ...state, owned, drain: null, isUntold: true })
}

/**
 * Nothing of the topic as it was is left to work on. A full heartbeat makes the broker say what to own now: it may have
 * assigned the new topic already, and would not say so twice.
 */
function remade(state: ConsumerState, topic: string): ConsumerStep {
  const gone = [...state.owned.values()].filter((one) => one.topic === topic)
  if (gone.length === 0) return stay(state)
  const owned = new Map([...state.owned].filter(([, one]) => one.topic !== topic))
  const ids = new Set(gone.map(({ topicId }) => topicId))
  const wanted = [...(state.wanted ?? [])].filter(([, one]) => !ids.has(one.topicId))
  const lose: ConsumerEffect = { kind: 'lose', partitions: gone.map(ownedOf) }
  const drain = leftOf(state.drain, gone)
  return andThen({ ...state, drain, owned, wanted: new Map(wanted), isFull: true }, [lose], tell)
}

/** A drain of nothing but what is lost is over: what has to go next must not wait for it, its time runs already. */
function leftOf(
  drain: ConsumerState['drain'],
  lost: readonly HeldPartition[],
): ConsumerState['drain'] {
  const epochs = new Map(lost.map((one) => [partitionKey(one), one.epoch]))
  const isLeft = drain?.partitions.some((one) => epochs.get(partitionKey(one)) !== one.epoch)
  return isLeft === true ? drain : null
}

function isRemade(one: HeldPartition, wanted: NamedPartition | undefined): boolean {
  return wanted !== undefined && wanted.topicId !== one.topicId
}

/* the session */

function session(state: ConsumerState, settings: ConsumerSettings, nowMs: number): ConsumerStep {
  if (state.phase !== 'member') return stay(state)
  // A timer that rings a rounding error too early would be set again for no time at all, and again.
  if (nowMs - state.lastProofMs < settings.sessionTimeoutMs - 0.001)
    return { state, effects: [sessionTimer(state, settings, nowMs)] }
  const effects: readonly ConsumerEffect[] = [
    { kind: 'heartbeat-failed', reason: 'no answer for a whole session timeout' },
    { kind: 'forget-coordinator' },
  ]
  return andThen(state, effects, rejoin)
}

function sessionTimer(
  state: ConsumerState,
  settings: ConsumerSettings,
  nowMs: number,
): ConsumerEffect {
  const delayMs = Math.max(0, settings.sessionTimeoutMs - (nowMs - state.lastProofMs))
  return { kind: 'schedule', key: 'session', delayMs }
}

/** Whether handlers may start: at most half a session timeout since the broker last knew this member. */
export function isFresh(state: ConsumerState, settings: ConsumerSettings, nowMs: number): boolean {
  return nowMs - state.lastProofMs <= settings.sessionTimeoutMs / 2
}

/* leaving */

function close(state: ConsumerState, settings: ConsumerSettings): ConsumerStep {
  const memberEpoch = settings.isStatic ? -2 : -1
  const leave: readonly ConsumerEffect[] =
    state.phase === 'out' ? [] : [{ kind: 'leave', memberEpoch }]
  return { state: closed(state), effects: [...noTimers, ...leave] }
}

function fail(state: ConsumerState, error: KafkaErrorCode): ConsumerStep {
  return {
    state: closed(state),
    effects: [...noTimers, ...loseAll(state), { kind: 'fail', error }],
  }
}

function unsupported(state: ConsumerState, error: KafkaErrorCode): ConsumerStep {
  return {
    state: closed(state),
    effects: [...noTimers, ...loseAll(state), { kind: 'unsupported', error }],
  }
}

function closed(state: ConsumerState): ConsumerState {
  return { ...outside(state), phase: 'closed' }
}

const noTimers: readonly ConsumerEffect[] = [
  { kind: 'cancel', key: 'heartbeat' },
  { kind: 'cancel', key: 'session' },
]
