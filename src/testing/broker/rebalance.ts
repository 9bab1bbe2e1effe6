/**
 * A rebalance on demand: a guest joins the group as one more member, and leaves again once the group gave it its share.
 *
 * The guest takes what it is assigned and does nothing with it, so nothing is done twice and nothing is committed. What
 * the others gave up for it comes back to them when it leaves. In a group with more members than partitions the guest may
 * get nothing; its joining is a rebalance all the same.
 */

import type { Assignment, Source, SourceEvents } from '../../consumer/index.ts'

/** Resolves when the guest has joined and left. */
export async function rebalanceByGuest(source: Source, group: string): Promise<void> {
  const joined = Promise.withResolvers<void>()
  const events: SourceEvents = {
    assigned: (_assignments: readonly Assignment[]) => joined.resolve(),
    revoked: () => Promise.resolve(),
    lost: () => {},
    records: () => {},
    endOfPartition: () => {},
    notice: ({ kind }) => {
      if (kind === 'joined') joined.resolve()
    },
    failed: (error) => joined.reject(error),
  }
  const session = await source.open({ group, events, drainTimeoutMs: 1_000 })
  try {
    await joined.promise
  } finally {
    await session.close()
  }
}
