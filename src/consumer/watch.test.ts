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
})
