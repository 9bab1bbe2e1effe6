/**
 * A worker of the rolling restarts: a member in the protocol that the name of its group says, dynamic or static.
 *
 * Handlers wait 5 ms for somebody else. Asked to stop, it finishes what it has begun, commits and leaves.
 */

import { setTimeout } from 'node:timers/promises'
import type { LedgerJob } from 'shoal/testing'
import { consumer, telemetry } from '../../src/consumer/index.ts'
import { kafka } from '../../src/sources/kafka/index.ts'
import { memberOptions } from './member-options.ts'

export async function run(job: LedgerJob): Promise<void> {
  const { brokers, topic, group, worker, ledger, signal } = job
  telemetry.commit.subscribe((event) => ledger.committed(event))
  const running = await consumer({
    group,
    source: kafka({ brokers, topics: [topic], ...memberOptions(group, worker) }),
    concurrency: 20,
    handle: async (_value, ctx) => {
      ledger.begin(ctx)
      await setTimeout(5)
      ledger.done(ctx)
    },
  }).start({ signal })
  await running.finished
}
