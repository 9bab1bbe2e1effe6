/**
 * A commit of the group in a partition that it is also delivered record by record: everything below counts as done, whoever
 * holds it. Behind the start the group begins anew, as after a reset: what was acknowledged from there on comes again.
 */

import type { ShareRecord } from './records.ts'
import { startSharePartition } from './lifecycle.ts'
import type { SharePartition } from './share-partition.ts'

/** @param offset negative: no position at all, as clients may commit; the state ends */
export function commitSharePartition(partition: SharePartition, offset: number): ShareRecord[] {
  const { groupId, topicId, partition: index, stateEpoch, startOffset } = partition
  const id = { groupId, topicId, partition: index }
  if (offset < 0) return [{ kind: 'share-deleted', ...id, stateEpoch }]
  if (offset === startOffset) return []
  return offset > startOffset
    ? [{ kind: 'share-committed', ...id, stateEpoch, startOffset: offset }]
    : [startSharePartition(id, partition, offset)]
}
