/**
 * Sessions of members: how long each may be silent. Soft state; a restart gives everybody a whole session again.
 *
 * Deadlines are lazy: a heartbeat only moves `dueMs`; the timer fires at the old time, finds nothing due and is set anew. So
 * a heartbeat costs no timer.
 */

import type { TimerRequest } from './messages.ts'

export interface Session {
  dueMs: number
  /** When its timer fires; infinite when none is set. */
  armedMs: number
}

/** What a request that is being decided offers to its sessions. */
export interface SessionTurn {
  readonly groupId: string
  /** Monotonic time without the stalls of the host. */
  readonly nowMs: number
  readonly soft: { readonly sessions: Map<string, Session> }
  schedule(key: string, delayMs: number, request: TimerRequest): void
  cancel(key: string): void
}

/** A sign of life: the session ends `timeoutMs` from now. */
export function touchSession(turn: SessionTurn, memberId: string, timeoutMs: number): void {
  const dueMs = turn.nowMs + timeoutMs
  const session = turn.soft.sessions.get(memberId)
  if (session !== undefined && session.armedMs <= dueMs) {
    session.dueMs = dueMs
    return
  }
  turn.soft.sessions.set(memberId, { dueMs, armedMs: dueMs })
  arm(turn, memberId, timeoutMs)
}

export function endSession(turn: SessionTurn, memberId: string): void {
  if (turn.soft.sessions.delete(memberId)) turn.cancel(sessionKey(turn.groupId, memberId))
}

/** A session's timer fired: whether the session is over. One that goes on gets its next timer. */
export function isSessionOver(turn: SessionTurn, memberId: string): boolean {
  const session = turn.soft.sessions.get(memberId)
  if (session === undefined) return false
  session.armedMs = Infinity
  if (isDue(turn, session.dueMs)) return true
  session.armedMs = session.dueMs
  arm(turn, memberId, session.dueMs - turn.nowMs)
  return false
}

/** How long ago the member was heard, when its session has this timeout. */
export function silenceOf(turn: SessionTurn, memberId: string, timeoutMs: number): number {
  const session = turn.soft.sessions.get(memberId)
  return session === undefined ? 0 : Math.max(0, turn.nowMs - session.dueMs + timeoutMs)
}

/** Whether a deadline has come; a timer that fires a hair early counts as in time. */
export function isDue(turn: { readonly nowMs: number }, dueMs: number): boolean {
  return dueMs - turn.nowMs < 1
}

/** Ids may hold any character: the length keeps two of them apart. */
export function sessionKey(groupId: string, memberId: string): string {
  return `session:${groupId.length}:${groupId}:${memberId}`
}

function arm(turn: SessionTurn, memberId: string, delayMs: number): void {
  const { groupId } = turn
  turn.schedule(sessionKey(groupId, memberId), delayMs, {
    kind: 'session-expired',
    groupId,
    memberId,
  })
}
