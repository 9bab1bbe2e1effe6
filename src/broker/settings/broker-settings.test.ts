import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ShoalError } from '../../core/index.ts'
import { brokerSettingTable, parseBrokerSettings, settingsOf } from './broker-settings.ts'
import { parseValue } from './definition.ts'

describe('broker settings', () => {
  test('have defaults that are good values of their own type', () => {
    for (const [name, definition] of Object.entries(brokerSettingTable))
      assert.equal(parseValue(definition, definition.default).kind, 'value', name)
  })

  test('are read in camelCase, typed, with what was given over the defaults', () => {
    const { settings } = parseBrokerSettings({
      'num.partitions': 4,
      'auto.create.topics.enable': 'FALSE',
      'log.cleanup.policy': 'compact, delete',
    })

    assert.equal(settings.numPartitions, 4)
    assert.equal(settings.autoCreateTopicsEnable, false)
    assert.deepEqual(settings.logCleanupPolicy, ['compact', 'delete'])
    assert.equal(settings.messageMaxBytes, 1_048_588)
    assert.equal(settings.groupInitialRebalanceDelayMs, 3_000)
  })

  const retention: readonly [Record<string, string>, number][] = [
    [{ 'log.retention.hours': '2' }, 7_200_000],
    [{ 'log.retention.hours': '2', 'log.retention.minutes': '5' }, 300_000],
    [{ 'log.retention.minutes': '5', 'log.retention.ms': '7' }, 7],
    [{ 'log.retention.hours': '-1' }, -1],
  ]
  for (const [given, expectedMs] of retention)
    test(`the finest unit of a time wins: ${Object.keys(given).join(', ')}`, () => {
      assert.equal(parseBrokerSettings(given).settings.logRetentionMs, expectedMs)
    })

  test('are refused all at once, a mistyped name with the one that was meant', () => {
    assert.throws(
      () =>
        parseBrokerSettings({
          'num.partition': '3',
          'log.segment.bytes': 'big',
          'num.partitions': '0',
          'shoal.flush.policy': 'sometimes',
          whatever: 'x',
        }),
      (error: unknown) => {
        assert.ok(error instanceof ShoalError)
        assert.equal(error.code, 'SHOAL_CONFIG_INVALID')
        assert.deepEqual(error.message.split('; '), [
          'num.partition: there is no such setting, did you mean num.partitions?',
          'whatever: there is no such setting',
          "log.segment.bytes: 'big' is not a whole number",
          'num.partitions: 0 is less than 1',
          "shoal.flush.policy: 'sometimes' is not one of 'group', 'os', 'none'",
        ])
        return true
      },
    )
  })

  test('names of object properties are unknown names, not settings', () => {
    for (const name of ['constructor', '__proto__x', 'toString', 'hasOwnProperty'])
      assert.throws(() => parseBrokerSettings({ [name]: '1' }), /there is no such setting/)
  })

  test('whole numbers beyond the range of their type are refused', () => {
    for (const [name, value] of [
      ['log.retention.ms', '9223372036854775808'],
      ['num.partitions', '2147483648'],
      ['num.partitions', '1e3'],
      ['num.partitions', ''],
    ] as const)
      assert.throws(() => parseBrokerSettings({ [name]: value }), ShoalError, `${name}=${value}`)
  })

  test('settingsOf without anything given is the defaults', () => {
    assert.deepEqual(settingsOf(new Map()), parseBrokerSettings().settings)
  })
})
