/**
 * What a member of a classic group does next: join, sync, heartbeat, give up, leave.
 *
 *   out ─join─▶ joining ─▶ planning (leader) ─▶ syncing ─▶ stable ──▶ joining …
 *    ▲            │            │                   │          │
 *    └── waiting ◀┴────────────┴───(backoff)───────┘          └─▶ draining inside stable, heartbeats go on
 *
 * - Cooperative: a rebalance interrupts nothing. What the new assignment lacks is drained, then released by joining
 *   again; what it adds starts at once. Eager: everything is drained before joining.
 * - Partitions go in two ways only: `revoke` (drained, committed, then released) or `lose` (gone already).
 * - `lastProofMs` is when the latest request left that the broker answered as from a member. A session timeout after it
 *   the member holds itself for fenced, whatever the broker thinks, and loses everything.
 * - While a join is open the member still beats for what it kept: a rebalance may outlast the session timeout.
 *
 * Pure: `step` answers the next state and what to do; the shell is `classic-member.ts`. An answer to a request that is no
 * longer the current one (`attempt`, generation) changes nothing.
 */

import type { KafkaErrorCode } from '../../../protocol/index.ts'
import { isRetriable } from '../../../protocol/index.ts'
import type { OwnedPartition } from '../../../consumer/index.ts'
import {
  isCurrent,
  isJoining,
  loseAll,
  outOfGroup,
  stay,
  andThen,
  withoutPartitions,
} from './classic-state.ts'
import { partitionKey } from '../topic-partition.ts'
import type { MemberState, MemberStep, MembershipSettings } from './classic-state.ts'
import type { JoinAnswer, MemberEffect, MemberInput } from './classic-messages.ts'

export function step(
  state: MemberState,
  input: MemberInput,
  settings: MembershipSettings,
  nowMs: number,
): MemberStep {
  if (state.phase === 'closed') return stay(state)
  switch (input.kind) {
    case 'start':
      return state.phase === 'out' ? join(state, 'joining the group') : stay(state)
    case 'join-answered':
      return isCurrent(state, 'joining', input.attempt)
        ? joinAnswered(state, input.answer, settings)
        : stay(state)
    case 'planned':
      return isCurrent(state, 'planning', input.attempt)
        ? sync(state, input.assignments)
        : stay(state)
    case 'sync-answered':
      return isCurrent(state, 'syncing', input.attempt)
        ? syncAnswered(state, input, settings, nowMs)
        : stay(state)
    case 'join-failed':
      return isJoining(state) && input.attempt === state.attempt
        ? andThen(state, [{ kind: 'forget-coordinator' }], (next) => retryJoin(next, settings))
        : stay(state)
    case 'heartbeat-answered':
      return heartbeatAnswered({ ...state, heartbeatPending: false }, input, settings, nowMs)
    case 'heartbeat-failed':
      return {
        state: { ...state, heartbeatPending: false },
        effects: [
          { kind: 'heartbeat-failed', reason: input.reason },
          { kind: 'forget-coordinator' },
        ],
      }
    case 'refused':
      return refused(state, input, settings)
    case 'drained':
      return drained(state, input.drain)
    case 'topics-changed':
      return topicsChanged(state, input.isSubscription, settings)
    case 'topic-remade':
      return topicRemade(state, input)
    case 'timer':
      return timer(state, input.key, settings, nowMs)
    case 'close':
      return close(state, settings)
  }
}

/* joining */

function join(state: MemberState, reason: string): MemberStep {
  const attempt = state.attempt + 1
  return {
    state: { ...state, phase: 'joining', attempt, rejoinReason: null },
    effects: [
      { kind: 'cancel', key: 'retry' },
      {
        kind: 'join',
        attempt,
        memberId: state.memberId,
        generation: state.generation,
        owned: [...state.owned.values()],
        isAnew: state.isAnew,
        reason,
      },
    ],
  }
}

function retryJoin(state: MemberState, settings: MembershipSettings): MemberStep {
  const failures = state.failures + 1
  const delayMs = Math.min(
    settings.retryBackoffMaxMs,
    settings.retryBackoffMs * 2 ** Math.min(failures - 1, 20),
  )
  return {
    state: { ...state, phase: 'waiting', failures },
    effects: [{ kind: 'schedule', key: 'retry', delayMs, jitter: true }],
  }
}

