/**
 * What every source must do, whatever its broker: the promises of `consumer/source.ts` as tests.
 *
 * A source runs it with a fixture over its broker; what it cannot do it skips by name, with a reason. Nothing waits for
 * a duration: every step waits for the event it needs.
 */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { OutgoingRecord, Source } from '../../src/consumer/index.ts'
import { failureCases } from './failure-cases.ts'
import { RecordingMember, idOf } from './recording-member.ts'
import { skips } from './skips.ts'
import type { Backend, Skips } from './skips.ts'
import { both, numbered, plain, range, text, words } from './suite-records.ts'

export interface ConformanceFixture {
  /** Creates a topic with a name of its own. */
  createTopic(partitionCount: number): Promise<string>
  /** Appends records to the partitions they name, in order, and waits for the broker. */
  produce(records: readonly OutgoingRecord[]): Promise<void>
  /** What the group has committed, as the broker says it. */
  committed(
    group: string,
    topic: string,
  ): Promise<ReadonlyMap<number, { readonly offset: number; readonly metadata: string }>>
  /** A source of these topics that begins with the oldest record where nothing is committed. */
  source(topics: readonly string[]): Source
  /** False where `produce` chooses the positions, and so the times, of its records itself. */
  readonly keepsTime?: boolean
  /** True where a topic comes into being with its first record: until then it is an empty one. */
  readonly makesTopics?: boolean
  /** Throws a member out of its group at the broker, as an expired session would; the member is not told. */
  expel?(group: string, memberId: string): Promise<void>
  close(): Promise<void>
}

export interface Conformance {
  readonly name: string
  /** Whose skips apply. */
  readonly backend: Backend
  open(): Promise<ConformanceFixture>
}

export interface Case {
  readonly name: string
  run(fixture: ConformanceFixture, group: string): Promise<void>
}

export function sourceConformance({ name, backend, open }: Conformance): void {
  const skipped: Skips = skips[backend]
  const unknown = Object.keys(skipped).filter((behaviour) => !behaviours.includes(behaviour))
  describe(`source conformance: ${name}`, () => {
    let fixture: ConformanceFixture
    before(async () => {
      fixture = await open()
    })
    after(() => fixture.close())

    const done = new Set<string>()
    for (const [index, { name, run }] of cases.entries())
      test(name, { skip: skipped[name] ?? false }, async () => {
        const group = `conformance-${index}-${groupCount++}`
        await run(fixture, group)
        done.add(name)
      })
    test('skips only tests that exist, and runs all others', () => {
      assert.deepEqual(unknown, [])
      assert.deepEqual(
        behaviours.filter((behaviour) => !done.has(behaviour)),
        behaviours.filter((behaviour) => skipped[behaviour] !== undefined),
      )
    })
  })
}

let groupCount = 0

