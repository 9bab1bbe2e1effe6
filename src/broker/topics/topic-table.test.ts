import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseBrokerSettings } from '../settings/broker-settings.ts'
import { brokerConfigRules, topicDefaultRules } from '../settings/config-rules.ts'
import { groupConfigRules } from '../settings/group-configs.ts'
import type { CreateTopic, TopicRequest } from './topic-table.ts'
import { TopicTable } from './topic-table.ts'
import { decodeTopicRecord, encodeTopicRecord } from './topic-records.ts'

describe('making a topic', () => {
  test('takes the defaults for -1 and records what was made', () => {
    const { ask, table } = fixture()

    const { errorCode, topic, records } = ask(create('orders'))

    assert.equal(errorCode, 'NONE')
    assert.deepEqual(records, [
      {
        kind: 'topic-created',
        topicId: 'id-orders',
        name: 'orders',
        partitionCount: 3,
        configs: [],
      },
    ])
    assert.deepEqual(table.byName('orders'), topic)
    assert.deepEqual(table.byId('id-orders'), topic)
    assert.equal(table.partitionCount, 3)
  })

  const refusals: readonly [string, Partial<CreateTopic>, string][] = [
    ['an empty name', { name: '' }, 'INVALID_TOPIC_EXCEPTION'],
    ['the name .', { name: '.' }, 'INVALID_TOPIC_EXCEPTION'],
    ['the name ..', { name: '..' }, 'INVALID_TOPIC_EXCEPTION'],
    ['a path for a name', { name: '../../etc/passwd' }, 'INVALID_TOPIC_EXCEPTION'],
    ['a name of 250 characters', { name: 'x'.repeat(250) }, 'INVALID_TOPIC_EXCEPTION'],
    ['a name that Kafka keeps', { name: '__consumer_offsets' }, 'INVALID_TOPIC_EXCEPTION'],
    [
      'a name that differs in . and _ from another',
      { name: 'old.topic' },
      'INVALID_TOPIC_EXCEPTION',
    ],
    ['a name that is taken', { name: 'old_topic' }, 'TOPIC_ALREADY_EXISTS'],
    ['no partitions', { partitionCount: 0 }, 'INVALID_PARTITIONS'],
    ['less than no partitions', { partitionCount: -2 }, 'INVALID_PARTITIONS'],
    ['too many partitions at once', { partitionCount: 10_001 }, 'POLICY_VIOLATION'],
    ['more partitions than there may be', { partitionCount: 51 }, 'POLICY_VIOLATION'],
    ['no replica', { replicationFactor: 0 }, 'INVALID_REPLICATION_FACTOR'],
    ['an unknown config', { configs: [{ name: 'retention.hours', value: '1' }] }, 'INVALID_CONFIG'],
    ['a bad value', { configs: [{ name: 'retention.ms', value: 'soon' }] }, 'INVALID_CONFIG'],
    ['a null value', { configs: [{ name: 'retention.ms', value: null }] }, 'INVALID_CONFIG'],
    [
      'partitions beside an assignment',
      { partitionCount: 1, assignments: [{ partitionIndex: 0, brokerIds: [1] }] },
      'INVALID_REQUEST',
    ],
    [
      'an assignment with a hole',
      {
        assignments: [
          { partitionIndex: 0, brokerIds: [1] },
          { partitionIndex: 2, brokerIds: [1] },
        ],
      },
      'INVALID_REPLICA_ASSIGNMENT',
    ],
    [
      'an assignment to nobody',
      { assignments: [{ partitionIndex: 0, brokerIds: [] }] },
      'INVALID_REPLICA_ASSIGNMENT',
    ],
  ]
  for (const [what, change, error] of refusals)
    test(`refuses ${what} with ${error} and records nothing`, () => {
      const { table } = fixture(create('old_topic', { partitionCount: 1 }))
      const decision = table.handle(create('new', change))
      assert.equal(decision.errorCode, error)
      assert.deepEqual(decision.records, [])
      assert.notEqual(decision.errorMessage, null)
    })

  test('accepts more replicas than there are nodes, and a manual assignment', () => {
    const { ask } = fixture()
    assert.equal(ask(create('replicated', { replicationFactor: 3 })).errorCode, 'NONE')
    const assignments = [
      { partitionIndex: 1, brokerIds: [2, 3] },
      { partitionIndex: 0, brokerIds: [1, 2] },
    ]
    assert.equal(ask(create('manual', { assignments })).topic?.partitionCount, 2)
  })

  for (const name of ['__proto__', 'constructor', 'toString', '-', '_', 'a.b-c_D9'])
    test(`the name ${name} is legal and belongs to one topic`, () => {
      const { ask, table } = fixture()
      assert.equal(table.byName(name), undefined)
      assert.equal(ask(create(name)).errorCode, 'NONE')
      assert.equal(table.byName(name)?.name, name)
    })
})

