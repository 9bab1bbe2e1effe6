/** When a message that is published wants to be seen: `delay`, `deliver_at`, or now. */

import type { FieldProblem } from '../../http/index.ts'
import type { SentMessage } from './message-json.ts'

export interface Due {
  readonly dueMs: number
  /** It was given as a span from now, not as a time of day. */
  readonly isDelay: boolean
}

/** Null: now, also for a time that has passed. */
export function dueOf(
  message: Pick<SentMessage, 'delay' | 'deliver_at' | 'deliverAt'>,
  nowMs: number,
  maxDelayMs: number,
): Due | null | FieldProblem {
  const given = (['delay', 'deliver_at', 'deliverAt'] as const).filter(
    (name) => message[name] !== undefined,
  )
  const [path, other] = given
  if (path === undefined) return null
  if (other !== undefined)
    return { path: other, message: `is given beside ${path}: say one of them` }
  const isDelay = path === 'delay'
  const value = message[path] ?? 0
  const dueMs = typeof value === 'string' ? Date.parse(value) : isDelay ? nowMs + value : value
  if (dueMs <= nowMs) return null
  if (!(dueMs - nowMs <= maxDelayMs))
    return {
      path,
      message: `is more than ${maxDelayMs} ms from now, the longest delay (shoal.delayed.max.ms)`,
    }
  return { dueMs, isDelay }
}
