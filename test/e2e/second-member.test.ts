/**
 * A second member joins while the first works: what does not move is not done twice, and nothing has two owners.
 *
 * On Shoal's broker and on Apache Kafka. The ledger of both processes is one file, so its order is the order in time.
 */

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { LedgerRun, type LedgerEntry } from 'shoal/testing'
import { ApacheKafka, apacheKafkaMissing } from '../real/apache-kafka.ts'
import { needs } from '../real/services.ts'
import { ShoalProcess } from '../real/shoal.ts'

const RECORDS = 6_000
const KEYS = 200
const PARTITIONS = 8
/** From here on the records of each key wait at the gate until the second member works, so that it finds work. */
const FIRST_AT_GATE = 20

describe('a second member that joins under load', () => {
  test('on Shoal: takes over without a record done twice', async (context) => {
    await using broker = await ShoalProcess.start()
    context.diagnostic(await joinAndJudge(broker.bootstrap))
  })

  test(
    'on Apache Kafka: takes over without a record done twice',
    needs(apacheKafkaMissing()),
    async (context) => {
      await using broker = await ApacheKafka.start()
      context.diagnostic(await joinAndJudge(broker.bootstrap))
    },
  )
})

async function joinAndJudge(bootstrap: string): Promise<string> {
  const entries: LedgerEntry[] = []
  const folder = mkdtempSync(join(tmpdir(), 'shoal-gate-'))
  using _ = { [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) }
  const gate = join(folder, 'open')
  await using run = await LedgerRun.open({
    module: new URL('second-member-worker.ts', import.meta.url),
    brokers: bootstrap,
    topic: 'join',
    group: 'join-group',
    records: RECORDS,
    keys: KEYS,
    partitions: PARTITIONS,
    value: (_key, sequence) => JSON.stringify({ gate: sequence < FIRST_AT_GATE ? '' : gate }),
    concurrency: 20,
    sessionTimeoutMs: 30_000,
    stuckAfterMs: 120_000,
    onEntry: (entry) => {
      if (entry.what === 'commit') return
      entries.push(entry)
      if (entry.worker === 'second') writeFileSync(gate, '')
    },
  })
  run.startWorker('first')
  await run.untilEnded(500)
  run.startWorker('second')
  await run.untilEnded(RECORDS)
  await run.finish()

  const verdict = run.judge.verdict()
  assert.deepEqual(verdict.lost, [])
  assert.deepEqual(verdict.outOfOrder, [])
  const owners = ownersOf(entries)
  const moved = [...owners]
    .filter(([, workers]) => workers.size > 1)
    .map(([partition]) => partition)
  const secondOnly = new Set(
    entries.filter(({ worker }) => worker === 'second').map(({ partition }) => partition),
  )
  assert.ok(secondOnly.size > 0, 'the second member never worked')
  assert.ok(secondOnly.size < PARTITIONS, 'the second member took everything')
  assert.equal(verdict.repeated, 0, 'records done twice')
  assert.deepEqual(overlaps(entries), [], 'records of one partition under way with two owners')
  return `${RECORDS} records, ${moved.length} of ${PARTITIONS} partitions moved, done twice 0, two owners 0`
}

function ownersOf(entries: readonly LedgerEntry[]): ReadonlyMap<number, ReadonlySet<string>> {
  const owners = new Map<number, Set<string>>()
  for (const { partition, worker } of entries)
    owners.set(partition, (owners.get(partition) ?? new Set()).add(worker))
  return owners
}

/** A partition's records begun by one worker while another still works on that partition. */
function overlaps(entries: readonly LedgerEntry[]): readonly string[] {
  const running = new Map<number, Map<string, number>>()
  const found: string[] = []
  for (const { what, worker, partition, offset } of entries) {
    const workers = running.get(partition) ?? new Map<string, number>()
    running.set(partition, workers)
    workers.set(worker, (workers.get(worker) ?? 0) + (what === 'begin' ? 1 : -1))
    const others = [...workers].filter(([name, count]) => name !== worker && count > 0)
    if (what === 'begin' && others.length > 0)
      found.push(`partition ${partition} offset ${offset} by ${worker}`)
  }
  return found
}
