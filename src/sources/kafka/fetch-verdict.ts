/**
 * What an error of one partition in a Fetch answer, or damage in its bytes, leads to: pure.
 */

import { ShoalError, messageOf } from '../../core/index.ts'
import type { ErrorCode } from '../../core/index.ts'
import { isRetriable } from '../../protocol/index.ts'
import type { KafkaErrorCode } from '../../protocol/index.ts'
import type { Track } from './fetch-track.ts'

export type FetchVerdict =
  /** Leader or topic changed: ask the cluster again, then repeat. */
  | 'look-again'
  /** The position is not in the log: the reset policy decides. */
  | 'out-of-range'
  /** The broker found bytes that are damaged: repeat a few times. */
  | 'damaged'
  /** It will not get better by itself. */
  | 'stop'

export function fetchVerdict(error: KafkaErrorCode): FetchVerdict {
  switch (error) {
    case 'OFFSET_OUT_OF_RANGE':
      return 'out-of-range'
    case 'CORRUPT_MESSAGE':
      return 'damaged'
    // A broker that fails in a way it did not expect may do better the next time.
    case 'UNKNOWN_SERVER_ERROR':
      return 'look-again'
    default:
      return isRetriable(error) ? 'look-again' : 'stop'
  }
}

/** What the user can do, beside reading the reason. */
const REMEDIES: { readonly [code in ErrorCode]?: string } = {
  SHOAL_DECOMPRESSION_LIMIT:
    '; if it is to be trusted, raise fetch.maxDecompressedBytes, else set the group past it',
  SHOAL_CORRUPT_BATCH: '; restore it on the broker, or leave it out by setting the group past it',
}
/** Damaged answers in a row for one partition that end the session: damage on the way is rarer than damage on disk. */
const MAX_DAMAGED = 3
/** What came as it was sent and cannot be read will not be readable the next time either. */
const FINAL: readonly ErrorCode[] = ['SHOAL_DECOMPRESSION_LIMIT', 'SHOAL_UNSUPPORTED_COMPRESSION']

/** The end of a partition that came damaged from this offset on; null: it is worth fetching again. */
export function unreadableFor(
  { partition: { topic, partition }, damaged }: Track,
  offset: number,
  error: unknown,
): ShoalError | null {
  const code = error instanceof ShoalError ? error.code : 'SHOAL_CORRUPT_BATCH'
  if (damaged < MAX_DAMAGED && !FINAL.includes(code)) return null
  const reason = `partition ${partition} of topic ${topic} cannot be read from offset ${offset} on: ${messageOf(error)}${REMEDIES[code] ?? ''}`
  return new ShoalError(code, reason, { cause: error, details: { topic, partition, offset } })
}
