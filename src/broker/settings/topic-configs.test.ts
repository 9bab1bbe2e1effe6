import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { BrokerSettingName } from './broker-settings.ts'
import type { TopicConfigName } from './topic-configs.ts'
import { describeBrokerConfigs, describeTopicConfigs, isDynamicSetting } from './describe.ts'
import { parseValue } from './definition.ts'
import { partitionLogConfig, topicConfigProblem, topicConfigTable } from './topic-configs.ts'

const configs = (pairs: readonly (readonly [TopicConfigName, string])[]) => new Map(pairs)
const broker = (pairs: readonly (readonly [BrokerSettingName, string])[]) => new Map(pairs)

describe('topic configs', () => {
  test('are the 33 of Kafka 4.3.1 and ours, with good defaults', () => {
    const entries = Object.entries(topicConfigTable)
    assert.equal(entries.filter(([name]) => !name.startsWith('shoal.')).length, 33)
    for (const [name, definition] of entries)
      assert.equal(parseValue(definition, definition.default).kind, 'value', name)
  })

  test('that are unknown, null or out of range are told in a sentence', () => {
    assert.equal(topicConfigProblem('retention.ms', '-1'), null)
    assert.equal(topicConfigProblem('cleanup.policy', 'compact,delete'), null)
    assert.match(topicConfigProblem('retention.m', '1') ?? '', /did you mean retention\.ms\?/)
    assert.match(topicConfigProblem('retention.ms', '-2') ?? '', /-2 is less than -1/)
    assert.match(topicConfigProblem('retention.ms', null) ?? '', /Null value not supported/)
    assert.match(topicConfigProblem('cleanup.policy', 'keep') ?? '', /'keep' is not one of/)
    assert.match(topicConfigProblem('__proto__', '1') ?? '', /Unknown topic config name/)
  })

  test("reach the log with the topic's own values over the broker's over the defaults", () => {
    const config = partitionLogConfig(
      configs([
        ['retention.ms', '60000'],
        ['cleanup.policy', 'compact, delete'],
      ]),
      broker([
        ['log.retention.ms', '1'],
        ['log.segment.bytes', '2048'],
        ['log.message.timestamp.type', 'LogAppendTime'],
      ]),
    )

    assert.deepEqual(config, {
      segmentBytes: 2_048,
      segmentMs: 604_800_000,
      indexIntervalBytes: 4_096,
      retentionMs: 60_000,
      retentionBytes: -1,
      maxMessageBytes: 1_048_588,
      timestampType: 'LogAppendTime',
      cleanupPolicy: 'compact,delete',
    })
  })
})

describe('described configs', () => {
  const of = (
    name: string,
    own = configs([]),
    given = broker([]),
    dynamic = new Map<string, string>(),
  ) => {
    const found = describeTopicConfigs(own, { given, dynamic }).find((each) => each.name === name)
    assert.ok(found)
    const { value, configSource, synonyms } = found
    return { value, configSource, synonyms }
  }

  test('say where the value comes from and what it would be without that', () => {
    const own = configs([['max.message.bytes', '1']])
    const given = broker([['message.max.bytes', '3']])
    const dynamic = new Map([['message.max.bytes', '2']])

    assert.deepEqual(of('max.message.bytes', own, given, dynamic), {
      value: '1',
      configSource: 1,
      synonyms: [
        { name: 'max.message.bytes', value: '1', source: 1 },
        { name: 'message.max.bytes', value: '2', source: 3 },
        { name: 'message.max.bytes', value: '3', source: 4 },
        { name: 'message.max.bytes', value: '1048588', source: 5 },
      ],
    })
    assert.equal(of('max.message.bytes', configs([]), given, dynamic).configSource, 3)
    assert.equal(of('max.message.bytes', configs([]), given).configSource, 4)
    assert.equal(of('max.message.bytes').configSource, 5)
  })

  test("show no synonym where Kafka's own default has another name", () => {
    assert.deepEqual(of('retention.ms'), { value: '604800000', configSource: 5, synonyms: [] })
  })

  test('of the broker are read-only but for the defaults of topics', () => {
    const texts = { given: broker([['num.partitions', '3']]), dynamic: new Map() }
    const all = describeBrokerConfigs(texts, 'broker')
    const partitions = all.find((each) => each.name === 'num.partitions')
    assert.equal(partitions?.value, '3')
    assert.equal(partitions?.configSource, 4)
    assert.equal(partitions?.readOnly, true)
    assert.equal(all.find((each) => each.name === 'log.retention.ms')?.readOnly, false)
    assert.ok(isDynamicSetting('message.max.bytes'))
    assert.deepEqual(describeBrokerConfigs(texts, 'cluster-default'), [])
  })
})
