/**
 * What an error of one partition in a Fetch answer leads to: pure.
 */

import { isRetriable } from '../../protocol/index.ts'
import type { KafkaErrorCode } from '../../protocol/index.ts'

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