function joinAnswered(
  state: MemberState,
  answer: JoinAnswer,
  settings: MembershipSettings,
): MemberStep {
  if (answer.error === 'MEMBER_ID_REQUIRED')
    return join({ ...state, memberId: answer.memberId }, 'joining with the id given')
  if (answer.error !== 'NONE') return joinRefused(state, answer.error, settings)
  const isLeader = answer.leader === answer.memberId
  const joined: MemberState = {
    ...state,
    memberId: answer.memberId,
    generation: answer.generation,
    isLeader,
  }
  const beat: MemberEffect = {
    kind: 'schedule',
    key: 'heartbeat',
    delayMs: settings.heartbeatIntervalMs,
  }
  if (isLeader && !answer.skipAssignment)
    return {
      state: { ...joined, phase: 'planning' },
      effects: [
        beat,
        {
          kind: 'plan',
          attempt: joined.attempt,
          protocol: answer.protocol,
          members: answer.members,
        },
      ],
    }
  return andThen(joined, [beat], (next) => sync(next, []))
}

function sync(
  state: MemberState,
  assignments: readonly { readonly memberId: string; readonly assignment: Uint8Array }[],
): MemberStep {
  return {
    state: { ...state, phase: 'syncing' },
    effects: [
      {
        kind: 'sync',
        attempt: state.attempt,
        generation: state.generation,
        memberId: state.memberId,
        assignments,
      },
    ],
  }
}

/** A refusal of JoinGroup or SyncGroup: try again, begin anew as another member, or give up. */
function joinRefused(
  state: MemberState,
  error: KafkaErrorCode,
  settings: MembershipSettings,
): MemberStep {
  switch (error) {
    case 'UNKNOWN_MEMBER_ID':
      return andThen({ ...state, memberId: '' }, loseAll(state), (next) =>
        retryJoin(outOfGroup(next), settings),
      )
    case 'ILLEGAL_GENERATION':
      return andThen(state, loseAll(state), (next) => retryJoin(outOfGroup(next), settings))
    case 'REBALANCE_IN_PROGRESS':
      return join(state, 'another rebalance began')
    case 'COORDINATOR_LOAD_IN_PROGRESS':
    case 'COORDINATOR_NOT_AVAILABLE':
    case 'NOT_COORDINATOR':
      return andThen(state, [{ kind: 'forget-coordinator' }], (next) => retryJoin(next, settings))
    default:
      return isRetriable(error) ? retryJoin(state, settings) : fail(state, error)
  }
}

function syncAnswered(
  state: MemberState,
  input: MemberInput & { kind: 'sync-answered' },
  settings: MembershipSettings,
  nowMs: number,
): MemberStep {
  if (input.error !== 'NONE') return joinRefused(state, input.error, settings)
  const assigned = new Map(input.partitions.map((one) => [partitionKey(one), one]))
  const added = [...assigned].filter(([key]) => !state.owned.has(key))
  const released = [...state.owned].filter(([key]) => !assigned.has(key))
  const gained = added.map(([, { topic, partition }]) => ({
    topic,
    partition,
    epoch: input.epoch,
  }))
  const stable: MemberState = {
    ...state,
    phase: 'stable',
    failures: 0,
    isAnew: false,
    lastProofMs: Math.max(state.lastProofMs, input.sentMs),
    owned: new Map([...state.owned, ...gained.map((one) => [partitionKey(one), one] as const)]),
  }
  const effects: MemberEffect[] = [
    { kind: 'joined', memberId: state.memberId, generation: state.generation },
    { kind: 'schedule', key: 'heartbeat', delayMs: settings.heartbeatIntervalMs },
    sessionTimer(stable, settings, nowMs),
  ]
  if (gained.length > 0)
    effects.push({ kind: 'assign', partitions: gained, generation: state.generation })
  return andThen(stable, effects, (next) => {
    if (released.length > 0)
      return drain(
        next,
        released.map(([, one]) => one),
        'released partitions',
      )
    return next.rejoinReason !== null &&
      (next.isLeader || next.rejoinReason === CHANGED_SUBSCRIPTION)
      ? rejoin(next, next.rejoinReason, settings)
      : stay({ ...next, rejoinReason: null })
  })
}

