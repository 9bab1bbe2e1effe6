import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { ShoalError } from '../core/index.ts'
import { decodeGroupRecord, encodeGroupRecord } from './record-codec.ts'
import type {
  GroupRecord,
  MemberProfile,
  MemberRecord,
  RebalanceEntry,
  RebalanceStart,
} from './records.ts'

const text = fc.string({ unit: 'binary', maxLength: 6 })
const textOrNull = fc.option(text)
const blob = fc.uint8Array({ maxLength: 6 })
const integer = fc.maxSafeInteger()
const count = fc.maxSafeNat()
const groupId = text

const member: fc.Arbitrary<MemberRecord> = fc.record({
  memberId: text,
  groupInstanceId: textOrNull,
  clientId: text,
  clientHost: text,
  sessionTimeoutMs: integer,
  rebalanceTimeoutMs: integer,
  protocols: fc.array(fc.record({ name: text, metadata: blob }), { maxLength: 2 }),
  assignment: blob,
})
const members = fc.array(member, { maxLength: 3 })
const at = fc.record({ wallMs: integer, observedMs: integer })
const start = {
  cause: fc.constantFrom('member_joined' as const, 'session_timeout' as const, 'paused' as const),
  memberId: text,
  clientId: text,
  groupInstanceId: textOrNull,
  detail: text,
  startedMs: integer,
}
const rebalance: fc.Arbitrary<RebalanceStart> = fc.record(start)
const entry: fc.Arbitrary<RebalanceEntry> = fc.record({
  ...start,
  durationMs: integer,
  generationFrom: count,
  generation: count,
  memberCountBefore: count,
  memberCount: count,
  assigned: count,
  revoked: count,
  lost: count,
  movedCount: count,
  moved: fc.array(
    fc.record({ topic: text, partition: integer, from: textOrNull, to: textOrNull }),
    { maxLength: 2 },
  ),
  clientIds: fc.array(fc.tuple(text, text), { maxLength: 2 }),
})
const before = fc.option(
  fc.record({
    generation: count,
    owners: fc.array(
      fc.record({
        memberId: text,
        clientId: text,
        partitions: fc.array(
          fc.record({ topic: text, partitions: fc.array(integer, { maxLength: 2 }) }),
          { maxLength: 2 },
        ),
      }),
      { maxLength: 2 },
    ),
  }),
)
const pause = fc.record({ sinceMs: integer, untilMs: fc.option(integer), reason: text })
const offset = fc.record({
  partition: count,
  offset: integer,
  leaderEpoch: integer,
  metadata: text,
})
const common = {
  groupId,
  generation: count,
  protocolType: text,
  protocolName: textOrNull,
  leader: textOrNull,
  members,
}
const classic = fc.record({
  sessionTimeoutMs: integer,
  protocols: fc.array(fc.record({ name: text, metadata: blob }), { maxLength: 2 }),
})
const profile: fc.Arbitrary<MemberProfile> = fc.record({
  memberId: text,
  groupInstanceId: textOrNull,
  rackId: textOrNull,
  clientId: text,
  clientHost: text,
  rebalanceTimeoutMs: integer,
  subscribedTopicNames: fc.array(text, { maxLength: 2 }),
  subscribedTopicRegex: textOrNull,
  serverAssignor: textOrNull,
  classic: fc.option(classic),
  http: fc.option(
    fc.record({
      sessionTimeoutMs: integer,
      start: fc.constantFrom('earliest', 'latest', 'none'),
    }),
  ),
})
const assigned = fc.array(
  fc.record({
    topicId: text,
    partitions: fc.array(fc.tuple(count, integer), { maxLength: 2 }),
  }),
  { maxLength: 2 },
)
const progress = {
  memberEpoch: integer,
  previousMemberEpoch: integer,
  state: fc.constantFrom('stable' as const, 'unrevoked' as const, 'unreleased' as const),
  assigned,
  pendingRevocation: assigned,
}
const targets = fc.array(
  fc.record({
    memberId: text,
    partitions: fc.array(
      fc.record({ topicId: text, partitions: fc.array(count, { maxLength: 2 }) }),
      { maxLength: 2 },
    ),
  }),
  { maxLength: 2 },
)
const target = { assignmentEpoch: count, assignor: text, topicsHash: text }
const topics = fc.array(fc.record({ topicId: text, name: text, partitionCount: count }), {
  maxLength: 2,
})

const kind = <Kind extends string>(name: Kind) => fc.constant(name)

