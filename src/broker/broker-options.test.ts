import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ShoalError } from '../core/index.ts'
import type { BrokerOptions } from './broker-options.ts'
import { checkOptions, isLoopback } from './broker-options.ts'

describe('the options of a broker', () => {
  test('default to loopback and the usual port', () => {
    assert.deepEqual(checkOptions({}).address, { host: '127.0.0.1', port: 9_092 })
  })

  const refused: readonly [string, BrokerOptions, RegExp][] = [
    ['every address', { kafka: { host: '0.0.0.0' } }, /nobody has to log in/],
    ['every address of IPv6', { kafka: { host: '::' } }, /nobody has to log in/],
    ['a name that may be anything', { kafka: { host: 'broker.example' } }, /nobody has to log in/],
    ['a port that is none', { kafka: { port: 65_536 } }, /kafka\.port: 65536/],
    ['a port with a fraction', { kafka: { port: 9.5 } }, /kafka\.port: 9\.5/],
    ['an advertised port 0', { advertised: { host: 'a', port: 0 } }, /advertised\.port/],
    ['a bad setting', { settings: { 'num.partitions': 'x' } }, /num\.partitions/],
  ]
  for (const [what, options, expected] of refused)
    test(`are refused with ${what}`, () => {
      assert.throws(
        () => checkOptions(options),
        (error: unknown) => {
          assert.ok(error instanceof ShoalError)
          assert.equal(error.code, 'SHOAL_CONFIG_INVALID')
          assert.match(error.message, expected)
          return true
        },
      )
    })

  test('tell all their problems at once', () => {
    assert.throws(
      () => checkOptions({ kafka: { host: '0.0.0.0', port: -1 }, settings: { nope: 1 } }),
      (error: unknown) => {
        assert.ok(error instanceof ShoalError)
        for (const expected of [/kafka\.port/, /kafka\.host/, /nope/])
          assert.match(error.message, expected)
        return true
      },
    )
  })

  test('may allow to be reached from elsewhere', () => {
    const { address } = checkOptions({ kafka: { host: '0.0.0.0' }, allowInsecure: true })
    assert.equal(address.host, '0.0.0.0')
  })

  test('know loopback by all its names and no other', () => {
    for (const host of ['127.0.0.1', '127.9.9.9', '::1', '[::1]', 'localhost', 'LOCALHOST'])
      assert.ok(isLoopback(host), host)
    for (const host of ['0.0.0.0', '10.0.0.1', '127.0.0.1.example', 'localhost.example', '', '::'])
      assert.ok(!isLoopback(host), host)
  })
})