/* being a member */

const CHANGED_SUBSCRIPTION = 'the subscription changed'

/** Joins again, after what must be drained first. */
function rejoin(state: MemberState, reason: string, settings: MembershipSettings): MemberStep {
  if (state.drain !== null) return stay({ ...state, rejoinReason: reason })
  if (!settings.cooperative && state.owned.size > 0)
    return drain(state, [...state.owned.values()], reason)
  return join(state, reason)
}

function drain(
  state: MemberState,
  partitions: readonly OwnedPartition[],
  reason: string,
): MemberStep {
  const id = state.drainCount + 1
  return {
    state: {
      ...state,
      drainCount: id,
      drain: { id, keys: partitions.map(partitionKey) },
      rejoinReason: reason,
    },
    effects: [{ kind: 'revoke', drain: id, partitions }],
  }
}

function drained(state: MemberState, id: number): MemberStep {
  if (state.drain?.id !== id) return stay(state)
  const owned = new Map(state.owned)
  for (const key of state.drain.keys) owned.delete(key)
  return join({ ...state, owned, drain: null }, state.rejoinReason ?? 'released partitions')
}

/** The leader assigns anew what came or went; a member whose subscription changed has to say so, whoever leads. */
function topicsChanged(
  state: MemberState,
  isSubscription: boolean,
  settings: MembershipSettings,
): MemberStep {
  const reason = isSubscription ? CHANGED_SUBSCRIPTION : 'the topics changed'
  if (state.phase === 'stable')
    return state.isLeader || isSubscription ? rejoin(state, reason, settings) : stay(state)
  return isJoining(state) && state.rejoinReason !== CHANGED_SUBSCRIPTION
    ? stay({ ...state, rejoinReason: reason })
    : stay(state)
}

/**
 * What was read of the topic is gone with it; what the group assigned by name stays ours, in a new epoch. What is being
 * drained of it is no longer ours, though its drain goes on: a commit would count for the new topic.
 */
function topicRemade(
  state: MemberState,
  { topic, epoch }: { readonly topic: string; readonly epoch: number },
): MemberStep {
  const gone = [...state.owned].filter(([, one]) => one.topic === topic)
  if (gone.length === 0) return stay(state)
  const draining = new Set(state.drain?.keys)
  const again = gone.flatMap(([key, one]) =>
    draining.has(key) ? [] : [[key, { ...one, epoch }] as const],
  )
  const partitions = again.map(([, one]) => one)
  const kept = [...state.owned].filter(([key, one]) => one.topic !== topic || !draining.has(key))
  return {
    state: { ...state, owned: new Map([...kept, ...again]) },
    effects: [
      { kind: 'lose', partitions: gone.map(([, one]) => one) },
      ...(partitions.length === 0
        ? []
        : [{ kind: 'assign', partitions, generation: state.generation } as const]),
    ],
  }
}

function heartbeatAnswered(
  state: MemberState,
  input: MemberInput & { kind: 'heartbeat-answered' },
  settings: MembershipSettings,
  nowMs: number,
): MemberStep {
  if (input.generation !== state.generation || input.memberId !== state.memberId) return stay(state)
  switch (input.error) {
    case 'NONE':
    case 'REBALANCE_IN_PROGRESS': {
      const known = { ...state, lastProofMs: Math.max(state.lastProofMs, input.sentMs) }
      return andThen(known, [sessionTimer(known, settings, nowMs)], (next) =>
        input.error === 'REBALANCE_IN_PROGRESS' && next.phase === 'stable'
          ? rejoin(next, 'the group rebalances', settings)
          : stay(next),
      )
    }
    case 'COORDINATOR_LOAD_IN_PROGRESS':
    case 'COORDINATOR_NOT_AVAILABLE':
    case 'NOT_COORDINATOR':
      return {
        state,
        effects: [
          { kind: 'heartbeat-failed', reason: input.error },
          { kind: 'forget-coordinator' },
          { kind: 'schedule', key: 'heartbeat', delayMs: soonerBeat(settings) },
        ],
      }
    default:
      return refused(state, input, settings)
  }
}

