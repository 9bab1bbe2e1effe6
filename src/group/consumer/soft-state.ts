/**
 * The soft state of a KIP-848 group: sessions, deadlines, and what was looked at last. `handle` changes it in place; a
 * restart forgets it, gives everybody a whole session and deadline again, and looks at the topics anew.
 */

import type { MemberDeadline } from '../messages.ts'
import type { Session } from '../sessions.ts'

export interface ConsumerSoftState {
  readonly sessions: Map<string, Session>
  /** When members have to be done, by the keys of their timers. */
  readonly deadlines: Map<string, number>
  /** The version of the topics that was compared with the last target. */
  topicsVersion: number | null
  /** When the last target was computed. */
  assignedMs: number | null
  /** When the rebalance that runs began; null when it began before a restart. */
  rebalanceStartedMs: number | null
}

export function newConsumerSoftState(
  sessions: Map<string, Session> = new Map(),
): ConsumerSoftState {
  return {
    sessions,
    deadlines: new Map(),
    topicsVersion: null,
    assignedMs: null,
    rebalanceStartedMs: null,
  }
}

export function deadlineKey(what: MemberDeadline, groupId: string, memberId: string): string {
  return `${what}:${groupId.length}:${groupId}:${memberId}`
}
