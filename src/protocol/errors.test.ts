import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  isKafkaErrorName,
  isRetriable,
  kafkaErrorNumber,
  kafkaErrorOf,
  kafkaErrorSentence,
  kafkaErrorTable,
} from './errors.ts'

describe('the table of Kafka errors', () => {
  test('has the numbers of Kafka 4.3 without a gap, each once', () => {
    const codes = Object.values(kafkaErrorTable).map(({ code }) => code)

    assert.deepEqual(
      codes,
      Array.from({ length: 135 }, (_, index) => index - 1),
    )
  })

  test('goes from name to number and back', () => {
    for (const [name, { code }] of Object.entries(kafkaErrorTable)) {
      assert.ok(isKafkaErrorName(name))
      assert.equal(kafkaErrorOf(code), name)
      assert.equal(kafkaErrorNumber(name), code)
    }
  })

  test('keeps numbers that it does not know', () => {
    assert.equal(kafkaErrorOf(30_000), 'UNKNOWN_30000')
    assert.equal(kafkaErrorNumber('UNKNOWN_30000'), 30_000)
    assert.equal(kafkaErrorNumber(kafkaErrorOf(-7)), -7)
    assert.equal(isRetriable('UNKNOWN_30000'), false)
    assert.match(kafkaErrorSentence('UNKNOWN_30000'), /UNKNOWN_30000/)
  })

  test('is not fooled by names of the language', () => {
    for (const name of ['constructor', 'toString', 'UNKNOWN_', 'UNKNOWN_x', '__proto__'])
      assert.equal(isKafkaErrorName(name), false)
    assert.equal(kafkaErrorNumber('UNKNOWN_x' as never), undefined)
  })

  test('says what clients may try again', () => {
    assert.equal(isRetriable('COORDINATOR_LOAD_IN_PROGRESS'), true)
    assert.equal(isRetriable('REBALANCE_IN_PROGRESS'), false)
    assert.equal(isRetriable('NONE'), false)
  })
})
