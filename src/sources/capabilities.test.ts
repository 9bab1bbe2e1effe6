/**
 * What a broker cannot do is a compile error (each `@ts-expect-error` fails the type check where there is none), and one sentence
 * where the declaration comes from a configuration.
 */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { consumer } from '../consumer/index.ts'
import type { Source } from '../consumer/index.ts'
import { kafka } from './kafka/index.ts'
import { rabbitmq } from './rabbitmq/index.ts'
import { redisStreams } from './redis-streams/index.ts'

const topics = ['orders']
const group = 'billing'
const handle = (): void => {}
const parks = { finally: 'park-key' } as const
const later = { later: ['1m', '10m'] } as const

const ofKafka = kafka({ brokers: 'localhost:9092', topics })
const ordered = redisStreams({ url: 'redis://localhost', topics })
const competing = redisStreams({ url: 'redis://localhost', topics, sharing: 'competing' })
const queues = rabbitmq({ url: 'amqp://localhost', topics })

describe('what a broker can do when a handler fails', () => {
  test('parked keys: logs, and streams with one reader each', () => {
    for (const source of [ofKafka, ordered]) {
      const { afterLastAttempt } = consumer({ group, source, handle, retry: parks }).describe()
      assert.equal(afterLastAttempt, 'park-key')
    }
    assert.throws(
      // @ts-expect-error a queue cannot be read without taking from it
      () => consumer({ group, source: queues, handle, retry: parks }),
      { code: 'SHOAL_INVALID_ARGUMENT', message: /'park-key': rabbitmq cannot keep a key's order/ },
    )
    assert.throws(
      // @ts-expect-error members that share a stream keep no order
      () => consumer({ group, source: competing, handle, retry: parks }),
      { message: /'park-key': redis-streams cannot keep .* it needs sharing: 'ordered'/ },
    )
  })

  test('retries after longer waits: all of them', () => {
    for (const source of [ofKafka, ordered, competing, queues]) {
      const { afterLastAttempt } = consumer({ group, source, handle, retry: later }).describe()
      assert.equal(afterLastAttempt, 'retry-topic')
    }
  })

  test('a source that is known at run time alone is told by the sentence alone', () => {
    const some: Source = queues
    assert.throws(() => consumer({ group, source: some, handle, retry: parks }), {
      code: 'SHOAL_INVALID_ARGUMENT',
    })
  })
})
