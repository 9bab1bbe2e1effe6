import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isGuard, keysOf } from './keys.ts'

describe('names of keys', () => {
  test('a guard is known from a topic, whatever the topic, the group and the member are called', () => {
    for (const group of ['g', 'a:b', '}:x'])
      for (const stream of ['orders', 'orders:3', 'a:lease:1:b', '{tag}orders']) {
        const keys = keysOf('shoal', group)
        assert.ok(isGuard('shoal', keys.guard(keys.lease(stream), 7, 'member:1')))
        for (const key of [stream, keys.lease(stream), keys.members, keys.shardCount(stream)])
          assert.ok(!isGuard('shoal', key), key)
      }
  })
})
