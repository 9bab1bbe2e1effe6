import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { randomBelow, seededRandom } from '../../core/index.ts'
import {
  heartbeatFrame,
  joinGroupFrame,
  listenerFixture,
  listGroupsFrame,
  produceFrame,
} from './listener-fixture.test.ts'

const frames = {
  produce: (id: number) => produceFrame(id, 3_000),
  heartbeat: (id: number) => heartbeatFrame(id),
  join: (id: number) => joinGroupFrame(id),
  list: (id: number) => listGroupsFrame(id, 10_000),
}
const anyRequests = fc.array(fc.constantFrom(...(Object.keys(frames) as (keyof typeof frames)[])), {
  minLength: 1,
  maxLength: 25,
})

test('however requests are cut, and whenever handlers end, every request is answered once and in order', async () => {
  await fc.assert(
    fc.asyncProperty(
      anyRequests,
      fc.integer({ min: 50, max: 5_000 }),
      fc.integer(),
      async (requests, maxChunkBytes, seed) => {
        const random = seededRandom(seed)
        const { connect, settle, started, listener } = await listenerFixture({
          faults: { maxChunkBytes },
          limits: { maxPipelinedRequests: 4, maxInFlightBytes: 8_000 },
        })
        const client = await connect()
        client.send(...requests.map((request, id) => frames[request](id)))

        for (await settle(); started.length > 0; await settle())
          started.splice(randomBelow(random, started.length), 1)[0]!.answer()

        assert.deepEqual(
          client.correlationIds,
          requests.map((_, id) => id),
        )
        assert.equal(listener.snapshot().bytesInFlight, 0)
      },
    ),
    { numRuns: 40 },
  )
})
