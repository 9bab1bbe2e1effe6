/**
 * What sources must do for records that cannot be handled: dead letters, delivery counts. Part of the source suite.
 */

import assert from 'node:assert/strict'
import { consumer, telemetry } from '../../src/consumer/index.ts'
import type { DeliveredRecord, OutgoingRecord, Report, Running } from '../../src/consumer/index.ts'
import { RecordingMember, waitUntil } from './recording-member.ts'
import type { Seen } from './recording-member.ts'
import type { Case, ConformanceFixture } from './source-suite.ts'
import { numbered, text, words } from './suite-records.ts'

export const failureCases: readonly Case[] = [
  {
    name: 'a dead letter ends its record at the broker, once, and no other record',
    async run(fixture, group) {
      const topic = await fixture.createTopic(1)
      const letters = await fixture.createTopic(1)
      await fixture.produce(numbered(topic, 0, 3))
      await using first = await RecordingMember.join(fixture.source([topic]), group)
      await first.until('three records', () => first.seen.length === 3)
      const [, bad] = first.seen
      assert.equal(await first.session.deadLetter?.(letterOf(bad!, letters), placeOf(bad!)), 'done')
      // As after an answer that was lost.
      await first.session.deadLetter?.(letterOf(bad!, letters), placeOf(bad!))
      for (const to of [topic, letters]) await first.session.produce(marker(to))
      await first.session.close()
      assert.deepEqual(await valuesUntilMarker(fixture, topic, group), ['v0', 'v2'])
      assert.deepEqual(await valuesUntilMarker(fixture, letters, `${group}-letters`), ['v1'])
    },
  },
  {
    name: 'a dead letter of a record that is no longer ours ends nothing',
    async run(fixture, group) {
      assert.ok(fixture.expel, 'the fixture cannot expel: skip this test with a reason')
      const topic = await fixture.createTopic(1)
      const letters = await fixture.createTopic(1)
      await fixture.produce(numbered(topic, 0, 1))
      await using member = await RecordingMember.join(fixture.source([topic]), group)
      await member.until('the record', () => member.seen.length === 1)
      const [former] = member.seen
      await fixture.expel(group, member.session.memberId)
      await member.until('the record again', () => member.seen.length === 2)
      const letter = letterOf(former!, letters)
      assert.equal(await member.session.deadLetter?.(letter, placeOf(former!)), 'stale')
      assert.equal(await member.session.deadLetter?.(letter, placeOf(member.seen[1]!)), 'done')
      await member.session.produce(marker(letters))
      await member.session.close()
      assert.deepEqual(await valuesUntilMarker(fixture, letters, `${group}-letters`), ['v0'])
    },
  },
  {
    name: 'a record that a member took and lost says how often it was handed out',
    async run(fixture, group) {
      assert.ok(fixture.expel, 'the fixture cannot expel: skip this test with a reason')
      const topic = await fixture.createTopic(1)
      await fixture.produce(numbered(topic, 0, 1))
      await using member = await RecordingMember.join(fixture.source([topic]), group)
      for (let delivery = 1; delivery <= 3; delivery++) {
        await member.until(`delivery ${delivery}`, () => member.seen.length === delivery)
        assert.equal(member.seen[delivery - 1]?.record.deliveryCount ?? 1, delivery)
        if (delivery < 3) await fixture.expel(group, member.session.memberId)
      }
    },
  },
  {
    name: 'a record that was handed out too often goes to the dead letters instead of running again',
    async run(fixture, group) {
      assert.ok(fixture.expel, 'the fixture cannot expel: skip this test with a reason')
      const topic = await fixture.createTopic(1)
      const letters = await fixture.createTopic(1)
      await fixture.produce(numbered(topic, 0, 1))
      const before = await RecordingMember.join(fixture.source([topic]), group)
      await before.until('the record', () => before.seen.length === 1)
      await fixture.expel(group, before.session.memberId)
      await before.until('the record again', () => before.seen.length === 2)
      await before.session.close()
      // Not while somebody has the record: what is taken with it is counted with it.
      const writer = await RecordingMember.join(fixture.source([letters]), `${group}-writer`)
      await writer.session.produce(marker(topic))
      await writer.session.close()
      const handled: [string, number][] = []
      const running = await consumer({
        group,
        source: fixture.source([topic]),
        decode: 'text',
        retry: { maxDeliveries: 1 },
        deadLetter: letters,
        handle: (value: string | null, { attempt }) => void handled.push([value ?? '', attempt]),
      }).start()
      await untilReport(running, 'both', ({ deadLettered }) => handled.length + deadLettered === 2)
      await running.drain()
      assert.deepEqual(handled, [[MARKER, 1]])
      await using reader = await RecordingMember.join(fixture.source([letters]), `${group}-reader`)
      await reader.until('the letter', () => reader.seen.length === 1)
      const [letter] = reader.seen
      assert.equal(words(letter?.record.value), 'v0')
      assert.equal(headerOf(letter!, 'shoal-dlq-reason'), 'too-many-deliveries')
      assert.ok(Number(headerOf(letter!, 'shoal-dlq-attempts')) >= 1)
    },
  },
  {
    name: 'a parked key holds its records, in order, until they can be handled, over a restart',
    async run(fixture, group) {
      const topic = await fixture.createTopic(2)
      const parked = await fixture.createTopic(2)
      const handled: string[] = []
      let isDown = true
      const start = (): Promise<Running> =>
        consumer({
          group,
          source: fixture.source([topic]),
          decode: 'text',
          retry: { attempts: 2, backoff: { kind: 'fixed', base: 5 }, finally: 'park-key' },
          parked: { topic: () => parked, backoff: { kind: 'fixed', base: 50, jitter: 'none' } },
          handle: (value: string | null, { key }) => {
            if (key === 'bad' && isDown) throw new Error('down')
            handled.push(value ?? '')
          },
        }).start()
      const records = ['bad', 'good', 'bad', 'good', 'bad', 'bad', 'good'].map((key, index) => {
        const value = text(`${key}-${index}`)
        return { topic, partition: 1, key: text(key), value, headers: [] }
      })
      await fixture.produce(records.slice(0, 5))
      const first = await start()
      await untilReport(first, 'three parked', (report) => report.parked === 3)
      await untilReport(first, 'the others', () => handled.length === 2)
      await first.drain()
      isDown = false
      await fixture.produce(records.slice(5))
      const second = await start()
      await untilReport(second, 'all', () => handled.length === 7)
      await second.drain()
      const ofKey = (key: string) => handled.filter((value) => value.startsWith(key))
      assert.deepEqual(ofKey('bad'), ['bad-0', 'bad-2', 'bad-4', 'bad-5'])
      assert.deepEqual(ofKey('good'), ['good-1', 'good-3', 'good-6'])
    },
  },
  {
    name: 'a record that failed is tried again later, over a restart, and holds up no other',
    async run(fixture, group) {
      const topic = await fixture.createTopic(1)
      const retries = await fixture.createTopic(1)
      const letters = await fixture.createTopic(1)
      const attempts: [string, number][] = []
      const handled: string[] = []
      const ids = new Set<string>()
      const start = (later: readonly number[]): Promise<Running> =>
        consumer({
          group,
          source: fixture.source([topic]),
          decode: 'text',
          retry: { attempts: 1, later },
          parked: { topic: () => retries },
          deadLetter: letters,
          handle: (value: string | null, { id, attempt }) => {
            if (value === 'v0' && handled.length < 4) {
              ids.add(id)
              attempts.push([value, attempt])
              throw new Error('not yet')
            }
            handled.push(value ?? '')
          },
        }).start()
      await fixture.produce(numbered(topic, 0, 4))
      const waits = [300, 100]
      const first = await start(waits)
      await untilReport(first, 'the others', () => handled.length === 3)
      // Where the broker hands it out again, it ends as any record; where the runtime does, it is recovered.
      const ended = ({ deadLettered, recovered }: Report) => deadLettered + recovered
      const isPutOff = (report: Report) => report.parked + ended(report) === 1
      await untilReport(first, 'the one put off, or at its end already', isPutOff)
      await first.drain()
      assert.deepEqual(handled, ['v1', 'v2', 'v3'])
      // Each wait once, in whichever of the two it ends, then the dead letters.
      const second = await start(waits)
      await untilReport(
        second,
        'the end of the record',
        (report) => ended(report) + ended(first.report()) === 1,
      )
      await second.drain()
      await using reader = await RecordingMember.join(fixture.source([letters]), `${group}-reader`)
      await reader.until('the letter', () => reader.seen.length === 1)
      assert.equal(words(reader.seen[0]?.record.value), 'v0')
      assert.equal(attempts.length, 3)
      assert.deepEqual(handled, ['v1', 'v2', 'v3'])
      assert.equal(ids.size, 1)
    },
  },
]