const anyRecord: fc.Arbitrary<GroupRecord> = fc.oneof(
  fc.record({
    kind: kind('generation'),
    ...common,
    at,
    rebalance: fc.option(rebalance),
    durationMs: fc.option(integer),
  }),
  fc.record({
    kind: kind('assigned'),
    groupId,
    generation: count,
    assignments: fc.array(fc.record({ memberId: text, assignment: blob }), { maxLength: 3 }),
    durationMs: integer,
  }),
  fc.record({ kind: kind('member-removed'), groupId, memberId: text, at, rebalance }),
  fc.record({ kind: kind('member-replaced'), groupId, memberId: text, replacement: member }),
  fc.record({
    kind: kind('offsets-committed'),
    groupId,
    commitTimestampMs: integer,
    expireTimestampMs: fc.option(integer),
    observedMs: integer,
    topics: fc.array(fc.record({ topic: text, partitions: fc.array(offset, { maxLength: 3 }) }), {
      maxLength: 2,
    }),
  }),
  fc.record({
    kind: kind('offsets-deleted'),
    groupId,
    topics: fc.array(fc.record({ topic: text, partitions: fc.array(count, { maxLength: 3 }) }), {
      maxLength: 2,
    }),
  }),
  fc.record({ kind: kind('group-deleted'), groupId }),
  fc.record({ kind: kind('group-epoch'), groupId, groupEpoch: count, rebalance }),
  fc.record({ kind: kind('consumer-member'), groupId, profile }),
  fc.record({
    kind: kind('consumer-member-left'),
    groupId,
    memberId: text,
    at,
    durationMs: integer,
  }),
  fc.record({ kind: kind('consumer-member-replaced'), groupId, memberId: text, profile }),
  fc.record({
    kind: kind('target-assignment'),
    groupId,
    ...target,
    topics: fc.option(topics),
    targets,
  }),
  fc.record({
    kind: kind('member-epoch'),
    groupId,
    memberId: text,
    ...progress,
    durationMs: integer,
  }),
  fc.record({
    kind: kind('consumer-group'),
    groupId,
    groupEpoch: count,
    ...target,
    topics,
    members: fc.array(fc.record({ profile, ...progress }), { maxLength: 2 }),
    targets,
    idleSince: at,
    rebalance: fc.option(rebalance),
    before,
    pause: fc.option(pause),
  }),
  fc.record({ kind: kind('clock-observed'), observedMs: integer }),
  fc.record({ kind: kind('group-paused'), groupId, pause, rebalance: fc.option(rebalance) }),
  fc.record({ kind: kind('group-resumed'), groupId, rebalance: fc.option(rebalance) }),
  fc.record({
    kind: kind('timeline'),
    groupId,
    createdMs: integer,
    rebalanceCount: count,
    rebalanceMs: integer,
    entries: fc.array(entry, { maxLength: 2 }),
  }),
  fc.record({
    kind: kind('group'),
    ...common,
    assigned: fc.boolean(),
    disturbed: fc.boolean(),
    idleSince: at,
    rebalance: fc.option(rebalance),
    before,
    pause: fc.option(pause),
  }),
)

describe('a group record', () => {
  test('is the same after it was written and read', () => {
    fc.assert(
      fc.property(anyRecord, (record) => {
        const { pass } = compare(decodeGroupRecord(encodeGroupRecord(record)), record)
        assert.ok(pass)
      }),
    )
  })

  test('is written as rows that a person can read', () => {
    const bytes = encodeGroupRecord({
      kind: 'offsets-committed',
      groupId: 'g',
      commitTimestampMs: 1_000,
      expireTimestampMs: null,
      observedMs: 5,
      topics: [
        {
          topic: 'orders',
          partitions: [{ partition: 0, offset: 42, leaderEpoch: 7, metadata: 'm' }],
        },
      ],
    })
    assert.equal(
      new TextDecoder().decode(bytes),
      '{"v":1,"kind":"offsets-committed","groupId":"g","commitTimestampMs":1000,"expireTimestampMs":null,"observedMs":5,"topics":[["orders",[[0,42,7,"m"]]]]}',
    )
  })

  test('with any field missing or of another type is refused as damaged, never half read', () => {
    fc.assert(
      fc.property(
        anyRecord,
        fc.nat(),
        fc.constantFrom<unknown>(undefined, null, {}, [], true, 0.5),
        (record, pick, junk) => {
          const json = JSON.parse(new TextDecoder().decode(encodeGroupRecord(record))) as Record<
            string,
            unknown
          >
          const keys = Object.keys(json)
          const key = keys[pick % keys.length]!
          const old = json[key]
          const isAllowed =
            JSON.stringify(old) === JSON.stringify(junk) ||
            junk === null ||
            (Array.isArray(old) && Array.isArray(junk)) ||
            // A target may leave its topics out.
            (key === 'topics' && Array.isArray(junk)) ||
            (typeof old === 'boolean' && junk === true)
          fc.pre(!isAllowed)
          json[key] = junk
          assert.throws(
            () => decodeGroupRecord(new TextEncoder().encode(JSON.stringify(json))),
            isCorrupt,
          )
        },
      ),
    )
  })

  test('that is no record at all is refused as damaged', () => {
    for (const junk of [
      '',
      '{',
      'null',
      '7',
      '[]',
      '{"v":1}',
      '{"v":1,"kind":"x","groupId":"g"}',
      '{"v":1,"kind":"group-deleted","groupId":7}',
    ])
      assert.throws(() => decodeGroupRecord(new TextEncoder().encode(junk)), isCorrupt, junk)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        assert.throws(() => decodeGroupRecord(bytes), isCorrupt)
      }),
    )
  })

  test('of a version that this broker does not know is refused as such', () => {
    assert.throws(
      () =>
        decodeGroupRecord(new TextEncoder().encode('{"v":2,"kind":"group-deleted","groupId":"g"}')),
      (error: unknown) => error instanceof ShoalError && error.code === 'SHOAL_FOLDER_FORMAT',
    )
  })
})

/** fast-check's records have another prototype; only what is in them counts. */
function compare(left: unknown, right: unknown): { pass: boolean } {
  assert.equal(JSON.stringify(left), JSON.stringify(right))
  return { pass: true }
}

function isCorrupt(error: unknown): boolean {
  return error instanceof ShoalError && error.code === 'SHOAL_STORAGE_CORRUPT'
}
