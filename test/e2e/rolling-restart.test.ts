/**
 * Three members under load are restarted one after the other, as a deployment does it: nothing is lost, done twice or out
 * of order, whatever protocol they speak. On Shoal's broker and on Apache Kafka.
 */

import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { LedgerRun } from 'shoal/testing'
import { ApacheKafka, apacheKafkaMissing } from '../real/apache-kafka.ts'
import { needs } from '../real/services.ts'
import { ShoalProcess } from '../real/shoal.ts'
import { kinds, settings as settingsOf } from './member-options.ts'

const RECORDS = 3_000
const MEMBERS = ['a', 'b', 'c']
const KEYS = 100
/** From here on the records of each key wait at the gate until the last restart, so that there is load to the end. */
const FIRST_AT_GATE = RECORDS / KEYS / 2
/** Who leaves says so: nobody is waited for, and a machine that stands still costs no member its place. */
const SESSION_TIMEOUT_MS = 45_000
const settings = settingsOf(SESSION_TIMEOUT_MS)

const brokers = [
  { name: 'Shoal', missing: null, start: () => ShoalProcess.start({ settings }) },
  {
    name: 'Apache Kafka',
    missing: apacheKafkaMissing(),
    start: () => ApacheKafka.start({ properties: settings }),
  },
] as const

for (const { name, missing, start } of brokers)
  describe(`a rolling restart of three members on ${name}`, needs(missing), () => {
    test('drains: 0 lost, 0 done twice, 0 out of order, in every protocol', async (context) => {
      await using broker = await start()
      for (const kind of kinds) context.diagnostic(await restartAll(broker.bootstrap, kind))
    })
  })

async function restartAll(brokers: string, kind: string): Promise<string> {
  await using folder = await gateFolder()
  await using run = await LedgerRun.open({
    module: new URL('member-worker.ts', import.meta.url),
    brokers,
    topic: `rolling-${kind}`,
    group: `${kind}-rolling`,
    records: RECORDS,
    keys: KEYS,
    partitions: 6,
    value: (_key, sequence) => (sequence < FIRST_AT_GATE ? '' : folder.gate),
    concurrency: null,
    sessionTimeoutMs: SESSION_TIMEOUT_MS,
    stuckAfterMs: 60_000,
  })
  for (const member of MEMBERS) run.startWorker(`${member}0`)
  for (const [index, member] of MEMBERS.entries()) {
    await run.untilEnded(300 + index * 600)
    const worker = run.workers.find((one) => one.name === `${member}0`)
    assert.ok(worker, `${member}0 has ended by itself\n${run.takeUnexpectedExits().join('\n')}`)
    worker.signal('SIGTERM')
    await worker.exited
    run.startWorker(`${member}1`)
  }
  const stillToDo = RECORDS - run.look()
  assert.ok(stillToDo > 0, 'all was done before the last restart: there was no load')
  await writeFile(folder.gate, '')
  await run.untilEnded(RECORDS)
  await run.finish()
  const { lost, outOfOrder, repeated } = run.judge.verdict()
  assert.deepEqual([lost, outOfOrder, repeated], [[], [], 0], kind)
  return `${kind}: ${RECORDS} records, ${stillToDo} to do after the last restart, 0 lost, 0 done twice`
}

async function gateFolder() {
  const path = await mkdtemp(join(tmpdir(), 'shoal-gate-'))
  return {
    gate: join(path, 'open'),
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  }
}