/** Looks after every record that ends. */
async function untilReport(
  running: Running,
  what: string,
  holds: (report: Report) => boolean,
): Promise<void> {
  let wake = (): void => {}
  const told = (): void => wake()
  telemetry.end.subscribe(told)
  try {
    await waitUntil(
      what,
      () => holds(running.report()),
      (woken) => (wake = woken),
    )
  } finally {
    telemetry.end.unsubscribe(told)
  }
}

function headerOf({ record }: Seen, name: string): string {
  return words(record.headers.find(({ key }) => key === name)?.value)
}

const MARKER = 'marker'

function marker(topic: string): OutgoingRecord {
  return { topic, partition: null, key: text('k'), value: text(MARKER), headers: [] }
}

function letterOf({ record }: Seen, topic: string): OutgoingRecord {
  const headers = [{ key: 'why', value: text('it failed') }]
  return { topic, partition: null, key: record.key, value: record.value, headers }
}

function placeOf({ topic, partition, epoch, record }: Seen): DeliveredRecord {
  return { topic, partition, epoch, record }
}

/** What a group that reads the topic now is given before the marker. */
async function valuesUntilMarker(
  fixture: ConformanceFixture,
  topic: string,
  group: string,
): Promise<string[]> {
  await using reader = await RecordingMember.join(fixture.source([topic]), group)
  const values = () => reader.seen.map(({ record }) => words(record.value))
  await reader.until('the marker', () => values().includes(MARKER))
  return values().filter((value) => value !== MARKER)
}
