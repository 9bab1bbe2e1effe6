/**
 * The soft state of a classic group: who is joining, who waits for an answer, whose session runs. `handle` changes it in
 * place; a restart forgets it, and what it forgets the clients send again.
 */

import type { ReplyToken } from '../messages.ts'
import type { AssignedTopic, MemberRecord, RebalanceStart } from '../records.ts'
import { type Session, sessionKey } from '../sessions.ts'

export interface SoftState {
  /** Ids that were handed out with MEMBER_ID_REQUIRED and have not come back to join. */
  readonly pending: Set<string>
  /** Of members and of pending ids. */
  readonly sessions: Map<string, Session>
  /** The join phase, while there is one: the group is PreparingRebalance. */
  round: JoinRound | null
  /** Rounds begun so far. */
  roundCount: number
  readonly waitingSyncs: Map<string, ReplyToken>
  /** Who has not asked for its assignment in this generation. */
  readonly unsynced: Set<string>
  syncDueMs: number
  /** When the rebalance that runs began; null when it began before a restart. */
  rebalanceStartedMs: number | null
  /** The topics as they were at the last assignment, by id; null when that was before a restart. */
  assignedTopics: ReadonlyMap<string, AssignedTopic> | null
}

export interface JoinRound {
  readonly number: number
  /** The group was empty: wait for more members instead of ending when all have joined. */
  readonly initial: boolean
  protocolType: string
  readonly start: RebalanceStart
  /** All of them wait for their answer. */
  readonly joined: Map<string, Joiner>
  readonly joinedByInstance: Map<string, string>
  /** Members of the last generation that have not joined this round. */
  readonly missing: Set<string>
  dueMs: number
  /** Of an initial round: somebody came since the delay began, and how much longer it may be drawn out. */
  memberAdded: boolean
  delayMs: number
  remainingMs: number
}

export interface Joiner {
  readonly member: MemberRecord
  readonly replyTo: ReplyToken
  readonly apiVersion: number
  /** Was in no generation yet and sends no heartbeats: it may expire while it waits. */
  readonly isNew: boolean
}

export function newSoftState(): SoftState {
  return {
    pending: new Set(),
    sessions: new Map(),
    round: null,
    roundCount: 0,
    waitingSyncs: new Map(),
    unsynced: new Set(),
    syncDueMs: 0,
    rebalanceStartedMs: null,
    assignedTopics: null,
  }
}

/** Nothing to remember: the state can be dropped. */
export function isIdle(soft: SoftState): boolean {
  return soft.round === null && soft.sessions.size === 0 && soft.waitingSyncs.size === 0
}

/** Every timer of a classic group. */
export const timerKey = {
  session: sessionKey,
  join: (groupId: string): string => `join:${groupId}`,
  sync: (groupId: string): string => `sync:${groupId}`,
  pause: (groupId: string): string => `pause:${groupId}`,
  offsetsExpiry: 'offsets-expiry',
}
