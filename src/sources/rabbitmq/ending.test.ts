import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { describe, test } from 'node:test'
import { VirtualClock } from '../../core/index.ts'
import { ended } from './ending.ts'

class Closing extends EventEmitter {
  readonly answer = Promise.withResolvers<void>()

  close(): Promise<void> {
    return this.answer.promise
  }
}

const LIMIT_MS = 10_000

describe('the end of a channel', () => {
  test('is the answer of the server, or that there was none to ask', async () => {
    const clock = new VirtualClock()
    for (const settle of ['resolve', 'reject'] as const) {
      const channel = new Closing()
      const end = ended(channel, clock, LIMIT_MS)
      channel.answer[settle]()
      await end
    }
    assert.equal(clock.pendingCount, 0)
  })

  test('comes when the connection goes before the server has answered', async () => {
    const clock = new VirtualClock()
    const channel = new Closing()
    const end = ended(channel, clock, LIMIT_MS)
    channel.emit('close')
    await end
    assert.equal(clock.pendingCount, 0)
  })

  test('does not wait longer for a silent server than for any answer', async () => {
    const clock = new VirtualClock()
    let hasEnded = false
    const end = ended(new Closing(), clock, LIMIT_MS).then(() => (hasEnded = true))
    await clock.advance(LIMIT_MS - 1)
    assert.equal(hasEnded, false)
    await clock.advance(1)
    await end
  })
})
