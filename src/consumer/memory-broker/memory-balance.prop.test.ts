import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { balance } from './memory-balance.ts'

test('loads differ by one at most, and no partition moves without need', () => {
  const members = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { minLength: 1 })
  fc.assert(
    fc.property(members, members, fc.nat({ max: 20 }), (before, now, count) => {
      const ids = Array.from({ length: count }, (_, index) => `p${index}`)
      const place = (owners: ReadonlyMap<string, string>, among: readonly string[]) =>
        balance({ partitions: ids.map((id) => ({ id, members: among })), owners })
      const owners = place(new Map(), before)
      const target = place(owners, now)
      const loads = now.map((member) => [...target.values()].filter((one) => one === member).length)
      assert.equal(target.size, count)
      assert.ok(Math.max(...loads) - Math.min(...loads) <= 1)

      const most = Math.ceil(count / now.length)
      const kept = ids.filter((id) => owners.get(id) === target.get(id)).length
      const couldStay = now.reduce((sum, member) => {
        const had = [...owners.values()].filter((one) => one === member).length
        return sum + Math.min(had, most)
      }, 0)
      // With r members that hold one more than the rest, at most r of them can keep that one.
      assert.ok(kept >= couldStay - now.length)
      assert.deepEqual(place(target, now), target)
    }),
  )
})

test('a member gets only what it may have', () => {
  const target = balance({
    partitions: [
      { id: 'x', members: ['a'] },
      { id: 'y', members: ['a'] },
      { id: 'z', members: [] },
    ],
    owners: new Map([['x', 'b']]),
  })
  assert.deepEqual(
    [...target],
    [
      ['x', 'a'],
      ['y', 'a'],
    ],
  )
})
