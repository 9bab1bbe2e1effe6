import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { z } from 'zod'
import { ShoalError } from '../core/index.ts'
import { consumer } from './consumer.ts'
import { MemoryBroker } from './memory-broker/memory-broker.ts'

const source = new MemoryBroker().source({ topics: ['orders'] })
const handle = () => {}

describe('options', () => {
  test('all problems are told at once', () => {
    const wrong = {
      group: '',
      source: {},
      handle: 'x',
      order: 'random',
      concurrency: 0,
      timeout: '5 parsecs',
      retry: { attempts: 1.5, finally: 'dead-letter', backoff: { kind: 'linear', base: -1 } },
      commit: { every: 'x' },
      buffer: { perPartition: { records: -1 } },
      schema: {},
      decode: 'xml',
    }
    assert.throws(
      () => consumer(wrong as never),
      (error) => {
        assert.ok(error instanceof ShoalError && error.code === 'SHOAL_INVALID_ARGUMENT')
        for (const name of [
          'group:',
          'source:',
          'handle:',
          'order:',
          'concurrency:',
          'timeout:',
          'retry.attempts:',
          'retry.finally:',
          'retry.backoff.kind:',
          'retry.backoff.base:',
          'commit.every:',
          'buffer.perPartition.records:',
          'schema:',
          'decode:',
        ])
          assert.ok(error.message.includes(name), `${name} in ${error.message}`)
        return true
      },
    )
  })

  test('the description says what is guaranteed', () => {
    const plain = consumer({ group: 'g', source, handle }).describe()
    assert.deepEqual(
      [plain.order, plain.concurrency, plain.attempts, plain.afterLastAttempt, plain.source],
      ['key', 100, 5, 'stop', 'memory:orders'],
    )
    const other = consumer({
      group: 'g',
      source,
      handle,
      order: 'none',
      deadLetter: 'd',
    }).describe()
    assert.equal(other.afterLastAttempt, 'dead-letter')
    assert.ok(other.guarantees.some((words) => words.startsWith('no order')))
    assert.ok(other.guarantees.some((words) => words.includes('after its dead letter is written')))
  })

  test('the payload type comes from the schema, or from the decoding', () => {
    const Order = z.object({ id: z.number() })
    consumer({ group: 'g', source, schema: Order, handle: (order) => void order.id.toFixed() })
    consumer({ group: 'g', source, handle: (value) => void value?.byteLength })
    consumer({ group: 'g', source, decode: 'text', handle: (value) => void value?.length })
    consumer({
      group: 'g',
      source,
      schema: Order,
      order: { by: (order) => String(order.id) },
      handle,
    })
    // @ts-expect-error the schema says number
    consumer({ group: 'g', source, schema: Order, handle: (order: { id: string }) => void order })
    // @ts-expect-error what a handler returns is an outcome, not a flag
    consumer({ group: 'g', source, handle: () => true })
  })
})
