/**
 * Calls of the HTTP API that are tried again while the broker cannot be reached or says that it is busy, and its refusals as
 * errors.
 */

import { ShoalError, sleep } from '../core/index.ts'
import type { Clock, ErrorCode, Timers } from '../core/index.ts'
import type { ReceivedProblem } from '../http/index.ts'

type AnyReply = { readonly ok: true } | { readonly ok: false; readonly problem: ReceivedProblem }

/** Calls until there is an answer, or the limit is over: then it rejects, or answers the last refusal. */
export type Retrying = <R extends AnyReply>(call: () => Promise<R>, limitMs: number) => Promise<R>

const FIRST_WAIT_MS = 50
const LONGEST_WAIT_MS = 1_000

export function retryingWith(clock: Clock, timers: Timers): Retrying {
  return async (call, limitMs) => {
    const endMs = clock.monotonicMs() + limitMs
    for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
      const isOver = clock.monotonicMs() + waitMs >= endMs
      try {
        const reply = await call()
        if (reply.ok || isOver || !isBusy(reply.problem)) return reply
        await sleep(timers, Math.max(waitMs, (reply.problem.retryAfterSeconds ?? 0) * 1_000))
      } catch (error) {
        if (isOver || !isPassing(error)) throw error
        await sleep(timers, waitMs)
      }
    }
  }
}

export function isPassing(error: unknown): boolean {
  return error instanceof ShoalError && error.retriable
}

function isBusy({ status }: ReceivedProblem): boolean {
  return status === 503 || status === 429
}

const CODES: Readonly<Record<string, ErrorCode>> = {
  NO_OFFSET: 'SHOAL_NO_OFFSET',
  MEMBER_FENCED: 'SHOAL_MEMBER_FENCED',
  UNKNOWN_TOPIC: 'SHOAL_UNKNOWN_TOPIC',
  UNKNOWN_GROUP: 'SHOAL_UNKNOWN_GROUP',
  INVALID_REQUEST: 'SHOAL_INVALID_ARGUMENT',
}

/** A refusal that ends what was asked for. */
export function problemError({ code, status, detail }: ReceivedProblem): ShoalError {
  return new ShoalError(CODES[code] ?? 'SHOAL_REQUEST_FAILED', detail, {
    details: { code, status },
  })
}