describe('a topic that is deleted and made again', () => {
  test('has another id and nothing of the old configs', () => {
    const { ask, table } = fixture(
      create('orders', { configs: [{ name: 'retention.ms', value: '1' }] }),
    )

    assert.equal(ask({ kind: 'delete', topicId: 'id-orders' }).topic?.name, 'orders')
    assert.equal(table.byName('orders'), undefined)
    assert.equal(table.partitionCount, 0)
    ask(create('orders', { topicId: 'second' }))

    assert.equal(table.byId('id-orders'), undefined)
    assert.deepEqual(table.byName('orders')?.configs, new Map())
    assert.equal(ask({ kind: 'delete', topicId: 'id-orders' }).errorCode, 'UNKNOWN_TOPIC_ID')
  })

  test('frees its name for one that differs in . and _', () => {
    const { ask } = fixture(create('a.b'))
    ask({ kind: 'delete', topicId: 'id-a.b' })
    assert.equal(ask(create('a_b')).errorCode, 'NONE')
  })
})

describe('adding partitions', () => {
  test('grows a topic', () => {
    const { ask, table } = fixture(create('orders', { partitionCount: 2 }))
    const { records } = ask({ kind: 'add-partitions', name: 'orders', count: 5, assignments: null })
    assert.deepEqual(records, [
      { kind: 'partitions-added', topicId: 'id-orders', partitionCount: 5 },
    ])
    assert.equal(table.byName('orders')?.partitionCount, 5)
    assert.equal(table.partitionCount, 5)
  })

  test('refuses what is no increase, an unknown topic and a wrong number of assignments', () => {
    const { table } = fixture(create('orders', { partitionCount: 2 }))
    const codes = [
      { name: 'orders', count: 2, assignments: null },
      { name: 'orders', count: 1, assignments: null },
      { name: 'nothing', count: 9, assignments: null },
      { name: 'orders', count: 4, assignments: [{ brokerIds: [1] }] },
    ].map((each) => table.handle({ kind: 'add-partitions', ...each }).errorCode)
    assert.deepEqual(codes, [
      'INVALID_PARTITIONS',
      'INVALID_PARTITIONS',
      'UNKNOWN_TOPIC_OR_PARTITION',
      'INVALID_REPLICA_ASSIGNMENT',
    ])
  })
})