const sourceCases: readonly Case[] = [
  {
    name: 'delivers every record of every partition, in order, from the beginning of a new group',
    async run(fixture, group) {
      const topic = await fixture.createTopic(3)
      await fixture.produce([...numbered(topic, 0, 40), ...numbered(topic, 1, 25)])
      await using member = await RecordingMember.join(fixture.source([topic]), group)
      await member.until('all records', () => member.seen.length >= 65)
      assert.deepEqual(member.offsets(topic, 0), range(40))
      assert.deepEqual(member.offsets(topic, 1), range(25))
      assert.deepEqual(member.partitionsOf(topic), [0, 1, 2])
      assert.deepEqual(
        [0, 1, 2].map((partition) => member.assignment(topic, partition).startOffset),
        [0, 0, 0],
      )
      assert.equal(member.assignment(topic, 2).committed, null)
      assert.deepEqual(member.errors, [])
    },
  },
  {
    name: 'keeps keys, values, nulls and headers byte for byte',
    async run(fixture, group) {
      const topic = await fixture.createTopic(1)
      const bytes = Uint8Array.from({ length: 256 }, (_, index) => index)
      const headers = [
        { key: 'a', value: bytes },
        { key: 'a', value: text('again') },
        { key: 'none', value: null },
        { key: 'empty', value: new Uint8Array(0) },
      ]
      const empty = new Uint8Array(0)
      await fixture.produce([
        { topic, partition: 0, key: bytes, value: bytes, headers },
        { topic, partition: 0, key: null, value: null, headers: [] },
        { topic, partition: 0, key: empty, value: empty, headers: [] },
      ])
      await using member = await RecordingMember.join(fixture.source([topic]), group)
      await member.until('three records', () => member.seen.length >= 3)
      assert.deepEqual(
        member.seen.map(({ record }) => ({
          key: plain(record.key),
          value: plain(record.value),
          headers: record.headers.map(({ key, value }) => ({ key, value: plain(value) })),
        })),
        [
          {
            key: [...bytes],
            value: [...bytes],
            headers: headers.map(({ key, value }) => ({ key, value: plain(value) })),
          },
          { key: null, value: null, headers: [] },
          { key: [], value: [], headers: [] },
        ],
      )
      if (fixture.keepsTime !== false)
        assert.ok(member.seen.every(({ record }) => record.timestampMs > 0))
    },
  },
  {
    name: 'a batch says where to go on and where the partition ends',
    async run(fixture, group) {
      const topic = await fixture.createTopic(1)
      await fixture.produce(numbered(topic, 0, 30))
      await using member = await RecordingMember.join(fixture.source([topic]), group)
      await member.until('all records', () => member.seen.length >= 30)
      let position = 0
      for (const batch of member.batches) {
        const offsets = [...batch.records].map((record) => record.offset)
        assert.ok(offsets.every((offset) => offset >= position && offset < batch.nextOffset))
        assert.ok(batch.endOffset >= batch.nextOffset)
        assert.ok(batch.byteLength >= batch.records.length)
        position = batch.nextOffset
      }
      assert.equal(position, 30)
    },
  },
  {
    name: 'says when everything there is was delivered',
    async run(fixture, group) {
      const topic = await fixture.createTopic(1)
      await fixture.produce(numbered(topic, 0, 5))
      await using member = await RecordingMember.join(fixture.source([topic]), group)
      await member.until('the end', () => member.ends.some(({ offset }) => offset === 5))
      assert.equal(member.seen.length, 5)
    },
  },
  {
    name: 'delivers what is produced while it runs',
    async run(fixture, group) {
      const topic = await fixture.createTopic(1)
      await using member = await RecordingMember.join(fixture.source([topic]), group)
      await member.until('the assignment', () => member.owned.size === 1)
      for (let round = 1; round <= 3; round++) {
        await fixture.produce(numbered(topic, 0, 4))
        await member.until(`round ${round}`, () => member.seen.length >= 4 * round)
      }
      assert.deepEqual(member.offsets(topic, 0), range(12))
      assert.equal(member.assignments.length, 1)
    },
  },
  {
    name: 'a commit with its metadata survives, and the next member starts there',
    async run(fixture, group) {
      const topic = await fixture.createTopic(2)
      await fixture.produce([...numbered(topic, 0, 10), ...numbered(topic, 1, 10)])
      await using first = await RecordingMember.join(fixture.source([topic]), group)
      await first.until('all records', () => first.seen.length >= 20)
      const { epoch } = first.assignment(topic, 0)
      const position = { topic, partition: 0, epoch, offset: 7, metadata: 'what "ünïcode" said' }
      assert.deepEqual([...(await first.commit([position]))], [[`${topic}/0`, 'committed']])
      await first.session.close()

      const stored = await fixture.committed(group, topic)
      assert.deepEqual(stored.get(0), { offset: 7, metadata: 'what "ünïcode" said' })
      assert.equal(stored.has(1), false)
      await using second = await RecordingMember.join(fixture.source([topic]), group)
      await second.until('the rest', () => second.seen.length >= 13)
      assert.deepEqual(second.assignment(topic, 0).committed, {
        offset: 7,
        metadata: 'what "ünïcode" said',
      })
      assert.equal(second.assignment(topic, 0).startOffset, 7)
      assert.deepEqual(second.offsets(topic, 0), [7, 8, 9])
      assert.deepEqual(second.offsets(topic, 1), range(10))
    },
  },
  {
    name: 'a commit of an epoch that is over is stale and changes nothing',
    async run(fixture, group) {
      const topic = await fixture.createTopic(1)
      await fixture.produce(numbered(topic, 0, 10))
      await using member = await RecordingMember.join(fixture.source([topic]), group)
      await member.until('all records', () => member.seen.length >= 10)
      const { epoch } = member.assignment(topic, 0)
      await member.commit([{ topic, partition: 0, epoch, offset: 3, metadata: '' }])
      const outcomes = await member.commit([
        { topic, partition: 0, epoch: epoch - 1, offset: 9, metadata: '' },
      ])
      assert.equal(outcomes.get(`${topic}/0`), 'stale')
      assert.equal((await fixture.committed(group, topic)).get(0)?.offset, 3)
    },
  },
  {
    name: 'pause holds one partition, and resume goes on without a gap',
    async run(fixture, group) {
      const topic = await fixture.createTopic(2)
      await using member = await RecordingMember.join(fixture.source([topic]), group)
      await member.until('the assignment', () => member.owned.size === 2)
      const held = member.assignment(topic, 0)
      member.session.pause(held)
      await fixture.produce(numbered(topic, 0, 1))
      // Whatever fetch was under way when it paused has been answered once the other partition delivered twice.
      for (let round = 1; round <= 2; round++) {
        await fixture.produce(numbered(topic, 1, 5))
        await member.until('the other', () => member.offsets(topic, 1).length >= 5 * round)
      }
      const before = member.offsets(topic, 0).length
      await fixture.produce(numbered(topic, 0, 5))
      for (let round = 3; round <= 5; round++) {
        await fixture.produce(numbered(topic, 1, 5))
        await member.until('the other', () => member.offsets(topic, 1).length >= 5 * round)
      }
      assert.ok(member.offsets(topic, 0).length <= Math.max(1, before))
      member.session.resume(held)
      await member.until('the held', () => member.offsets(topic, 0).length >= 6)
      assert.deepEqual(member.offsets(topic, 0), range(6))
      assert.deepEqual(member.offsets(topic, 1), range(25))
    },
  },
  {
    name: 'produce resolves when the record is there to be read',
    async run(fixture, group) {
      const topic = await fixture.createTopic(1)
      const letters = await fixture.createTopic(1)
      await using member = await RecordingMember.join(fixture.source([topic]), group)
      await member.until('the assignment', () => member.owned.size === 1)
      const headers = [{ key: 'why', value: text('because') }]
      await member.session.produce({
        topic: letters,
        partition: null,
        key: text('k'),
        value: text('v'),
        headers,
      })
      await member.session.close()
      await using reader = await RecordingMember.join(fixture.source([letters]), `${group}-reader`)
      await reader.until('the letter', () => reader.seen.length === 1)
      const record = reader.seen[0]!.record
      assert.deepEqual([plain(record.key), plain(record.value)], [[...text('k')], [...text('v')]])
      assert.deepEqual(
        record.headers.map(({ key, value }) => [key, plain(value)]),
        [['why', [...text('because')]]],
      )
    },
  },
  {
    name: 'two members share the partitions, and a partition moves only after its owner drained',
    async run(fixture, group) {
      const topic = await fixture.createTopic(4)
      const source = fixture.source([topic])
      for (const partition of range(4)) await fixture.produce(numbered(topic, partition, 5))
      await using first = await RecordingMember.join(source, group)
      await first.until('all records', () => first.seen.length >= 20)
      const gate = Promise.withResolvers<void>()
      first.onRevoked = async (partitions) => {
        await gate.promise
        await first.commit(
          partitions.map((partition) => ({ ...partition, offset: 5, metadata: 'drained' })),
        )
      }
      const opening = RecordingMember.join(source, group)
      await using ending = new AsyncDisposableStack()
      ending.defer(async () => (await opening)[Symbol.asyncDispose]())
      // What is deferred last ends first: the second member may come in only once the first has drained.
      ending.defer(() => gate.resolve())
      await first.until('the revoke', () => first.revocations.length > 0)
      const moving = first.revocations.map((partition) => partition.partition)
      assert.deepEqual((await fixture.committed(group, topic)).size, 0)
      gate.resolve()
      const second = await opening
      await second.until('its share', () => second.partitionsOf(topic).length === 2)
      await first.until('its share', () => first.partitionsOf(topic).length === 2)
      assert.deepEqual(
        [...first.partitionsOf(topic), ...second.partitionsOf(topic)].sort((a, b) => a - b),
        [0, 1, 2, 3],
      )
      for (const assignment of second.owned.values()) {
        assert.ok(moving.includes(assignment.partition))
        assert.deepEqual(assignment.committed, { offset: 5, metadata: 'drained' })
        assert.equal(assignment.startOffset, 5)
      }
      for (const partition of range(4)) await fixture.produce(numbered(topic, partition, 1))
      const total = () =>
        [first, second].flatMap((member) =>
          member.seen.filter(({ record }) => record.offset === 5).map(idOf),
        )
      await both(first, second).until('one more each', () => new Set(total()).size === 4)
      assert.equal(total().length, 4)
      assert.deepEqual([...first.losses, ...second.losses], [])
    },
  },
  {
    name: 'what a member leaves behind goes to those who stay',
    async run(fixture, group) {
      const topic = await fixture.createTopic(2)
      const source = fixture.source([topic])
      await using members = new AsyncDisposableStack()
      const join = async () => members.use(await RecordingMember.join(source, group))
      const [first, second] = await Promise.all([join(), join()])
      await both(first, second).until(
        'one each',
        () => first.owned.size === 1 && second.owned.size === 1,
      )
      const [left] = [...second.owned.values()]
      await second.commit([{ ...left!, offset: 0, metadata: 'bye' }])
      await second.session.close()
      await first.until('both', () => first.owned.size === 2)
      const taken = first.assignment(topic, left!.partition)
      assert.deepEqual(taken.committed, { offset: 0, metadata: 'bye' })
    },
  },
  {
    name: 'every assignment of a partition has a higher epoch than the one before',
    async run(fixture, group) {
      const topic = await fixture.createTopic(1)
      const source = fixture.source([topic])
      const epochs: number[] = []
      for (let round = 0; round < 3; round++) {
        await using member = await RecordingMember.join(source, group)
        await member.until('the assignment', () => member.owned.size === 1)
        epochs.push(member.assignment(topic, 0).epoch)
      }
      assert.deepEqual(
        epochs,
        [...new Set(epochs)].sort((a, b) => a - b),
      )
    },
  },
  {
    name: 'a member that was thrown out is told lost, not revoked, and comes back in a new epoch',
    async run(fixture, group) {
      assert.ok(fixture.expel, 'the fixture cannot expel: skip this test with a reason')
      const topic = await fixture.createTopic(1)
      await fixture.produce(numbered(topic, 0, 3))
      await using member = await RecordingMember.join(fixture.source([topic]), group)
      await member.until('all records', () => member.seen.length >= 3)
      const { epoch } = member.assignment(topic, 0)
      await fixture.expel(group, member.session.memberId)
      await member.until('the loss', () => member.losses.length === 1)
      await member.until('the return', () => member.owned.size === 1)
      assert.ok(member.assignment(topic, 0).epoch > epoch)
      await member.until('the records again', () => member.seen.length >= 6)
      assert.deepEqual(member.offsets(topic, 0), [...range(3), ...range(3)])
      assert.deepEqual(member.revocations, [])
    },
  },
  {
    name: 'a member in touch with its broker owns its partitions freshly',
    async run(fixture, group) {
      const topic = await fixture.createTopic(1)
      await using member = await RecordingMember.join(fixture.source([topic]), group)
      await member.until('the assignment', () => member.owned.size === 1)
      assert.equal(member.session.ownershipIsFresh(), true)
      assert.notEqual(member.session.memberId, '')
    },
  },
  {
    name: 'reads back what it appended to any topic, from any offset',
    async run(fixture, group) {
      const topic = await fixture.createTopic(1)
      const beside = await fixture.createTopic(2)
      const source = fixture.source([topic])
      await using member = await RecordingMember.join(source, group)
      await member.until('the assignment', () => member.owned.size === 1)
      assert.ok(member.session.read && source.capabilities.readsBack, 'skip this with a reason')
      for (const record of numbered(beside, 1, 5)) await member.session.produce(record)
      const place = { topic: beside, partition: 1, maxRecords: 2 }
      const first = await member.session.read({ ...place, offset: 0 })
      const values: string[] = []
      let offset = (first.records[0]?.offset ?? 0) + 1
      for (let count = -1; count !== 0;) {
        const { records, nextOffset } = await member.session.read({ ...place, offset })
        assert.ok(records.every((record) => record.offset >= offset && record.offset < nextOffset))
        values.push(...records.map((record) => words(record.value)))
        count = records.length
        offset = nextOffset
      }
      assert.deepEqual(values, ['v1', 'v2', 'v3', 'v4'])
      assert.deepEqual(await member.session.read({ ...place, offset }), {
        records: [],
        nextOffset: offset,
      })
      const nowhere = async () =>
        member.session.read?.({ ...place, offset, topic: 'no-such-topic' })
      if (fixture.makesTopics === true)
        assert.deepEqual(await nowhere(), { records: [], nextOffset: offset })
      else await assert.rejects(nowhere, { code: 'SHOAL_UNKNOWN_TOPIC' })
    },
  },
  {
    name: 'after close nothing is delivered or revoked, and closing again is harmless',
    async run(fixture, group) {
      const topic = await fixture.createTopic(1)
      await fixture.produce(numbered(topic, 0, 1))
      const source = fixture.source([topic])
      await using member = await RecordingMember.join(source, group)
      await member.until('the record', () => member.seen.length === 1)
      await member.session.close()
      await member.session.close()
      await fixture.produce(numbered(topic, 0, 3))
      await using other = await RecordingMember.join(source, group)
      await other.until('all records', () => other.seen.length >= 4)
      assert.equal(member.seen.length, 1)
      assert.deepEqual([...member.revocations, ...member.losses], [])
    },
  },
]

const cases: readonly Case[] = [...sourceCases, ...failureCases]

/** Every behaviour of the suite, by name, in order. */
export const behaviours: readonly string[] = cases.map(({ name }) => name)
