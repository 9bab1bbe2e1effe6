/**
 * A member that sleeps for twice its session and wakes in the middle of its work: nothing that it does then counts. Not
 * what its runtime commits, nor what is sent by hand in its name. On Shoal's broker and on Apache Kafka.
 */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { waitFor } from 'shoal/testing'
import { consumer } from '../../src/consumer/index.ts'
import {
  KafkaClient,
  KafkaProducer,
  committedOffsets,
  kafka,
} from '../../src/sources/kafka/index.ts'
import { createTopic } from '../conformance/kafka-fixture.ts'
import { ApacheKafka, apacheKafkaMissing } from '../real/apache-kafka.ts'
import { Program } from '../real/program.ts'
import { needs } from '../real/services.ts'
import { ShoalProcess } from '../real/shoal.ts'
import { kinds, memberOptions, settings as settingsOf } from './member-options.ts'

const RECORDS = 80
/** Ends while the zombie sleeps; the heir keeps its place when the machine stands still for some seconds. */
const SESSION_TIMEOUT_MS = 6_000
const settings = settingsOf(SESSION_TIMEOUT_MS)
const FENCED =
  /^by hand (?:UNKNOWN_MEMBER_ID|ILLEGAL_GENERATION|STALE_MEMBER_EPOCH|FENCED_INSTANCE_ID)$/m

const brokers = [
  { name: 'Shoal', missing: null, start: () => ShoalProcess.start({ settings }) },
  {
    name: 'Apache Kafka',
    missing: apacheKafkaMissing(),
    start: () => ApacheKafka.start({ properties: settings }),
  },
] as const

for (const { name, missing, start } of brokers)
  describe(`a zombie on ${name}`, needs(missing), () => {
    test('that slept for twice its session commits nothing, in every protocol', async (context) => {
      await using broker = await start()
      const told = await Promise.all(kinds.map((kind) => sleepAndWake(broker.bootstrap, kind)))
      for (const line of told) context.diagnostic(line)
    })
  })

async function sleepAndWake(brokers: string, kind: string): Promise<string> {
  const topic = `zombie-${kind}`
  const group = `${kind}-zombie`
  await using client = await KafkaClient.open({ brokers })
  await createTopic(client, { name: topic, partitionCount: 2, replicationFactor: 1 })
  await fill(brokers, topic)
  await using zombie = startZombie(brokers, topic, group)
  await zombie.until(({ stdout }) => stdout.includes('working'))

  zombie.kill('SIGSTOP')
  // How long it sleeps is what this is about; nothing is waited for by it.
  const asleep = setTimeout(2 * SESSION_TIMEOUT_MS)
  const ends = new Set<string>()
  await using heir = await consumer({
    group,
    source: kafka({
      brokers,
      topics: [topic],
      ...memberOptions(group, 'heir', SESSION_TIMEOUT_MS),
    }),
    handle: (_value, { partition, offset }) => void ends.add(`${partition}/${offset}`),
  }).start()
  const stored = async () => {
    const both = [0, 1].map((partition) => ({ topic, partition }))
    const offsets = await client.retrying(() => committedOffsets(client, group, both))
    return [...offsets.values()].map(({ offset }) => offset)
  }
  const half = RECORDS / 2
  const isDone = async () => (await stored()).every((offset) => offset === half)
  await waitFor(isDone, { what: `${kind}: the heir has committed everything` })
  await asleep

  zombie.kill('SIGCONT')
  await zombie.until(({ stdout }) => /^by hand /m.test(stdout) && /^lost 2$/m.test(stdout))
  zombie.kill('SIGTERM')
  const { stdout } = await zombie.finished()
  assert.match(stdout, FENCED)
  const { finishedLate, attemptedLate, acceptedLate } = JSON.parse(
    stdout.trim().split('\n').at(-1)!,
  )
  assert.deepEqual([finishedLate, acceptedLate, ends.size], [half, 0, half], stdout)
  assert.deepEqual(await stored(), [half, half])
  await heir.drain()
  const [byHand] = FENCED.exec(stdout) ?? []
  return `${kind}: ${finishedLate} handlers finished late; of ${attemptedLate} commits of the runtime 0 accepted, ${byHand}`
}

async function fill(brokers: string, topic: string): Promise<void> {
  await using producer = await KafkaProducer.open({ brokers })
  await Promise.all(
    Array.from({ length: RECORDS }, (_, index) =>
      producer.send({
        topic,
        partition: index % 2,
        key: Buffer.from(`k${index}`),
        value: Buffer.from(String(index)),
        headers: [],
      }),
    ),
  )
}

function startZombie(brokers: string, topic: string, group: string): Program {
  return new Program(process.execPath, [
    '--disable-warning=ExperimentalWarning',
    '--conditions=@shoal/source',
    join(import.meta.dirname, 'zombie-worker.ts'),
    brokers,
    topic,
    group,
    String(RECORDS),
    String(SESSION_TIMEOUT_MS),
  ])
}