describe('changing configs', () => {
  const changed = (
    ...changes: readonly [string, 'set' | 'delete' | 'append' | 'subtract', string | null][]
  ) =>
    ({
      kind: 'configure-topic',
      name: 'orders',
      changes: {
        kind: 'incremental',
        changes: changes.map(([name, operation, value]) => ({ name, operation, value })),
      },
    }) as const

  test('sets, deletes, appends and subtracts on top of what was there', () => {
    const { ask, table } = fixture(
      create('orders', { configs: [{ name: 'retention.ms', value: '1' }] }),
    )
    const own = () => Object.fromEntries(table.byName('orders')?.configs ?? [])

    ask(changed(['segment.bytes', 'set', '2048'], ['cleanup.policy', 'append', 'compact']))
    assert.deepEqual(own(), {
      'retention.ms': '1',
      'segment.bytes': '2048',
      'cleanup.policy': 'delete,compact',
    })
    ask(changed(['retention.ms', 'delete', null], ['cleanup.policy', 'subtract', 'delete']))
    assert.deepEqual(own(), { 'segment.bytes': '2048', 'cleanup.policy': 'compact' })
  })

  test('is all or nothing: one bad change refuses the others', () => {
    const { ask, table } = fixture(create('orders'))
    const { errorCode, records } = ask(
      changed(['segment.bytes', 'set', '2048'], ['retention.ms', 'set', 'x']),
    )
    assert.equal(errorCode, 'INVALID_CONFIG')
    assert.deepEqual(records, [])
    assert.equal(table.byName('orders')?.configs.size, 0)
  })

  const bad: readonly [string, ReturnType<typeof changed>, string][] = [
    ['append to a number', changed(['retention.ms', 'append', '1']), 'INVALID_CONFIG'],
    ['an unknown name', changed(['no.such', 'set', '1']), 'INVALID_CONFIG'],
    ['deleting an unknown name', changed(['no.such', 'delete', null]), 'INVALID_CONFIG'],
    ['setting null', changed(['retention.ms', 'set', null]), 'INVALID_CONFIG'],
    [
      'a name twice',
      changed(['retention.ms', 'set', '1'], ['retention.ms', 'set', '2']),
      'INVALID_REQUEST',
    ],
  ]
  for (const [what, request, error] of bad)
    test(`refuses ${what}`, () => {
      const { table } = fixture(create('orders'))
      assert.equal(table.handle(request).errorCode, error)
    })

  test('as a whole forgets what is not named', () => {
    const { ask, table } = fixture(
      create('orders', { configs: [{ name: 'retention.ms', value: '1' }] }),
    )
    const entries = [{ name: 'segment.bytes', value: '4096' }]
    ask({ kind: 'configure-topic', name: 'orders', changes: { kind: 'replace', entries } })
    assert.deepEqual([...(table.byName('orders')?.configs ?? [])], [['segment.bytes', '4096']])
  })

  test('of the broker takes what topics take their defaults from, and nothing else', () => {
    const { ask, table } = fixture()
    const set = (name: string, value: string) =>
      ask({
        kind: 'configure-broker',
        changes: { kind: 'incremental', changes: [{ name, operation: 'set', value }] },
      }).errorCode
    assert.equal(set('log.retention.ms', '1000'), 'NONE')
    assert.equal(set('num.partitions', '5'), 'INVALID_CONFIG')
    assert.equal(set('log.retention.ms', 'x'), 'INVALID_CONFIG')
    assert.deepEqual([...table.brokerConfigs], [['log.retention.ms', '1000']])
  })
})

describe('records of topics', () => {
  test('are refused when they are not what this version writes', () => {
    const encoder = new TextEncoder()
    for (const text of ['', 'null', '[]', '{}', '{"kind":"topic-painted"}', '{"kind":7}', '{'])
      assert.throws(() => decodeTopicRecord(encoder.encode(text)), {
        code: 'SHOAL_STORAGE_CORRUPT',
      })
  })

  test('that cannot follow from the table stop the instance', () => {
    const { table } = fixture(create('orders'))
    const impossible = [
      { kind: 'topic-created', topicId: 'id-orders', name: 'x', partitionCount: 1, configs: [] },
      { kind: 'topic-created', topicId: 'other', name: 'orders', partitionCount: 1, configs: [] },
      { kind: 'topic-deleted', topicId: 'nobody' },
      { kind: 'partitions-added', topicId: 'id-orders', partitionCount: 3 },
    ] as const
    for (const record of impossible)
      assert.throws(() => table.replay(record), { code: 'SHOAL_INVARIANT' })
  })
})

function create(name: string, change: Partial<CreateTopic> = {}): CreateTopic {
  return {
    kind: 'create',
    topicId: `id-${name}`,
    name,
    partitionCount: -1,
    replicationFactor: -1,
    assignments: [],
    configs: [],
    ...change,
  }
}

/** A table that has lived through `history`; what it records survives encoding, as in the journal. */
function fixture(...history: readonly TopicRequest[]) {
  const table = new TopicTable({
    defaultPartitionCount: 3,
    maxPartitions: 50,
    topicConfigRules: topicDefaultRules(() => new Map()),
    brokerConfigRules: brokerConfigRules(new Map()),
    groupConfigRules: groupConfigRules(parseBrokerSettings().settings),
  })
  const ask = (request: TopicRequest) => {
    const decision = table.handle(request)
    for (const record of decision.records)
      table.replay(decodeTopicRecord(encodeTopicRecord(record)))
    return decision
  }
  history.forEach(ask)
  return { table, ask }
}
