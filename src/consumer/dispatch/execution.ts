/**
 * One execution: the payload is read, then the handler called; and what its end says of what is behind the handler.
 */

import { ShoalError } from '../../core/index.ts'
import type { Ended } from '../failure/circuits.ts'
import type { Settings } from '../resolve-options.ts'
import { telemetry } from '../telemetry.ts'
import type { Attempt } from './attempt.ts'
import type { Verdict } from './outcome.ts'

/** What the handler returned; a promise only where the schema or the handler is asynchronous. Throws what they throw. */
export function execute(settings: Settings, attempt: Attempt): unknown {
  const value = read(settings, attempt)
  return value instanceof Promise
    ? value.then((known) => (attempt.cause === null ? handle(settings, known, attempt) : undefined))
    : handle(settings, value, attempt)
}

function read({ read: reader }: Settings, attempt: Attempt): unknown {
  const decoded = attempt.hasItem ? attempt.item.decoded : null
  const { value } = attempt.record
  if (decoded === null) return reader === null ? value : reader(value)
  if ('error' in decoded) throw decoded.error
  // Once: a handler may change what it was given, and the next attempt must see the record as it is.
  attempt.item.decoded = null
  return decoded.value
}

function handle(settings: Settings, value: unknown, attempt: Attempt): unknown {
  if (!telemetry.handle.hasSubscribers) return settings.handle(value, attempt)
  const event = { group: settings.group, ctx: attempt }
  return telemetry.handle.tracePromise(async () => settings.handle(value, attempt), event)
}

const TIMED_OUT = new ShoalError(
  'SHOAL_REQUEST_TIMEOUT',
  'the handler took longer than its timeout',
)

/** What an execution says of what is behind the handler. */
export function endedAs({ cause, work }: Attempt, verdict: Verdict): Ended {
  if (cause === 'timeout') return { kind: 'failed', error: TIMED_OUT }
  if (cause !== null || work.state === 'gone') return { kind: 'ignored' }
  switch (verdict.kind) {
    case 'handled':
    case 'skipped':
      return SUCCEEDED
    case 'threw':
      return { kind: 'failed', error: verdict.error }
    default:
      return { kind: 'ignored' }
  }
}

const SUCCEEDED: Ended = { kind: 'succeeded' }
