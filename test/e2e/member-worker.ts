/**
 * A worker of the rolling restarts: a member in the protocol that the name of its group says, dynamic or static.
 *
 * Handlers wait 5 ms for somebody else, and longer at the gate that a record names. Asked to stop, it finishes what it has begun, commits and leaves.
 */

import { setTimeout } from 'node:timers/promises'
import type { LedgerJob } from 'shoal/testing'
import { consumer, telemetry } from '../../src/consumer/index.ts'
import { kafka } from '../../src/sources/kafka/index.ts'
import { passGate } from './gate.ts'
import { memberOptions } from './member-options.ts'

export async function run(job: LedgerJob): Promise<void> {
  const { brokers, topic, group, worker, sessionTimeoutMs, ledger, signal } = job
  telemetry.commit.subscribe((event) => ledger.committed(event))
  const running = await consumer({
    group,
    source: kafka({
      brokers,
      topics: [topic],
      ...memberOptions(group, worker, sessionTimeoutMs),
    }),
    concurrency: 20,
    decode: 'text',
    handle: async (gate, ctx) => {
      ledger.begin(ctx)
      await setTimeout(5)
      await passGate(gate ?? '', 500)
      ledger.done(ctx)
    },
  }).start({ signal })
  await running.finished
}
