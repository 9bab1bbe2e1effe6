/**
 * A backlog as one look of `drain-model.ts`, so that rates and the time to catch up are the same sums for every broker. Pure.
 *
 * A broker that counts what was ever written stands for a log that begins at 0: its end is that count, the group is `lag`
 * before it. One that does not count leaves the end where it is; then only the shrinking of the lag is seen as reading.
 */

import type { GroupBacklog } from './broker-port.ts'
import type { LagLook } from './drain-model.ts'

export function backlogLook({ partitions }: GroupBacklog, atMs: number): LagLook {
  return {
    atMs,
    facts: partitions.map(({ topic, partition, lag, writtenCount, oldestUnreadMs }) => {
      const endOffset = writtenCount ?? 0
      const committedOffset = endOffset - (lag ?? 0)
      return {
        topic,
        partition,
        startOffset: committedOffset,
        endOffset,
        committedOffset,
        oldestMs: oldestUnreadMs === null ? null : atMs - oldestUnreadMs,
      }
    }),
  }
}
