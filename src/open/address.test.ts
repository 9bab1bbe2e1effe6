import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { brokerAddress, isBrokerUrl, urlOf } from './address.ts'

describe('which broker a URL means', () => {
  test('the scheme says which, the rest says where', () => {
    assert.deepEqual(brokerAddress('kafka://a:9092,b:9092', {}), {
      backend: 'kafka',
      address: 'a:9092,b:9092',
    })
    assert.deepEqual(brokerAddress('shoal://localhost:9092/', {}), {
      backend: 'kafka',
      address: 'localhost:9092',
    })
    for (const [url, backend] of [
      ['redis://u:p@h:6380/2', 'redis-streams'],
      ['rediss://h', 'redis-streams'],
      ['amqp://guest:guest@h:5672/', 'rabbitmq'],
      ['amqps://h/v', 'rabbitmq'],
    ] as const)
      assert.deepEqual(brokerAddress(url, {}), { backend, address: url })
  })

  test('a scheme alone takes the address from the environment, or the usual port of this machine', () => {
    const environment = {
      KAFKA_BOOTSTRAP_SERVERS: 'k:1',
      REDIS_URL: 'redis://r:2',
      RABBITMQ_URL: 'amqp://q:3',
    }
    assert.deepEqual(
      ['kafka:', 'shoal://', 'redis:', 'amqp:'].map(
        (url) => brokerAddress(url, environment).address,
      ),
      ['k:1', 'k:1', 'redis://r:2', 'amqp://q:3'],
    )
    assert.deepEqual(
      ['kafka:', 'redis:', 'amqp:'].map((url) => brokerAddress(url, { REDIS_URL: '' }).address),
      ['localhost:9092', 'redis://localhost:6379', 'amqp://localhost:5672'],
    )
  })

  test('a host and its port is no URL, whatever the host is called', () => {
    assert.deepEqual(['kafka:9092', 'a:9092,b:9092', 'redis:6379', 'localhost'].map(isBrokerUrl), [
      false,
      false,
      false,
      false,
    ])
    assert.deepEqual(['kafka://a:9092', 'redis:', 'amqp://', 'nats://h'].map(isBrokerUrl), [
      true,
      true,
      true,
      true,
    ])
  })

  test('an address has a URL that needs no environment', () => {
    const environment = { KAFKA_BOOTSTRAP_SERVERS: 'k:1', RABBITMQ_URL: 'amqp://q:3' }
    for (const [url, complete] of [
      ['kafka:', 'kafka://k:1'],
      ['shoal://a:9092', 'kafka://a:9092'],
      ['amqp:', 'amqp://q:3'],
    ] as const) {
      assert.equal(urlOf(brokerAddress(url, environment)), complete)
      assert.equal(urlOf(brokerAddress(complete, {})), complete)
    }
  })

  test('anything else is refused with the schemes there are, and without a password', () => {
    for (const url of ['nats://u:secret@h', 'localhost:9092', '', 'constructor:'])
      assert.throws(
        () => brokerAddress(url, {}),
        (error: Error & { code?: string }) =>
          error.code === 'SHOAL_INVALID_ARGUMENT' &&
          /kafka:, shoal:, redis:/.test(error.message) &&
          !error.message.includes('secret'),
      )
  })
})
