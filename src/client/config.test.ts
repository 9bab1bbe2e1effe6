import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { resolveConfig } from './config.ts'
import type { ConsumerConfig } from './config.ts'
import { readConsumerYaml } from './yaml-config.ts'

const least = { brokers: 'localhost:8080', groupId: 'billing', topics: ['orders'] }

describe('the configuration of a consumer', () => {
  test('has the defaults of the seed', () => {
    const settings = resolveConfig(least)
    assert.equal(settings.sessionTimeoutMs, 30_000)
    assert.equal(settings.heartbeatIntervalMs, 10_000)
    assert.equal(settings.autoCommit, true)
    assert.equal(settings.autoCommitIntervalMs, 5_000)
    assert.equal(settings.autoOffsetReset, 'earliest')
    assert.equal(settings.assignor, 'cooperative-sticky')
    assert.deepEqual(settings.warnings, [])
  })

  for (const [brokers, transport, addresses] of [
    ['localhost:8080', 'http', ['http://localhost:8080']],
    [['http://127.0.0.1:8080/'], 'http', ['http://127.0.0.1:8080']],
    ['https://shoal.example', 'http', ['https://shoal.example']],
    ['kafka://a:9092, kafka://b:9092', 'kafka', ['a:9092', 'b:9092']],
  ] as const)
    test(`takes ${String(brokers)} for ${transport}`, () => {
      const settings = resolveConfig({ ...least, brokers })
      assert.deepEqual(
        { transport: settings.transport, addresses: settings.addresses },
        { transport, addresses },
      )
    })

  test('takes durations as milliseconds and as texts, and error for none', () => {
    const settings = resolveConfig({
      ...least,
      sessionTimeout: 6_000,
      heartbeatInterval: '2s',
      autoOffsetReset: 'error',
    })
    assert.deepEqual(
      [settings.sessionTimeoutMs, settings.heartbeatIntervalMs, settings.autoOffsetReset],
      [6_000, 2_000, 'none'],
    )
  })

  test('warns of heartbeats that are too rare, names the rule, and sends them often enough', () => {
    const settings = resolveConfig({ ...least, sessionTimeout: '12s', heartbeatInterval: '5s' })
    assert.equal(settings.heartbeatIntervalMs, 4_000)
    assert.equal(settings.warnings.length, 1)
    assert.match(settings.warnings[0]!, /more than a third of sessionTimeout \(12000 ms\)/)
  })

  test('lists every problem at once', () => {
    const config = {
      brokers: 'kafka://a:9092,http://b',
      groupId: '',
      topics: [],
      sessionTimeout: 'long',
      autoOffsetReset: 'middle',
      assignor: 'fair',
      maxAttempts: 0,
    } as unknown as ConsumerConfig
    assert.throws(
      () => resolveConfig(config),
      ({ code, message }: { code: string; message: string }) => {
        assert.equal(code, 'SHOAL_INVALID_ARGUMENT')
        for (const option of [
          'brokers',
          'groupId',
          'topics',
          'sessionTimeout',
          'autoOffsetReset',
          'assignor',
          'maxAttempts',
        ])
          assert.match(message, new RegExp(`\\b${option} `))
        return true
      },
    )
    assert.throws(() => resolveConfig({ ...least, brokers: 'http://' }), /no address/)
  })
})

describe('the configuration as YAML', () => {
  test('is read as the seed prints it', () => {
    const yaml = `
consumer:
  # How long before consumer is considered dead
  sessionTimeout: "30s"
  
  # How often to send heartbeats (should be < sessionTimeout/3)
  heartbeatInterval: "10s"
`
    assert.deepEqual(readConsumerYaml(yaml), { sessionTimeout: '30s', heartbeatInterval: '10s' })
  })

  test('refuses what it does not know, naming each problem', () => {
    const yaml = 'consumer:\n  sessionTimeout: "30 parsecs"\n  heartbeat: 3\n'
    assert.throws(
      () => readConsumerYaml(yaml),
      ({ code, message }: { code: string; message: string }) =>
        code === 'SHOAL_CONFIG_INVALID' &&
        /consumer\.sessionTimeout: not a duration/.test(message) &&
        /heartbeat/.test(message),
    )
    for (const wrong of ['consumer: [', '', '[]', 'producer: {}'])
      assert.throws(() => readConsumerYaml(wrong), { code: 'SHOAL_CONFIG_INVALID' }, wrong)
  })
})
