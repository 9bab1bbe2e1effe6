import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { encodeSubscription } from '../../../protocol/index.ts'
import {
  assignedPartitions,
  isCooperative,
  planGroup,
  subscriptions,
  wantedTopics,
} from './group-plan.ts'
import type { MemberPast } from './group-plan.ts'
import type { KafkaAssignorName } from '../options.ts'

const nothing: MemberPast = { generation: -1, owned: [] }

describe('a plan', () => {
  for (const assignor of ['cooperative-sticky', 'sticky', 'range', 'roundrobin'] as const)
    test(`of ${assignor} gives each partition to one member`, () => {
      const members = ['a', 'b', 'c'].map((name) => member(name, assignor))
      const counts = new Map([
        ['t', 5],
        ['u', 2],
      ])
      const plan = planGroup(wire(assignor), members, counts)
      const given = plan.flatMap(({ assignment }) =>
        assignedPartitions(assignment).map(({ topic, partition }) => `${topic}/${partition}`),
      )
      assert.deepEqual(given.sort(), ['t/0', 't/1', 't/2', 't/3', 't/4', 'u/0', 'u/1'])
    })

  test('of cooperative-sticky withholds what another member must release first', () => {
    const owned = [0, 1, 2, 3].map((partition) => ({ topic: 't', partition }))
    const members = [
      member('a', 'cooperative-sticky', { generation: 4, owned }),
      member('b', 'cooperative-sticky'),
    ]
    const plan = planGroup('cooperative-sticky', members, new Map([['t', 4]]))
    assert.deepEqual(
      plan.map(({ assignment }) => assignedPartitions(assignment).length),
      [2, 0],
    )
  })

  test('of the eager sticky assignor knows what members held, by what Java puts into user data', () => {
    const held = (name: string, partitions: readonly number[]) =>
      member(name, 'sticky', nothing, {
        generation: 4,
        owned: partitions.map((partition) => ({ topic: 't', partition })),
      })
    const plan = planGroup('sticky', [held('a', [1, 3]), held('b', [0, 2])], new Map([['t', 4]]))
    assert.deepEqual(
      plan.map(({ assignment }) =>
        assignedPartitions(assignment).map(({ partition }) => partition),
      ),
      [
        [1, 3],
        [0, 2],
      ],
    )
  })

  test('leaves a member out whose subscription cannot be read, and serves the others', () => {
    const broken = { memberId: 'x', groupInstanceId: null, metadata: Uint8Array.of(0, 3, 255) }
    const members = [broken, member('a', 'range')]
    assert.deepEqual(wantedTopics(members), ['t', 'u'])
    const plan = planGroup('range', members, new Map([['t', 2]]))
    assert.deepEqual(
      plan.map(({ memberId, assignment }) => [memberId, assignedPartitions(assignment).length]),
      [
        ['x', 0],
        ['a', 2],
      ],
    )
  })

  test('with an assignor that is not known is refused', () => {
    assert.throws(() => planGroup('toString', [], new Map()), { code: 'SHOAL_REQUEST_FAILED' })
  })
})

test('a subscription of an old client, without owned partitions, is read', () => {
  const metadata = encodeSubscription(
    { topics: ['t'], userData: null, ownedPartitions: [], generationId: -1, rackId: null },
    0,
  )
  assert.deepEqual(wantedTopics([{ memberId: 'old', groupInstanceId: null, metadata }]), ['t'])
})

test('a member left out by its leader is assigned nothing', () => {
  assert.deepEqual(assignedPartitions(new Uint8Array(0)), [])
})

test('one eager assignor among the offered makes the group eager', () => {
  assert.equal(isCooperative(['cooperative-sticky']), true)
  assert.equal(isCooperative(['cooperative-sticky', 'range']), false)
})

function member(
  memberId: string,
  assignor: KafkaAssignorName,
  held: MemberPast = nothing,
  past: MemberPast = nothing,
) {
  const [offered] = subscriptions([assignor], ['u', 't'], held, past)
  return { memberId, groupInstanceId: null, metadata: offered!.metadata }
}

function wire(assignor: KafkaAssignorName): string {
  return assignor === 'roundrobin' ? 'roundrobin' : assignor
}
