/**
 * The crash ledger on Shoal's broker and on Apache Kafka: processes of the runtime are killed and stopped at seeded
 * moments, and nothing is lost, every key stays in order, and no more is repeated than the crashes explain.
 *
 * A failing run prints its seed; SHOAL_SEED repeats its moments. The last tests show that the ledger can fail.
 */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { crashLedger } from 'shoal/testing'
import type { CrashLedgerOptions, CrashReport } from 'shoal/testing'
import { ApacheKafka, apacheKafkaMissing } from '../real/apache-kafka.ts'
import { needs } from '../real/services.ts'
import { ShoalProcess } from '../real/shoal.ts'

const SEED = Number(process.env['SHOAL_SEED'] ?? 20_261_121)
/** A killed member is waited for no longer than this; its partitions then go to its successor. */
const SESSION_TIMEOUT_MS = 1_500
const settings = { 'group.min.session.timeout.ms': '1000' }

const brokers = [
  { name: 'Shoal', missing: null, start: () => ShoalProcess.start({ settings }) },
  {
    name: 'Apache Kafka',
    missing: apacheKafkaMissing(),
    start: () =>
      ApacheKafka.start({
        properties: { ...settings, 'group.initial.rebalance.delay.ms': '0' },
      }),
  },
] as const

describe(`the runtime under the crash ledger (seed ${SEED})`, () => {
  for (const { name, missing, start } of brokers)
    test(
      `on ${name}: SIGKILLs and a SIGSTOP lose nothing and disorder nothing`,
      needs(missing),
      async (context) => {
        await using broker = await start()
        const killed = await run(broker.bootstrap, 'ledger-worker-uneven.ts', {})
        context.diagnostic(`3 SIGKILLs: ${told(killed)}`)
        clean(killed, 4_000)
        assert.ok(killed.repeated <= killed.explainedByCompletion, told(killed))

        const forgetful = await run(broker.bootstrap, 'ledger-worker-forgetful.ts', {})
        context.diagnostic(`the same without completion memory: ${told(forgetful)}`)
        clean(forgetful, 4_000)
        assert.ok(forgetful.repeated <= forgetful.explainedByPosition, told(forgetful))
        assert.ok(
          killed.repeated <= forgetful.repeated / 4,
          `${killed.repeated} repeated with memory, ${forgetful.repeated} without`,
        )

        const stopped = await run(broker.bootstrap, 'ledger-worker.ts', {
          records: 2_000,
          members: 2,
          kills: 1,
          stops: 1,
        })
        context.diagnostic(`a SIGKILL and a SIGSTOP of one of two: ${told(stopped)}`)
        clean(stopped, 2_000)
      },
    )

  test('a consumer that commits before it works is caught: records are lost', async () => {
    await using broker = await ShoalProcess.start({ settings })
    const report = await run(broker.bootstrap, 'ledger-worker-hasty.ts', {
      records: 2_000,
      kills: 2,
    })
    assert.ok(report.lost.length > 0, told(report))
    assert.equal(report.passed, false)
  })

  test('a consumer without order is caught', async () => {
    await using broker = await ShoalProcess.start({ settings })
    const report = await run(broker.bootstrap, 'ledger-worker-unordered.ts', {
      records: 400,
      keys: 4,
      kills: 0,
    })
    assert.ok(report.outOfOrder.length > 0, told(report))
    assert.equal(report.passed, false)
  })
})

function run(
  bootstrap: string,
  module: string,
  options: Partial<CrashLedgerOptions>,
): Promise<CrashReport> {
  return crashLedger({
    module: new URL(module, import.meta.url),
    brokers: bootstrap,
    sessionTimeoutMs: SESSION_TIMEOUT_MS,
    seed: SEED,
    ...options,
  })
}

function clean(report: CrashReport, records: number): void {
  const { lost, outOfOrder, unexpectedExits, done } = report
  assert.deepEqual(
    { lost, outOfOrder, unexpectedExits, done },
    { lost: [], outOfOrder: [], unexpectedExits: [], done: records },
  )
  assert.ok(report.passed)
}

function told({ done, lost, outOfOrder, repeated, inFlight, ...report }: CrashReport): string {
  return `done ${done}, lost ${lost.length}, out of order ${outOfOrder.length}, repeated ${repeated} (explained by position ${report.explainedByPosition}, by completion ${report.explainedByCompletion}), in flight ${inFlight}, ${Math.round(report.durationMs)} ms`
}
