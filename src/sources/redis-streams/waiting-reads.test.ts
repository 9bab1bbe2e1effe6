import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { describe, test } from 'node:test'
import { WaitingReads } from './redis-link.ts'

type Client = ConstructorParameters<typeof WaitingReads>[0]

/** A server that is told of an interruption before the read it is for, and answers when the test says so. */
function fixture() {
  const read = Promise.withResolvers<null>()
  const id = Promise.withResolvers<number>()
  let reads = 0
  const client = Object.assign(new EventEmitter(), {
    client: () => id.promise,
    callBuffer: () => {
      reads++
      return read.promise
    },
    disconnect: () => {},
  }) as unknown as Client
  const told: number[] = []
  const waits = new WaitingReads(client, async (name) => {
    told.push(name)
    if (told.length < 3) return 0
    read.resolve(null)
    return 1
  })
  return { waits, id, told, reads: () => reads }
}

const positions = [{ stream: 'orders', id: '0-0' }]

describe('reads that wait at the server', () => {
  test('a read that an interruption overtook is interrupted once it waits', async () => {
    const { waits, id, told } = fixture()
    id.resolve(7)
    const reading = waits.somethingAfter(positions, 5_000)
    await id.promise
    await Promise.resolve()
    await waits.interrupt()
    assert.equal(await reading, false)
    assert.deepEqual(told, [7, 7, 7])
    await waits.interrupt()
    assert.equal(told.length, 3)
  })

  test('a read that was interrupted before it could begin does not begin', async () => {
    const { waits, id, reads } = fixture()
    const reading = waits.somethingAfter(positions, 5_000)
    await waits.interrupt()
    id.resolve(7)
    assert.deepEqual([await reading, reads()], [false, 0])
  })
})
