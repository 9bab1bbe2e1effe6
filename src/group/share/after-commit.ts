/** What commits and deleted offsets of groups mean to records that are in flight: further records of the same decision. */

import type { GroupRecord } from '../records.ts'
import type { GroupTopics } from '../topics.ts'
import { commitSharePartition } from './commit.ts'
import { applyShareRecord, type SharePartition } from './share-partition.ts'
import type { ShareRecord } from './records.ts'
import type { SharePartitions } from './share-table.ts'

/** What stands for a position where there is none. */
const NO_OFFSET = -1

export function deliveriesAfter(
  records: readonly GroupRecord[],
  shares: SharePartitions,
  topics: GroupTopics,
): readonly ShareRecord[] {
  if (shares.size === 0 || records.length === 0) return []
  const result: ShareRecord[] = []
  // A request may name a partition twice: the second commit meets what the first one leaves.
  const drafts = new Map<SharePartition, SharePartition | null>()
  const moved = (groupId: string, topic: string, partition: number, offset: number) => {
    const topicId = topics.byName(topic)?.topicId ?? ''
    const share = shares.get({ groupId, topicId, partition })
    const draft = share && (drafts.has(share) ? drafts.get(share) : share)
    if (share === null || draft == null) return
    const further = commitSharePartition(draft, offset)
    drafts.set(share, further.reduce<SharePartition | null>(applyShareRecord, draft))
    result.push(...further)
  }
  for (const record of records)
    if (record.kind === 'share-deleted') {
      const share = shares.get(record)
      if (share !== null) drafts.set(share, null)
    } else if (record.kind === 'offsets-committed')
      for (const { topic, partitions } of record.topics)
        for (const { partition, offset } of partitions)
          moved(record.groupId, topic, partition, offset)
    else if (record.kind === 'offsets-deleted')
      for (const { topic, partitions } of record.topics)
        for (const partition of partitions) moved(record.groupId, topic, partition, NO_OFFSET)
  return result
}
