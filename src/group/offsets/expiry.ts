/**
 * Which committed offsets nobody will come back for: those of a group that was idle (nobody in, nothing committed) for the
 * whole retention.
 *
 * Two clocks have to agree. Wall time may jump (a machine that boots in 1970 and then learns the date), so an offset goes
 * only when the broker has also seen the retention pass while it ran: `observedMs` counts monotonic time over all its
 * runs and is kept in the journal. Time that the broker was down does not count; offsets live longer, never shorter.
 *
 * Kafka also expires single topics that a living group no longer reads, and single partitions of a group that is
 * committed to from outside; here a group that somebody uses loses nothing.
 */

import type { GroupDeletedRecord, OffsetsDeletedRecord, Stamp } from '../records.ts'
import type { TopicOffsets } from './offset-table.ts'

export function expireOffsets(
  group: { readonly groupId: string; readonly idleSince: Stamp },
  offsets: TopicOffsets,
  { now, retentionMs }: { readonly now: Stamp; readonly retentionMs: number },
): (OffsetsDeletedRecord | GroupDeletedRecord)[] {
  const { groupId, idleSince } = group
  const idleMs = Math.min(now.wallMs - idleSince.wallMs, now.observedMs - idleSince.observedMs)
  let kept = 0
  const expired: { topic: string; partitions: number[] }[] = []
  for (const [topic, committed] of offsets) {
    const partitions: number[] = []
    for (const [partition, { commitTimestampMs, expireTimestampMs }] of committed) {
      const wishedMs =
        expireTimestampMs === null ? retentionMs : expireTimestampMs - commitTimestampMs
      if (idleMs >= wishedMs) partitions.push(partition)
      else kept++
    }
    if (partitions.length > 0) expired.push({ topic, partitions })
  }
  // A group without members and offsets is nothing but a name.
  if (kept === 0) return [{ kind: 'group-deleted', groupId }]
  return expired.length === 0 ? [] : [{ kind: 'offsets-deleted', groupId, topics: expired }]
}
