/**
 * The runtime's process is killed at seeded moments: nothing lost, every key in order, repeats counted.
 *
 * On Shoal's broker and on Apache Kafka. The seed decides after how many finished records each kill comes; a failing run
 * prints it, SHOAL_SEED repeats it.
 */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { randomBelow, seededRandom } from '../../src/core/index.ts'
import { ApacheKafka, apacheKafkaMissing } from '../real/apache-kafka.ts'
import { needs } from '../real/services.ts'
import { ShoalProcess } from '../real/shoal.ts'
import { judge } from './ledger.ts'
import { LedgerRun } from './ledger-run.ts'

const RECORDS = 4_000
const KEYS = 200
const KILLS = 3
const SEED = Number(process.env['SHOAL_SEED'] ?? 20_261_121)

describe(`${KILLS} SIGKILLs of the runtime over ${RECORDS} records and ${KEYS} keys (seed ${SEED})`, () => {
  test('on Shoal: none lost, none out of order', async (context) => {
    await using broker = await ShoalProcess.start()
    context.diagnostic(await killAndJudge(broker.bootstrap))
  })

  test(
    'on Apache Kafka: none lost, none out of order',
    needs(apacheKafkaMissing()),
    async (context) => {
      await using broker = await ApacheKafka.start()
      context.diagnostic(await killAndJudge(broker.bootstrap))
    },
  )
})

async function killAndJudge(bootstrap: string): Promise<string> {
  const random = seededRandom(SEED)
  await using run = await LedgerRun.open({
    bootstrap,
    topic: 'ledger',
    records: RECORDS,
    keys: KEYS,
    partitions: 8,
    workMs: 20,
    concurrency: 100,
    // A killed member is waited for no longer than this; its partitions then go to its successor.
    sessionTimeoutMs: 6_000,
  })
  for (let kill = 0; kill < KILLS; kill++) {
    const worker = await run.startWorker(`worker-${kill}`)
    const before = new Set(
      (await run.entries())
        .filter(({ what }) => what === 'done')
        .map(({ key, sequence }) => `${key}/${sequence}`),
    ).size
    await run.untilDone(Math.min(RECORDS, before + 300 + randomBelow(random, 600)))
    worker.kill('SIGKILL')
    await worker.finished()
  }
  const last = await run.startWorker('worker-last')
  await run.untilDone(RECORDS)
  await last.stop()

  const verdict = judge(await run.entries(), run.expected)
  assert.deepEqual(verdict.lost, [])
  assert.deepEqual(verdict.disordered, [])
  assert.equal(verdict.done, RECORDS)
  return `done ${verdict.done}, lost 0, out of order 0, repeated ${verdict.repeated}, in flight at a kill ${verdict.restarted}`
}
