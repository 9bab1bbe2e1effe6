/** ListPartitionReassignments v0: partitions do not move on one node, so there are never any. */

import { listPartitionReassignments } from '../../../protocol/index.ts'
import { handler } from './define.ts'

export const handleListPartitionReassignments = handler(listPartitionReassignments, async () => ({
  throttleTimeMs: 0,
  errorCode: 'NONE' as const,
  errorMessage: null,
  topics: [],
}))
