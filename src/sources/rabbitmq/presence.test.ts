import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { Presence, parseAnnouncement } from './presence.ts'

const says = (memberId: string, holds: readonly string[] = []) => ({
  memberId,
  topics: ['orders'],
  holds,
})

describe('who is in the group', () => {
  test('news is who comes, goes, or holds something else', () => {
    const presence = new Presence(1_000)
    assert.equal(presence.heard(says('a'), 0), true)
    assert.equal(presence.heard(says('a'), 10), false)
    assert.equal(presence.heard(says('a', ['orders/0']), 20), true)
    assert.equal(presence.heard({ ...says('a'), isLeaving: true }, 30), true)
    assert.equal(presence.heard({ ...says('a'), isLeaving: true }, 40), false)
    assert.deepEqual(presence.members(), [])
  })

  test('who was silent for the session timeout is gone, with what it held', () => {
    const presence = new Presence(1_000)
    presence.heard(says('a', ['orders/0']), 0)
    presence.heard(says('b', ['a/b/12']), 500)
    assert.equal(presence.forgetSilent(999), false)
    assert.equal(presence.forgetSilent(1_000), true)
    assert.deepEqual(presence.members(), [{ memberId: 'b', topics: ['orders'] }])
    assert.deepEqual(presence.holders(), [{ memberId: 'b', topic: 'a/b', shard: 12 }])
  })

  test('what no member of ours says is nothing', () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), (words) => {
        const parsed = parseAnnouncement(new TextEncoder().encode(words))
        assert.ok(parsed === null || typeof parsed.memberId === 'string')
      }),
    )
    const announcement = { ...says('a', ['orders/1']), isGreeting: true, isLeaving: false }
    assert.deepEqual(
      parseAnnouncement(new TextEncoder().encode(JSON.stringify(announcement))),
      announcement,
    )
  })
})
