/**
 * What a member of a classic group knows of itself, and the small words in which `classic-machine.ts` speaks of it.
 *
 * Pure: every change is a new object.
 */

import type { OwnedPartition } from '../../../consumer/index.ts'
import type { MemberEffect } from './classic-messages.ts'

export interface MembershipSettings {
  /** Whether every offered assignor keeps what need not move. */
  readonly cooperative: boolean
  readonly isStatic: boolean
  readonly sessionTimeoutMs: number
  readonly heartbeatIntervalMs: number
  readonly retryBackoffMs: number
  readonly retryBackoffMaxMs: number
}

export interface MemberState {
  readonly phase: 'out' | 'waiting' | 'joining' | 'planning' | 'syncing' | 'stable' | 'closed'
  readonly memberId: string
  /** -1: not part of a generation. */
  readonly generation: number
  readonly isLeader: boolean
  /** Numbers joins; answers carry it back. */
  readonly attempt: number
  /** By `partitionKey`; those being drained are still in it. */
  readonly owned: ReadonlyMap<string, OwnedPartition>
  readonly drain: { readonly id: number; readonly keys: readonly string[] } | null
  /** Why to join again as soon as nothing stands against it; null when there is no need. */
  readonly rejoinReason: string | null
  /** Attempts to join that failed in a row. */
  readonly failures: number
  readonly heartbeatPending: boolean
  readonly lastProofMs: number
  readonly drainCount: number
  /** Whether a place in the group was lost and is to be joined for anew. */
  readonly isAnew: boolean
}

export interface MemberStep {
  readonly state: MemberState
  readonly effects: readonly MemberEffect[]
}

export const initialMember: MemberState = {
  phase: 'out',
  memberId: '',
  generation: -1,
  isLeader: false,
  attempt: 0,
  owned: new Map(),
  drain: null,
  rejoinReason: null,
  failures: 0,
  heartbeatPending: false,
  lastProofMs: Number.NEGATIVE_INFINITY,
  drainCount: 0,
  isAnew: false,
}

/** Whether handlers may start: at most half a session timeout since the broker last knew this member. */
export function isFresh(state: MemberState, settings: MembershipSettings, nowMs: number): boolean {
  return nowMs - state.lastProofMs <= settings.sessionTimeoutMs / 2
}

export function loseAll(state: MemberState): readonly MemberEffect[] {
  return state.owned.size === 0 ? [] : [{ kind: 'lose', partitions: [...state.owned.values()] }]
}

export function withoutPartitions(state: MemberState): MemberState {
  return { ...state, owned: new Map(), drain: null }
}

export function outOfGroup(state: MemberState): MemberState {
  return {
    ...withoutPartitions(state),
    generation: -1,
    isLeader: false,
    isAnew: true,
    rejoinReason: null,
  }
}

export function isJoining(state: MemberState): boolean {
  return state.phase === 'joining' || state.phase === 'planning' || state.phase === 'syncing'
}

export function isCurrent(
  state: MemberState,
  phase: MemberState['phase'],
  attempt: number,
): boolean {
  return state.phase === phase && state.attempt === attempt
}

export function stay(state: MemberState): MemberStep {
  return { state, effects: [] }
}

export function andThen(
  state: MemberState,
  effects: readonly MemberEffect[],
  next: (state: MemberState) => MemberStep,
): MemberStep {
  const after = next(state)
  return { state: after.state, effects: [...effects, ...after.effects] }
}
