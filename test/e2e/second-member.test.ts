/**
 * A second member joins while the first works: what does not move is not done twice, and nothing has two owners.
 *
 * On Shoal's broker and on Apache Kafka. The ledger of both processes is one file, so its order is the order in time.
 */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ApacheKafka, apacheKafkaMissing } from '../real/apache-kafka.ts'
import { needs } from '../real/services.ts'
import { ShoalProcess } from '../real/shoal.ts'
import { judge, type Entry } from './ledger.ts'
import { LedgerRun } from './ledger-run.ts'

const RECORDS = 6_000
const KEYS = 200
const PARTITIONS = 8

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
  await using run = await LedgerRun.open({
    bootstrap,
    topic: 'join',
    records: RECORDS,
    keys: KEYS,
    partitions: PARTITIONS,
    workMs: 20,
    concurrency: 20,
    sessionTimeoutMs: 30_000,
  })
  const first = await run.startWorker('first')
  await run.untilDone(500)
  const second = await run.startWorker('second')
  await run.untilDone(RECORDS)
  await Promise.all([first.stop(), second.stop()])

  const entries = await run.entries()
  const verdict = judge(entries, run.expected)
  assert.deepEqual(verdict.lost, [])
  assert.deepEqual(verdict.disordered, [])
  const owners = ownersOf(entries)
  const moved = [...owners]
    .filter(([, workers]) => workers.size > 1)
    .map(([partition]) => partition)
  const secondOnly = new Set(
    entries.filter(({ worker }) => worker === 'second').map(({ partition }) => partition),
  )
  assert.ok(secondOnly.size > 0, 'the second member never worked')
  assert.ok(secondOnly.size < PARTITIONS, 'the second member took everything')
  assert.deepEqual(doneTwice(entries), [], 'records done twice')
  assert.deepEqual(overlaps(entries), [], 'records of one partition under way with two owners')
  return `${RECORDS} records, ${moved.length} of ${PARTITIONS} partitions moved, done twice 0, two owners 0`
}

function ownersOf(entries: readonly Entry[]): ReadonlyMap<number, ReadonlySet<string>> {
  const owners = new Map<number, Set<string>>()
  for (const { partition, worker } of entries)
    owners.set(partition, (owners.get(partition) ?? new Set()).add(worker))
  return owners
}

function doneTwice(entries: readonly Entry[]): readonly string[] {
  const seen = new Set<string>()
  return entries
    .filter(({ what }) => what === 'done')
    .map(({ key, sequence }) => `${key}/${sequence}`)
    .filter((id) => seen.size === seen.add(id).size)
}

/** A partition's records begun by one worker while another still works on that partition. */
function overlaps(entries: readonly Entry[]): readonly string[] {
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
