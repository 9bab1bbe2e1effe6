/** A consumer that is wrong on purpose: it lets go of a record before the work is done, so commits cover unfinished work. */

import { setTimeout } from 'node:timers/promises'
import { consumer } from 'shoal'
import { kafka } from 'shoal/kafka'
import type { LedgerJob } from 'shoal/testing'

export async function run({ brokers, topic, group, sessionTimeoutMs, ledger, signal }: LedgerJob) {
  const heartbeatIntervalMs = sessionTimeoutMs / 10
  const running = await consumer({
    group,
    source: kafka({ brokers, topics: [topic], sessionTimeoutMs, heartbeatIntervalMs }),
    concurrency: 20,
    commit: { every: '50ms', records: 20 },
    handle: async (_value, ctx) => {
      ledger.begin(ctx)
      const { partition, offset } = ctx
      void setTimeout(200).then(() => ledger.done({ partition, offset }))
      await setTimeout(5)
    },
  }).start({ signal })
  await running.finished
}
