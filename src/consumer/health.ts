/**
 * How the consumer is, and why: pure.
 *
 * stuck: something waits and nothing moves, for longer than `stuckAfterMs`. degraded: it works, but somebody should look.
 * A consumer that its user or a circuit breaker paused is degraded, never stuck.
 */

import type { Health } from './options.ts'

export interface HealthFacts {
  readonly stuckAfterMs: number
  readonly pausedWhy: string | null
  readonly failed: string | null
  readonly ownershipInDoubt: boolean
  /** What holds everything up on purpose: an open circuit. */
  readonly heldBy: readonly string[]
  /** How long nothing has finished although records wait here. */
  readonly noProgressMs: number
  readonly buffered: number
  readonly oldestInFlightMs: number
  /** Records that wait for their next attempt. */
  readonly retrying: number
  /** Records whose dead letter could not be written yet. */
  readonly lettersWaiting: number
  readonly commitFailures: number
  readonly commitPendingMs: number
  /** Executions that ignore their signal; their slots were taken back. */
  readonly detached: number
  /** What waits in parked lanes or retry topics. */
  readonly parked: { readonly keys: number; readonly records: number }
  /** Partitions that pause because their completion map does not fit into a commit. */
  readonly fullMaps: readonly string[]
  /** Partitions that have records at the broker, are not paused, and get none. */
  readonly starved: readonly {
    readonly id: string
    readonly waiting: number
    readonly forMs: number
  }[]
}

export function assessHealth(facts: HealthFacts): Health {
  const onPurpose = facts.pausedWhy !== null || facts.heldBy.length > 0
  const stuck = onPurpose ? [] : stuckReasons(facts)
  const degraded = degradedReasons(facts)
  return {
    status: stuck.length > 0 ? 'stuck' : degraded.length > 0 ? 'degraded' : 'ok',
    reasons: [...stuck, ...degraded],
    oldestInFlightMs: facts.oldestInFlightMs,
    blockedKeys: facts.retrying + facts.lettersWaiting + facts.parked.keys,
  }
}

function stuckReasons(facts: HealthFacts): string[] {
  const reasons: string[] = []
  if (facts.buffered > 0 && facts.noProgressMs >= facts.stuckAfterMs)
    reasons.push(
      `${facts.buffered} records wait and none has finished for ${seconds(facts.noProgressMs)}`,
    )
  for (const { id, waiting, forMs } of facts.starved)
    if (forMs >= facts.stuckAfterMs)
      reasons.push(
        `${id}: ${waiting} records wait at the broker and none was delivered for ${seconds(forMs)}`,
      )
  if (facts.commitPendingMs >= facts.stuckAfterMs)
    reasons.push(`a commit has had no answer for ${seconds(facts.commitPendingMs)}`)
  return reasons
}

function degradedReasons(facts: HealthFacts): string[] {
  const reasons: string[] = []
  if (facts.failed !== null) reasons.push(`stopped: ${facts.failed}`)
  if (facts.pausedWhy !== null) reasons.push(`paused: ${facts.pausedWhy}`)
  reasons.push(...facts.heldBy)
  if (facts.ownershipInDoubt)
    reasons.push('no answered heartbeat lately: no handler starts until there is one')
  if (facts.lettersWaiting > 0)
    reasons.push(`${facts.lettersWaiting} dead letters could not be written yet`)
  if (facts.retrying > 0) reasons.push(`${facts.retrying} records wait for another attempt`)
  if (facts.commitFailures > 0)
    reasons.push(`the last ${facts.commitFailures} commits were not stored`)
  if (facts.parked.keys > 0)
    reasons.push(`${facts.parked.keys} keys are parked, ${facts.parked.records} records wait there`)
  if (facts.fullMaps.length > 0)
    reasons.push(
      `${facts.fullMaps.join(', ')}: too much finished beyond an unfinished record to be remembered in a commit, so nothing more is taken until it is done`,
    )
  if (facts.detached > 0)
    reasons.push(`${facts.detached} handlers go on although their signal aborted`)
  return reasons
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1_000)} s`
}
