import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualClock } from '../core/index.ts'
import { StallWatch } from './stall-watch.ts'

test('time in which the process stood still is told once, by whoever looks first', async () => {
  const { clock, watch, stalls } = watched()
  watch.watch()
  await clock.advance(5_000)
  assert.deepEqual(stalls, [], 'an idle process is no stalled one')
  clock.stall(10_000)
  watch.notice()
  watch.notice()
  assert.equal(stalls.length, 1)
  assert.ok(stalls[0]! > 9_000 && stalls[0]! <= 10_000, String(stalls[0]))
  clock.stall(2_000)
  await clock.advance(1_000)
  assert.equal(stalls.length, 2, 'the beat that comes too late tells it too')
})

test('nothing is measured while there are no deadlines', async () => {
  const { clock, watch, stalls, need } = watched()
  watch.watch()
  need.is = false
  await clock.advance(1_000)
  assert.equal(clock.pendingCount, 0)
  clock.stall(60_000)
  watch.notice()
  assert.deepEqual(stalls, [])
  watch.close()
  watch.watch()
  assert.equal(clock.pendingCount, 0)
})

function watched() {
  const clock = new VirtualClock()
  const stalls: number[] = []
  const need = { is: true }
  const watch = new StallWatch({
    clock,
    timers: clock,
    isNeeded: () => need.is,
    onStall: (durationMs) => stalls.push(durationMs),
  })
  return { clock, watch, stalls, need }
}
