/**
 * What the broker's answer to a commit means for the runtime: pure.
 *
 * `retry` whenever nothing is known to be stored and the partition is still ours; `stale` when it is not.
 */

import type { CommitResult } from '../../consumer/index.ts'
import type { KafkaErrorCode } from '../../protocol/index.ts'

/** @param isOwned whether the partition is still this epoch's, after the membership has heard of the error */
export function commitOutcome(error: KafkaErrorCode, isOwned: boolean): CommitResult['outcome'] {
  if (error === 'NONE') return 'committed'
  return isOwned ? 'retry' : 'stale'
}
