import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { goldenPairs } from '../../test/golden/corpus.ts'
import { ShoalError } from '../core/index.ts'
import { joinGroup, syncGroup } from './apis/index.ts'
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from './consumer-protocol.ts'

const partitions = fc.array(
  fc.record(
    { topic: fc.string({ maxLength: 8 }), partitions: fc.array(fc.nat(), { maxLength: 4 }) },
    { noNullPrototype: true },
  ),
  { maxLength: 3 },
)
const userData = fc.option(fc.uint8Array({ maxLength: 10 }))
const pairs = goldenPairs()

describe('what consumers tell each other', () => {
  test('comes back in every version, as far as the version carries it', () => {
    const subscriptions = fc.record({
      topics: fc.array(fc.string({ maxLength: 8 }), { maxLength: 4 }),
      userData,
      ownedPartitions: partitions,
      generationId: fc.integer(),
      rackId: fc.option(fc.string()),
    })
    const versions = fc.integer({ min: 0, max: 3 })
    fc.assert(
      fc.property(
        subscriptions,
        partitions,
        versions,
        (subscription, assignedPartitions, version) => {
          const assignment = { assignedPartitions, userData: subscription.userData }
          const carried = {
            ...subscription,
            version,
            ...(version < 1 && { ownedPartitions: [] }),
            ...(version < 2 && { generationId: -1 }),
            ...(version < 3 && { rackId: null }),
          }
          assert.deepEqual(decodeSubscription(encodeSubscription(subscription, version)), carried)
          assert.deepEqual(decodeAssignment(encodeAssignment(assignment, version)), {
            version,
            ...assignment,
          })
        },
      ),
    )
  })

  test('is read from the JoinGroup requests of real clients, and written as they write it', () => {
    let seen = 0
    for (const { version, request } of of(joinGroup)) {
      const { protocolType, protocols } = joinGroup.decodeRequest(version, request)
      if (protocolType !== 'consumer') continue
      for (const { metadata } of protocols) {
        const { version: inner, ...subscription } = decodeSubscription(metadata)
        assert.ok(subscription.topics.length > 0)
        assert.deepEqual(encodeSubscription(subscription, inner), metadata)
        seen++
      }
    }
    assert.ok(seen >= 10, `only ${seen} subscriptions`)
  })

  test('is read from the SyncGroup requests of real leaders', () => {
    let seen = 0
    for (const { version, request } of of(syncGroup))
      for (const { assignment } of syncGroup.decodeRequest(version, request).assignments) {
        const { version: inner, ...decoded } = decodeAssignment(assignment)
        assert.deepEqual(encodeAssignment(decoded, inner), assignment)
        seen++
      }
    assert.ok(seen >= 4, `only ${seen} assignments`)
  })

  test('of a newer version is read as the newest that is known', () => {
    const encoded = encodeSubscription({
      topics: ['t'],
      userData: null,
      ownedPartitions: [],
      generationId: 4,
      rackId: 'r',
    })
    encoded[1] = 9

    const newer = Uint8Array.of(...encoded, 1, 2, 3)

    assert.deepEqual(decodeSubscription(newer).rackId, 'r')
    assert.deepEqual(decodeSubscription(newer).version, 9)
  })

  test('of zero bytes is an assignment of nothing', () => {
    assert.deepEqual(decodeAssignment(new Uint8Array(0)).assignedPartitions, [])
  })

  test('that is damaged throws nothing but our error', () => {
    const prefixed = fc
      .tuple(fc.integer({ min: -1, max: 4 }), fc.uint8Array({ maxLength: 60 }))
      .map(([version, rest]) => Uint8Array.of(version >> 8, version, ...rest))
    fc.assert(
      fc.property(fc.oneof(prefixed, fc.uint8Array({ maxLength: 4 })), (bytes) => {
        for (const decode of [decodeSubscription, decodeAssignment])
          try {
            decode(bytes)
          } catch (error) {
            assert.ok(error instanceof ShoalError && error.code === 'SHOAL_PROTOCOL_DECODE')
          }
      }),
      { numRuns: 1_000 },
    )
  })
})

function of(api: { readonly key: number; serves(version: number): boolean }) {
  return pairs.filter((pair) => pair.api === api.key && api.serves(pair.version))
}
