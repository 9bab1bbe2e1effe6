/** A consumer that keeps no order at all, and does not say so. */

import { setTimeout } from 'node:timers/promises'
import { consumer } from 'shoal'
import { kafka } from 'shoal/kafka'
import type { LedgerJob } from 'shoal/testing'

export async function run({ brokers, topic, group, ledger, signal }: LedgerJob) {
  const running = await consumer({
    group,
    source: kafka({ brokers, topics: [topic] }),
    order: 'none',
    handle: async (_value, ctx) => {
      ledger.begin(ctx)
      await setTimeout(5)
      ledger.done(ctx)
    },
  }).start({ signal })
  await running.finished
}
