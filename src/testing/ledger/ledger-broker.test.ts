import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { brokersOf, ledgerPlace } from './ledger-broker.ts'

const common = {
  topic: 't',
  group: 'g',
  partitions: 4,
  sessionTimeoutMs: 1_500,
  sharing: 'ordered',
} as const
const always = { topic: 't', group: 'g', sessionTimeoutMs: 1_500, heartbeatIntervalMs: 150 }

describe('where a crash ledger works', () => {
  test('each broker is told what it can do, and nothing else', () => {
    for (const [brokers, url, own] of [
      ['a:9092,b:9092', 'kafka://a:9092,b:9092', { offsetReset: 'earliest' }],
      ['kafka:9092', 'kafka://kafka:9092', { offsetReset: 'earliest' }],
      [
        'redis://h',
        'redis://h',
        { shards: 4, sharing: 'ordered', claimIdleMs: common.sessionTimeoutMs },
      ],
      ['amqp://h', 'amqp://h', { shards: 4, sharing: 'ordered' }],
    ] as const) {
      const place = ledgerPlace({ ...common, brokers })
      assert.deepEqual([place.url, place.openOptions], [url, { ...always, ...own }])
      assert.equal(brokersOf(place), url.replace('kafka://', ''))
    }
  })

  test('members of a Kafka group cannot compete for its records, which is said at once', () => {
    assert.throws(() => ledgerPlace({ ...common, brokers: 'a:9092', sharing: 'competing' }), {
      code: 'SHOAL_INVALID_ARGUMENT',
      message: /sharing is competing, but members of a Kafka group share partitions/,
    })
  })

  test('a broker of another kind is refused with those there are', () => {
    assert.throws(() => ledgerPlace({ ...common, brokers: 'nats://h' }), {
      code: 'SHOAL_INVALID_ARGUMENT',
      message: /kafka:, shoal:, redis:/,
    })
  })
})
