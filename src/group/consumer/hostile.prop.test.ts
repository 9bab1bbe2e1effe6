/**
 * Clients that say anything, of either protocol, with each other's ids, instances and epochs: every request is answered, no
 * invariant breaks (`replay` asserts them), and a restart knows the same.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import {
  commitRequest,
  heartbeatRequest,
  joinRequest,
  leaveRequest,
  Sim,
  subscription,
  syncRequest,
  topicsOf,
} from '../fixture.test.ts'
import { beatRequest } from './fixture.test.ts'

const who = {
  memberId: fc.constantFrom('a', 'a', 'b', 'b', '', 'client-1', 'i-1'),
  instance: fc.constantFrom(null, 'i', 'i', 'j'),
  epoch: fc.integer({ min: -3, max: 6 }),
}
const said = {
  topics: fc.constantFrom(null, [], ['x'], ['x', 'y'], ['nobody']),
  regex: fc.constantFrom(null, '', '.*', '('),
  owned: fc.constantFrom(null, [], [{ topicId: 'x-id', partitions: [0, 7, -1, 0] }]),
  rebalanceTimeoutMs: fc.constantFrom(-1, 0, 30_000),
  ms: fc.constantFrom(1, 30_000, 60_000),
}
const anyRequest = fc.oneof(
  fc.record({
    do: fc.constantFrom('beat', 'join', 'sync', 'heartbeat', 'leave', 'commit', 'wait', 'restart'),
    ...who,
    ...said,
  }),
  // A join that is in order, and a leave: without these hardly anybody would ever be in.
  fc.record({
    do: fc.constant('beat'),
    ...who,
    ...said,
    epoch: fc.constantFrom(0, 0, 0, -2, -1),
    topics: fc.constantFrom(['x'], ['x', 'y']),
    regex: fc.constant(null),
    owned: fc.constant([]),
    rebalanceTimeoutMs: fc.constant(30_000),
  }),
)

test('whatever is said by whomever, everybody is answered and nothing breaks', () => {
  fc.assert(
    fc.property(fc.array(anyRequest, { maxLength: 60, size: 'max' }), (requests) => {
      const sim = new Sim({ topics: topicsOf({ x: 3, y: 2 }), groupConsumerMaxSize: 3 })
      for (const request of requests) {
        const { memberId, instance, epoch } = request
        const identity = { memberId, groupInstanceId: instance, generationId: epoch }
        switch (request.do) {
          case 'beat': {
            const { response } = sim.ask(
              beatRequest({
                memberId,
                instanceId: instance,
                memberEpoch: epoch,
                subscribedTopicNames: request.topics,
                subscribedTopicRegex: request.regex,
                rebalanceTimeoutMs: request.rebalanceTimeoutMs,
                topicPartitions: request.owned,
              }),
            )
            assert.equal(response?.kind, 'consumer-heartbeat')
            break
          }
          case 'join': {
            const metadata = subscription(...(request.topics ?? []))
            const protocols = [{ name: 'range', metadata }]
            sim.ask(joinRequest({ memberId, groupInstanceId: instance, protocols }))
            break
          }
          case 'sync':
            sim.ask(syncRequest(identity))
            break
          case 'heartbeat':
            sim.ask(heartbeatRequest(identity))
            break
          case 'leave':
            sim.ask(leaveRequest({ memberId, groupInstanceId: instance }))
            break
          case 'commit':
            sim.ask(commitRequest({ memberId, generationIdOrMemberEpoch: epoch, topic: 'x' }))
            break
          case 'wait':
            sim.advance(request.ms)
            break
          default: {
            const before = groupOf(sim)
            sim.restart({ from: request.ms === 1 ? 'journal' : 'snapshot' })
            assert.deepEqual(groupOf(sim), before)
          }
        }
      }
      sim.advance(400_000)
      assert.deepEqual([...sim.waiting.keys()], [])
    }),
    { numRuns: 300 },
  )
})

function groupOf(sim: Sim) {
  const kinds = ['consumer-group', 'group']
  return sim.coordinator.snapshot().find(({ kind }) => kinds.includes(kind))
}
