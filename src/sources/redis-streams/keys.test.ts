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
})