/** The broker said, in answer to a heartbeat or a commit, that this is no member of the current generation. */
function refused(
  state: MemberState,
  told: { readonly generation: number; readonly memberId: string; readonly error: KafkaErrorCode },
  settings: MembershipSettings,
): MemberStep {
  if (told.generation !== state.generation || told.memberId !== state.memberId) return stay(state)
  switch (told.error) {
    case 'FENCED_INSTANCE_ID':
      return fail(state, told.error)
    case 'UNKNOWN_MEMBER_ID':
    case 'ILLEGAL_GENERATION': {
      // While a join is open the broker may be a generation ahead; the join's own answer decides.
      if (state.phase !== 'stable') return stay(state)
      const memberId = told.error === 'UNKNOWN_MEMBER_ID' ? '' : state.memberId
      return andThen({ ...state, memberId }, loseAll(state), (next) =>
        join(outOfGroup(next), 'fenced by the coordinator'),
      )
    }
    case 'REBALANCE_IN_PROGRESS':
      return state.phase === 'stable'
        ? rejoin(state, 'the group rebalances', settings)
        : stay(state)
    default:
      return isRetriable(told.error) ? stay(state) : fail(state, told.error)
  }
}

/* timers */

function timer(
  state: MemberState,
  key: 'heartbeat' | 'session' | 'retry',
  settings: MembershipSettings,
  nowMs: number,
): MemberStep {
  switch (key) {
    case 'retry':
      return state.phase === 'waiting' ? join(state, 'trying again') : stay(state)
    case 'heartbeat':
      return beat(state, settings)
    case 'session':
      return session(state, settings, nowMs)
  }
}

function beat(state: MemberState, settings: MembershipSettings): MemberStep {
  if (state.generation < 0 || (state.phase !== 'stable' && state.owned.size === 0))
    return stay(state)
  const again: MemberEffect = {
    kind: 'schedule',
    key: 'heartbeat',
    delayMs: settings.heartbeatIntervalMs,
  }
  if (state.heartbeatPending) return { state, effects: [again] }
  const { generation, memberId } = state
  return {
    state: { ...state, heartbeatPending: true },
    // The group's own connection is busy with the join until the broker answers it.
    effects: [
      again,
      { kind: 'heartbeat', generation, memberId, besideJoin: state.phase !== 'stable' },
    ],
  }
}

function session(state: MemberState, settings: MembershipSettings, nowMs: number): MemberStep {
  if (state.generation < 0) return stay(state)
  // A timer that rings a rounding error too early would be set again for no time at all, and again.
  if (nowMs - state.lastProofMs < settings.sessionTimeoutMs - 0.001)
    return { state, effects: [sessionTimer(state, settings, nowMs)] }
  const effects: MemberEffect[] = [
    { kind: 'heartbeat-failed', reason: 'no answer for a whole session timeout' },
    { kind: 'forget-coordinator' },
    ...loseAll(state),
  ]
  // A join that is open goes on: it brings the next generation.
  if (state.phase !== 'stable') return { state: withoutPartitions(state), effects }
  return andThen(outOfGroup(state), effects, (next) => join(next, 'the session timed out'))
}

function sessionTimer(
  state: MemberState,
  settings: MembershipSettings,
  nowMs: number,
): MemberEffect {
  const delayMs = Math.max(0, settings.sessionTimeoutMs - (nowMs - state.lastProofMs))
  return { kind: 'schedule', key: 'session', delayMs }
}

function soonerBeat(settings: MembershipSettings): number {
  return Math.min(settings.heartbeatIntervalMs, settings.retryBackoffMaxMs)
}

/* leaving */

function close(state: MemberState, settings: MembershipSettings): MemberStep {
  const leaves = !settings.isStatic && state.memberId !== ''
  return {
    state: { ...withoutPartitions(state), phase: 'closed' },
    effects: [
      ...noTimers,
      ...(leaves ? [{ kind: 'leave', memberId: state.memberId } as const] : []),
    ],
  }
}

function fail(state: MemberState, error: KafkaErrorCode): MemberStep {
  return {
    state: { ...withoutPartitions(state), phase: 'closed' },
    effects: [...noTimers, ...loseAll(state), { kind: 'fail', error }],
  }
}

const noTimers: readonly MemberEffect[] = [
  { kind: 'cancel', key: 'heartbeat' },
  { kind: 'cancel', key: 'session' },
  { kind: 'cancel', key: 'retry' },
]
