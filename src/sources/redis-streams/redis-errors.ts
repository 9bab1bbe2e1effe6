/**
 * What an error of Redis, or of the connection to it, means: pure.
 */

import { ShoalError, messageOf } from '../../core/index.ts'
import type { ErrorCode } from '../../core/index.ts'

export type RedisTrouble =
  /** Nothing is known of the request: the connection was lost, or the answer is late, or the server is not ready. */
  'away' | 'credentials' | 'wrong-type' | 'no-group' | 'refused'

/** What a server says that is not ready, is full, or has just changed its part: it passes. */
const PASSES =
  /\b(?:LOADING|READONLY|MASTERDOWN|NOMASTERLINK|TRYAGAIN|CLUSTERDOWN|BUSY|MOVED|ASK|UNBLOCKED|OOM|MISCONF|NOREPLICAS)\b|max number of clients/

export function troubleOf(error: unknown): RedisTrouble {
  const message = messageOf(error)
  if (/^(?:WRONGPASS|NOAUTH|NOPERM)\b|ERR AUTH|invalid username-password/i.test(message))
    return 'credentials'
  if (/\bWRONGTYPE\b/.test(message)) return 'wrong-type'
  if (/\bNOGROUP\b/.test(message)) return 'no-group'
  if (PASSES.test(message)) return 'away'
  if (isReply(error) || isOurs(error)) return 'refused'
  return 'away'
}

const CODES: Readonly<Record<RedisTrouble, ErrorCode>> = {
  away: 'SHOAL_BROKER_UNREACHABLE',
  credentials: 'SHOAL_REQUEST_FAILED',
  'wrong-type': 'SHOAL_REQUEST_FAILED',
  'no-group': 'SHOAL_UNKNOWN_GROUP',
  refused: 'SHOAL_REQUEST_FAILED',
}

const ADVICE: Readonly<Record<RedisTrouble, string>> = {
  away: 'Redis did not answer',
  credentials: 'Redis refused the user name or the password (set them in the url)',
  'wrong-type': 'the key is not a stream: choose another topic name, or move the key',
  'no-group':
    'the consumer group, or its stream, is gone from Redis (FLUSHALL, a failover, XGROUP DESTROY). It is not made anew, for entries could be skipped: create it at the entry to go on from, then start again',
  refused: 'Redis refused the request',
}

/** @param what what it concerns: `stream orders, group billing` */
export function redisError(error: unknown, what: string): ShoalError {
  if (error instanceof ShoalError) return error
  const trouble = troubleOf(error)
  return new ShoalError(CODES[trouble], `${what}: ${ADVICE[trouble]} (${messageOf(error)})`, {
    cause: error,
  })
}

/** A mistake in a program is not mended by trying again. */
function isOurs(error: unknown): boolean {
  return error instanceof TypeError || error instanceof RangeError
}

/** An answer of the server, as against a failure to get one. */
function isReply(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError'
}
