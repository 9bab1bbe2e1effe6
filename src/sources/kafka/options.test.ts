import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { kafka } from './kafka-source.ts'
import { parseBrokers } from './options.ts'
import type { KafkaSourceOptions } from './options.ts'

describe('addresses', () => {
  test('come as a list or as one text with commas', () => {
    const expected = [
      { host: 'a', port: 1 },
      { host: 'b.example', port: 65_535 },
      { host: '::1', port: 9_092 },
    ]
    assert.deepEqual(parseBrokers('a:1, b.example:65535,[::1]:9092'), expected)
    assert.deepEqual(parseBrokers(['a:1', 'b.example:65535', '[::1]:9092']), expected)
  })

  for (const wrong of [
    '',
    ' , ',
    'host',
    'host:',
    ':9092',
    'host:0',
    'host:65536',
    'a b:1',
    '::1:9092',
  ])
    test(`'${wrong}' is refused with its text`, () => {
      assert.throws(() => parseBrokers(wrong), { code: 'SHOAL_INVALID_ARGUMENT' })
    })
})

describe('options that cannot work are refused at once, by name', () => {
  const table: readonly (readonly [string, Partial<KafkaSourceOptions>])[] = [
    ['topics', { topics: [] }],
    ['topics', { topics: ['a', ''] }],
    ['groupInstanceId', { groupInstanceId: '' }],
    ['assignors', { assignors: [] }],
    ['heartbeatIntervalMs', { sessionTimeoutMs: 6_000, heartbeatIntervalMs: 2_001 }],
    ['sessionTimeoutMs', { sessionTimeoutMs: 0 }],
    ['maxBytes', { fetch: { maxBytes: Number.NaN } }],
    ['requestTimeoutMs', { requestTimeoutMs: Number.POSITIVE_INFINITY }],
  ]
  for (const [option, wrong] of table)
    test(`${option}: ${JSON.stringify(wrong)}`, () => {
      assert.throws(() => kafka({ brokers: 'a:1', topics: ['t'], ...wrong }), {
        code: 'SHOAL_INVALID_ARGUMENT',
        details: { option },
      })
    })
})
