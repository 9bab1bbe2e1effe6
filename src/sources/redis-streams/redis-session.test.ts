import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { seededRandom, VirtualClock } from '../../core/index.ts'
import type { SourceEvents } from '../../consumer/index.ts'
import { keysOf } from './keys.ts'
import { redisSettings } from './options.ts'
import type { RedisLink } from './redis-link.ts'
import { RedisSession } from './redis-session.ts'
import type { ShardStore } from './shard-store.ts'

describe('a member over Redis', () => {
  test('that stood still while an answer lay unread does not believe that it still has its leases', async () => {
    const clock = new VirtualClock()
    const ports = { clock, timers: clock, random: seededRandom(1) }
    const settings = redisSettings(
      {
        url: 'redis://127.0.0.1',
        topics: ['t'],
        sessionTimeoutMs: 1_500,
        heartbeatIntervalMs: 150,
      },
      ports,
    )
    const asked: ((members: []) => void)[] = []
    const beat = () => new Promise<[]>((answer) => asked.push(answer))
    const store = { beat, wakeOthers: async () => {} } as unknown as ShardStore
    const link = {
      watch: () => () => {},
      waitingReads: () => ({ interrupt: async () => {} }),
      listen: async () => () => {},
    } as unknown as RedisLink
    const events = { notice: () => {} } as unknown as SourceEvents
    const context = { group: 'g', events, drainTimeoutMs: 1 }
    const session = new RedisSession(link, settings, context, store, keysOf('shoal', 'g'), [])
    await session.start()
    asked[0]?.([])
    await clock.advance(150)
    assert.deepEqual([asked.length, session.ownershipIsFresh()], [2, true])

    // Redis renews the leases now; SIGSTOP for twice the session timeout, then the answer is read.
    await clock.advance(3_000)
    asked[1]?.([])
    await clock.advance(149)
    assert.deepEqual([asked.length, session.ownershipIsFresh()], [2, false])
    await clock.advance(1)
    asked[2]?.([])
    await clock.advance(0)
    assert.equal(session.ownershipIsFresh(), true)
  })
})
