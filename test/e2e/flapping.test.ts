/**
 * Groups of every kind of member under constant change, all at once on one broker under load: two events a second in each
 * group (a member joins, leaves or is killed), then quiet.
 *
 * Checked: no partition has two owners, no commit of a member that is out is taken, no position goes back, every record is
 * processed, and each group comes to rest. SHOAL_FLAPPING_SECONDS=60 runs the long form, SHOAL_SEED=4711 another plan.
 */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { KafkaClient, KafkaProducer } from '../../src/sources/kafka/index.ts'
import { pythonMissing } from '../real/python.ts'
import { needs } from '../real/services.ts'
import { shoal, ShoalProcess } from '../real/shoal.ts'
import { elapse, eventually } from '../seeds/waiting.ts'
import { FlappingGroup } from './flapping-group.ts'
import { kinds } from './group-members.ts'

const SECONDS = Number(process.env['SHOAL_FLAPPING_SECONDS'] ?? 12)
const SEED = Number(process.env['SHOAL_SEED'] ?? 1)
const EVENT_EVERY_MS = 500
const PARTITIONS = 8
const SESSION_TIMEOUT_MS = 3_000
const HEARTBEAT_MS = 500
/** The long form, which wants a quiet machine: converged within this of the last event. The short one has to converge. */
const CONVERGED_MS = process.env['SHOAL_FLAPPING_SECONDS'] === undefined ? null : 5_000
const TOPIC = 'flapping'

describe('groups under constant change', needs(pythonMissing('2.16.1')), () => {
  test(`keep their promises for ${SECONDS} s of two events a second`, async (context) => {
    await using broker = await ShoalProcess.start({
      settings: {
        'group.min.session.timeout.ms': '1000',
        'group.consumer.session.timeout.ms': String(SESSION_TIMEOUT_MS),
        'group.consumer.heartbeat.interval.ms': String(HEARTBEAT_MS),
      },
    })
    const { bootstrap } = broker
    await shoal(['topics', 'create', TOPIC, '--partitions', String(PARTITIONS), '-b', bootstrap])
    await using client = await KafkaClient.open({ brokers: bootstrap })
    const groups = kinds.map(
      (kind, index) =>
        new FlappingGroup({
          kind,
          seed: SEED * 100 + index,
          client,
          bootstrap,
          url: broker.url,
          topic: TOPIC,
          partitionCount: PARTITIONS,
          sessionTimeoutMs: SESSION_TIMEOUT_MS,
          heartbeatIntervalMs: HEARTBEAT_MS,
        }),
    )
    const stop = new AbortController()
    const load = produce(client, stop.signal)
    await Promise.all(groups.map((group) => group.join()))
    const events = Math.round((SECONDS * 1_000) / EVENT_EVERY_MS)
    for (let event = 0; event < events; event++) {
      await elapse(EVENT_EVERY_MS)
      await Promise.all(groups.map((group) => group.event()))
      if (event % 4 === 0) await Promise.all(groups.map((group) => group.lookAtCommits()))
    }

    await eventually(
      async () => groups.filter((group) => !group.isConverged()).map(({ group }) => group),
      (unsettled) => unsettled.length === 0,
    )
    stop.abort()
    const ends = await load
    await eventually(
      async () => groups.map((group) => group.missing(ends)),
      (missing) => missing.every((count) => count === 0),
    )
    await eventually(
      async () => Promise.all(groups.map((group) => group.lookAtCommits())),
      (committed) => committed.every((offsets) => offsets.join() === ends.join()),
    )
    await Promise.all(groups.map((group) => group.commitAsZombies()))
    const converged = groups.map(({ convergedAfterMs }) => Math.round(convergedAfterMs))
    await Promise.all(groups.map((group) => group.lookAtCommits()))
    await Promise.all(groups.map((group) => group.close()))

    const records = ends.reduce((sum, end) => sum + end, 0)
    context.diagnostic(
      `session ${SESSION_TIMEOUT_MS} ms, heartbeat ${HEARTBEAT_MS} ms, ${events} events a group, ${records} records, seed ${SEED}`,
    )
    groups.forEach(({ group, journal, counts }, index) => {
      const { violations, fenced } = journal.overlaps()
      const { joins, leaves, kills, processed, repeated, refused } = counts
      context.diagnostic(
        `${group}: ${joins} joins, ${leaves} leaves, ${kills} kills; ${journal.size} assignments, ${violations.length} double owners (${fenced} after a fence); ${processed} processed, ${repeated} repeated, 0 lost; ${refused} fenced commits refused; converged after ${converged[index]} ms`,
      )
    })
    for (const { group, journal, violations, counts } of groups) {
      assert.deepEqual(journal.overlaps().violations, [], group)
      assert.deepEqual(violations, [], group)
      assert.equal(counts.processed, records, group)
      assert.ok(counts.kills > 0 && counts.leaves > 0 && counts.refused > 0, group)
    }
    for (const ms of converged)
      if (CONVERGED_MS !== null) assert.ok(ms <= CONVERGED_MS, `converged after ${ms} ms`)
  })
})

/** One record to every partition, ten times a second; resolves with the end of each. */
async function produce(client: KafkaClient, signal: AbortSignal): Promise<readonly number[]> {
  const producer = new KafkaProducer(client)
  const ends = Array.from({ length: PARTITIONS }, () => 0)
  const value = new TextEncoder().encode('x')
  while (!signal.aborted) {
    await Promise.all(
      ends.map((_, partition) =>
        producer.send({ topic: TOPIC, partition, key: null, value, headers: [] }),
      ),
    )
    ends.forEach((end, partition) => (ends[partition] = end + 1))
    await elapse(100)
  }
  await producer.close()
  return ends
}
