import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { parseBrokerSettings } from '../settings/broker-settings.ts'
import { brokerConfigRules, topicDefaultRules } from '../settings/config-rules.ts'
import { groupConfigRules } from '../settings/group-configs.ts'
import { collisionKey } from './topic-name.ts'
import type { TopicRequest } from './topic-table.ts'
import { TopicTable } from './topic-table.ts'
import { decodeTopicRecord, encodeTopicRecord } from './topic-records.ts'

const name = fc.constantFrom('a', 'b', 'a.b', 'a_b', '__proto__', 'constructor', '', '..')
const value = fc.constantFrom('1', '2048', '-1', 'x', 'compact', 'delete')
const config = fc.constantFrom('retention.ms', 'segment.bytes', 'cleanup.policy', 'no.such')

/** Ids are filled in by the test, each once, as the service does; deletes pick one of those given. */
const anyRequest = fc.oneof(
  fc.record({
    kind: fc.constant('create' as const),
    name,
    partitionCount: fc.integer({ min: -2, max: 12 }),
    replicationFactor: fc.constantFrom(-1, 1, 3),
    configs: fc.array(fc.record({ name: config, value }), { maxLength: 2 }),
  }),
  fc.record({ kind: fc.constant('delete' as const), topicId: fc.integer({ min: 0, max: 20 }) }),
  fc.record({
    kind: fc.constant('add-partitions' as const),
    name,
    count: fc.integer({ min: -1, max: 20 }),
  }),
  fc.record({
    kind: fc.constant('configure-topic' as const),
    name,
    changes: fc.array(
      fc.record({
        name: config,
        operation: fc.constantFrom('set', 'delete', 'append', 'subtract'),
        value,
      }),
      { maxLength: 3 },
    ),
  }),
)

test('whatever is asked, names and ids stay apart, counts only grow, a refusal records nothing, and a restart or snapshot knows the same', () => {
  fc.assert(
    fc.property(fc.array(anyRequest, { maxLength: 40 }), (steps) => {
      const table = newTable()
      const journal: Uint8Array[] = []
      for (const [index, step] of steps.entries()) {
        const counts = new Map([...table.topics()].map((t) => [t.topicId, t.partitionCount]))
        const decision = table.handle(requestOf(step, index))
        if (decision.errorCode !== 'NONE') assert.deepEqual(decision.records, [])
        for (const record of decision.records) {
          journal.push(encodeTopicRecord(record))
          table.replay(record)
        }
        holds(table)
        for (const topic of table.topics())
          assert.ok(topic.partitionCount >= (counts.get(topic.topicId) ?? 0))
      }
      const restarted = newTable()
      for (const bytes of journal) restarted.replay(decodeTopicRecord(bytes))
      assert.deepEqual([...restarted.topics()], [...table.topics()])
      const restored = newTable()
      for (const record of table.snapshot()) restored.replay(record)
      assert.deepEqual([...restored.topics()], [...table.topics()])
      assert.equal(restored.partitionCount, table.partitionCount)
    }),
  )
})

function holds(table: TopicTable): void {
  const topics = [...table.topics()]
  assert.equal(new Set(topics.map((topic) => collisionKey(topic.name))).size, topics.length)
  for (const topic of topics) {
    assert.equal(table.byName(topic.name), topic)
    assert.equal(table.byId(topic.topicId), topic)
  }
  assert.equal(
    table.partitionCount,
    topics.reduce((sum, topic) => sum + topic.partitionCount, 0),
  )
  assert.ok(table.partitionCount <= 40)
}

function requestOf(
  step: typeof anyRequest extends fc.Arbitrary<infer T> ? T : never,
  index: number,
): TopicRequest {
  switch (step.kind) {
    case 'create':
      return { ...step, topicId: String(index), assignments: [] }
    case 'delete':
      return { kind: 'delete', topicId: String(step.topicId) }
    case 'add-partitions':
      return { ...step, assignments: null }
    case 'configure-topic':
      return { ...step, changes: { kind: 'incremental', changes: step.changes } }
  }
}

function newTable(): TopicTable {
  return new TopicTable({
    defaultPartitionCount: 3,
    maxPartitions: 40,
    topicConfigRules: topicDefaultRules(() => new Map()),
    brokerConfigRules: brokerConfigRules(new Map()),
    groupConfigRules: groupConfigRules(parseBrokerSettings().settings),
  })
}
