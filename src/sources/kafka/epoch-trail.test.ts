import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EpochTrail, UNKNOWN_EPOCH } from './epoch-trail.ts'

test('the epoch of a position is that of the record before it', () => {
  const trail = new EpochTrail(3)
  trail.note(140, 3)
  trail.note(150, 5)
  trail.note(160, 5)
  assert.deepEqual(
    [140, 150, 151, 172].map((offset) => trail.before(offset)),
    [3, 3, 5, 5],
  )
})

test('without a known start nothing is known until a batch says it', () => {
  const trail = new EpochTrail()
  trail.note(0, UNKNOWN_EPOCH)
  assert.equal(trail.before(9), UNKNOWN_EPOCH)
  trail.note(10, 0)
  assert.deepEqual([trail.before(10), trail.before(11)], [UNKNOWN_EPOCH, 0])
})

test('what is read again, and what was committed past, leaves the trail', () => {
  const trail = new EpochTrail(1)
  trail.note(10, 2)
  trail.note(20, 4)
  trail.cutAt(20)
  assert.equal(trail.before(30), 2)
  trail.note(20, 3)
  trail.forgetBefore(25)
  assert.deepEqual([trail.before(15), trail.before(25)], [UNKNOWN_EPOCH, 3])
})
