import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isInternal, keysOf } from './keys.ts'

describe('names of keys', () => {
  test('guards and retries are known from a topic, whatever the topic, the group and the member are called', () => {
    for (const group of ['g', 'a:b', '}:x'])
      for (const stream of ['orders', 'orders:3', 'a:lease:1:b', '{tag}orders']) {
        const keys = keysOf('shoal', group)
        assert.ok(isInternal('shoal', keys.guard(keys.lease(stream), 7, 'member:1')))
        assert.ok(isInternal('shoal', keys.retries(stream)))
        for (const key of [stream, keys.lease(stream), keys.members, keys.shardCount(stream)])
          assert.ok(!isInternal('shoal', key), key)
      }
  })

  test('streams of one slot have keys of their own, in that slot', () => {
    const keys = keysOf('shoal', 'g')
    const streams = [
      ['orders', 'orders'],
      ['orders:0', 'orders:0'],
      ['{t}a', 't'],
      ['{t}a:0', 't'],
      ['{t}b', 't'],
    ] as const
    const seen = new Set<string>()
    for (const [stream, tag] of streams)
      for (const key of [keys.lease(stream), keys.waiting(stream), keys.retries(stream)]) {
        assert.equal(/\{([^}]+)\}/.exec(key)?.[1], tag)
        seen.add(key)
      }
    assert.equal(seen.size, 3 * streams.length)
  })
})
