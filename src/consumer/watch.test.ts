import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { memoryLogger } from '../core/index.ts'
import type { Health } from './options.ts'
import { Watch } from './watch.ts'

/** A clock and one timer that fires when the test says so, however late. */
function fixture() {
  const state = {
    nowMs: 0,
    fire: () => {},
    owned: 1,
    health: { status: 'ok', reasons: [], oldestInFlightMs: 0, blockedKeys: 0 } as Health,
  }
  const logger = memoryLogger()
  const watch = new Watch({
    group: 'g',
    clock: { wallMs: () => 0, monotonicMs: () => state.nowMs },
    timers: {
      schedule: (_, fire) => {
        state.fire = fire
        return { cancel: () => (state.fire = () => {}) }
      },
      soon: () => {},
    },
    logger,
    health: () => state.health,
    owned: () => state.owned,
  })
  const tick = (afterMs: number) => {
    state.nowMs += afterMs
    state.fire()
    return logger.lines.map(({ level, message }) => `${level}: ${message}`)
  }
  return { state, watch, tick, logger }
}

describe('the watch', () => {
  test('tells of an event loop that stood still, and how long', () => {
    const { watch, tick, logger } = fixture()
    watch.begin()
    assert.deepEqual(tick(1_000), [])
    assert.deepEqual(tick(1_500), [])
    assert.deepEqual(tick(13_000), ['warn: the event loop stood still'])
    assert.equal(logger.lines[0]?.fields['forMs'], 12_000)
  })

  test('tells once that nothing moves, and once that it moves again', () => {
    const { state, watch, tick } = fixture()
    watch.begin()
    state.health = { ...state.health, status: 'stuck', reasons: ['why'] }
    assert.deepEqual(tick(1_000), ['error: the consumer is stuck'])
    assert.equal(tick(1_000).length, 1)
    state.health = { ...state.health, status: 'degraded' }
    assert.deepEqual(tick(1_000).slice(1), ['info: the consumer moves again'])
  })

  test('looks no more once it is closed', () => {
    const { state, watch, tick } = fixture()
    watch.begin()
    watch.close()
    state.health = { ...state.health, status: 'stuck' }
    assert.deepEqual(tick(60_000), [])
  })

  test('says once that a member has no partition, for as long as it stays so', () => {
    const { state, watch, tick } = fixture()
    watch.begin()
    state.owned = 0
    for (let count = 0; count < 30; count++) assert.deepEqual(tick(1_000), [])
    assert.match(tick(1_000).join(), /this member has no partition: are there more members than/)
    assert.equal(tick(60_000).filter((line) => /has no partition/.test(line)).length, 1)
    state.owned = 2
    tick(1_000)
    state.owned = 0
    for (let count = 0; count < 32; count++) tick(1_000)
    assert.equal(tick(1_000).filter((line) => /has no partition/.test(line)).length, 2)
  })
})
