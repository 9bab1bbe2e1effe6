import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { LagFacts } from '../../admin/index.ts'
import { memoryLogger, VirtualClock } from '../../core/index.ts'
import type { LagAlert } from './lag-rules.ts'
import { LagWatch } from './lag-watch.ts'

const INTERVAL_MS = 15_000

describe('the lag watch', () => {
  test('looks at once and then at every interval, and keeps the last look', async () => {
    const { watch, clock, at } = watched()
    at.end = 40
    await clock.advance(0)
    assert.deepEqual([watch.lag?.records, watch.lag?.maxSeconds], [40, 60])
    at.end = 50
    await clock.advance(INTERVAL_MS - 1)
    assert.equal(watch.lag?.records, 40)
    await clock.advance(1)
    assert.equal(watch.lag?.records, 50)
    await watch[Symbol.asyncDispose]()
    assert.equal(clock.pendingCount, 0)
  })

  test('tells hooks once when a rule fires and once when it is over', async () => {
    const { watch, clock, at, told } = watched()
    at.end = 500
    await clock.advance(INTERVAL_MS * 3)
    assert.deepEqual([told, watch.firing], [['firing behind'], ['behind']])
    at.end = 0
    await clock.advance(INTERVAL_MS)
    assert.deepEqual([told, watch.firing], [['firing behind', 'resolved behind'], []])
    await watch[Symbol.asyncDispose]()
  })

  test('goes on when the broker is gone, says so once, and changes no alert meanwhile', async () => {
    const { watch, clock, at, told, logger } = watched()
    at.end = 500
    await clock.advance(INTERVAL_MS)
    at.error = new Error('no broker')
    await clock.advance(INTERVAL_MS * 4)
    at.error = null
    await clock.advance(INTERVAL_MS)
    assert.deepEqual(told, ['firing behind'])
    assert.deepEqual(
      logger.lines.map(({ message }) => message).filter((message) => /cannot|again/.test(message)),
      ['the lag of the group cannot be looked at', 'the lag of the group is seen again'],
    )
    await watch[Symbol.asyncDispose]()
  })

  test('closes after the look under way and the hooks that were begun', async () => {
    const hook = Promise.withResolvers<void>()
    const { watch, clock, at, closed } = watched(() => hook.promise)
    at.end = 500
    await clock.advance(INTERVAL_MS)
    let isDone = false
    const closing = watch[Symbol.asyncDispose]().then(() => {
      isDone = true
    })
    await clock.advance(1_000)
    assert.equal(isDone, false)
    hook.resolve()
    await closing
    assert.equal(closed.count, 1)
    assert.equal(clock.pendingCount, 0)
  })

  test('does not wait for a hook that never ends', async () => {
    const { watch, clock, at } = watched(() => new Promise(() => {}))
    at.end = 500
    await clock.advance(INTERVAL_MS)
    const closing = watch[Symbol.asyncDispose]()
    await clock.advance(5_000)
    await closing
  })
})

function watched(hook: () => Promise<void> = () => Promise.resolve()) {
  const clock = new VirtualClock()
  const logger = memoryLogger()
  const at: { end: number; error: Error | null } = { end: 0, error: null }
  const told: string[] = []
  const closed = { count: 0 }
  const read = async (): Promise<readonly LagFacts[]> => {
    if (at.error !== null) throw at.error
    const oldestMs = clock.wallMs() - 60_000
    const place = { topic: 't', partition: 0, startOffset: 0, committedOffset: 0 }
    return [{ ...place, endOffset: at.end, oldestMs }]
  }
  const watch = new LagWatch({
    group: 'g',
    intervalMs: INTERVAL_MS,
    rules: [{ name: 'behind', records: 100, for: INTERVAL_MS }],
    clock,
    timers: clock,
    logger,
    open: async () => ({ read, close: async () => void closed.count++ }),
    tell: ({ kind, rule }: LagAlert) => {
      told.push(`${kind} ${rule.name}`)
      return hook()
    },
  })
  return { watch, clock, logger, at, told, closed }
}
