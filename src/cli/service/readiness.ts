/**
 * Whether a service is ready, check by check, and why not. Pure.
 *
 * Ready: it is in its group, it is not stopping, and it is not stuck. A probe that fails for any of these must not kill the
 * process: what lives is told by /livez, which looks at none of them.
 */

import type { Health } from '../../consumer/index.ts'

export interface ReadinessFacts {
  /** It has been a member since its start. */
  readonly hasJoined: boolean
  readonly isStopping: boolean
  readonly health: Health
  /** Alerts on lag that fire now; told, never a reason to be not ready. */
  readonly firing: readonly string[]
}

export interface Check {
  readonly status: 'pass' | 'fail'
  readonly message: string
}

export interface Readiness {
  readonly isReady: boolean
  readonly checks: Readonly<Record<'group' | 'running' | 'progress' | 'lag', Check>>
}

export function assessReadiness(facts: ReadinessFacts): Readiness {
  const { hasJoined, isStopping, health, firing } = facts
  const checks = {
    group: check(hasJoined, hasJoined ? 'in its group' : 'has not joined its group yet'),
    running: check(!isStopping, isStopping ? 'stopping: finishes what runs' : 'takes records'),
    progress: check(health.status !== 'stuck', progressWords(health)),
    lag: check(true, firing.length === 0 ? 'no alert' : `alerts: ${firing.join(', ')}`),
  }
  return { isReady: Object.values(checks).every(({ status }) => status === 'pass'), checks }
}

function progressWords({ status, reasons, oldestInFlightMs, blockedKeys }: Health): string {
  const oldest = `the oldest handler has run for ${(oldestInFlightMs / 1_000).toFixed(1)} s`
  return `${[status, ...reasons].join('; ')}; ${oldest}; ${blockedKeys} keys wait`
}

function check(holds: boolean, message: string): Check {
  return { status: holds ? 'pass' : 'fail', message }
}
