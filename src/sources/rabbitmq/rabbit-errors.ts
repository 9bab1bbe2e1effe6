/**
 * What an error of RabbitMQ, or of the connection to it, means: pure.
 */

import { ShoalError, messageOf } from '../../core/index.ts'

export type RabbitTrouble = 'away' | 'credentials' | 'mismatch' | 'gone' | 'refused'

export function troubleOf(error: unknown): RabbitTrouble {
  const message = messageOf(error)
  if (/ACCESS[_-]REFUSED|NOT[_-]ALLOWED|\b403\b/i.test(message)) return 'credentials'
  if (/PRECONDITION[_-]FAILED|\b406\b/i.test(message)) return 'mismatch'
  if (/NOT[_-]FOUND|\b404\b/i.test(message)) return 'gone'
  if (/COMMAND[_-]INVALID|\b503\b|SYNTAX[_-]ERROR|\bNOT[_-]IMPLEMENTED/i.test(message))
    return 'refused'
  // A mistake in a program is not mended by trying again.
  if (error instanceof TypeError || error instanceof RangeError) return 'refused'
  return 'away'
}

/** Worth another try. What is gone was there a moment ago: it is declared anew. */
export function mayPass(error: unknown): boolean {
  const trouble = troubleOf(error)
  return trouble === 'away' || trouble === 'gone'
}

const ADVICE: Readonly<Record<RabbitTrouble, string>> = {
  away: 'RabbitMQ did not answer',
  credentials: 'RabbitMQ refused the user, the password or the vhost (set them in the url)',
  mismatch:
    "a queue or exchange of this name exists with other properties (type, single active consumer): choose another topic name, or set queueType or sharing: 'competing' as it is",
  gone: 'a queue or exchange is not there',
  refused: 'RabbitMQ refused the request',
}

/** @param what what it concerns: `queue orders.0, group billing` */
export function rabbitError(error: unknown, what: string): ShoalError {
  if (error instanceof ShoalError) return error
  const trouble = troubleOf(error)
  const code = trouble === 'away' ? 'SHOAL_BROKER_UNREACHABLE' : 'SHOAL_REQUEST_FAILED'
  return new ShoalError(code, `${what}: ${ADVICE[trouble]} (${messageOf(error)})`, { cause: error })
}
