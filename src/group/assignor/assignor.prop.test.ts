import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import type { Assignment, AssignorInput, AssignorMember } from './assignor.ts'
import { assignors, serverAssignors } from './index.ts'

const TOPICS = ['x', 'y', 'z']

/** Up to four members over at most five partitions: small enough to look at every possible assignment. */
const anyInput = (isUniform: boolean): fc.Arbitrary<AssignorInput> =>
  fc
    .record({
      counts: fc.tuple(fc.nat(2), fc.nat(2), fc.nat(1)),
      subscriptions: fc.array(fc.subarray(TOPICS, { minLength: 1 }), {
        minLength: 1,
        maxLength: 4,
      }),
      claims: fc.array(
        fc.record({ member: fc.nat(3), topic: fc.constantFrom(...TOPICS), partition: fc.nat(2) }),
      ),
      generations: fc.array(fc.nat(1), { minLength: 4, maxLength: 4 }),
    })
    .map(({ counts, subscriptions, claims, generations }) => ({
      partitionCounts: new Map(TOPICS.map((topic, index) => [topic, counts[index]!])),
      members: subscriptions.map((topics, index) => ({
        memberId: `m${index}`,
        groupInstanceId: null,
        topics: isUniform ? TOPICS : topics,
        generation: generations[index]!,
        ownedPartitions: claims
          .filter(({ member }) => member === index)
          .map(({ topic, partition }) => ({ topic, partitions: [partition] })),
      })),
    }))

const inputs = { uniform: anyInput(true), mixed: anyInput(false) }

for (const [kind, input] of Object.entries(inputs))
  describe(`with ${kind} subscriptions`, () => {
    const everyAssignor = [
      ...Object.entries(assignors),
      ["the server's uniform", serverAssignors.uniform],
      ["the server's range", serverAssignors.range],
    ] as const
    for (const [name, assign] of everyAssignor)
      test(`${name} gives every wanted partition to at most one member that wants it, whatever the order of the input`, () => {
        fc.assert(
          fc.property(input, (given) => {
            const owners = ownersIn(assign(given))
            const wanted = partitionsOf(given)
            for (const [partition, members] of owners) {
              assert.equal(members.length, 1, partition)
              assert.ok(wanted.get(partition)?.includes(members[0]!), partition)
            }
            if (name !== 'cooperative-sticky')
              assert.deepEqual(new Set(owners.keys()), new Set(wanted.keys()))
            const turned = { ...given, members: [...given.members].reverse() }
            assert.deepEqual(ownersIn(assign(turned)), owners)
          }),
        )
      })

    test('sticky is as balanced as can be, with the fewest moves that allow it', () => {
      fc.assert(
        fc.property(input, (given) => {
          const best = bruteForce(given)
          const found = costOf(given, singleOwners(assignors.sticky(given)))
          assert.deepEqual(found, best)
        }),
        { numRuns: 300 },
      )
    })

    test("the server's range is the clients', whatever members hold", () => {
      fc.assert(
        fc.property(input, (given) => {
          const fresh = given.members.map((member) => ({ ...member, ownedPartitions: [] }))
          assert.deepEqual(
            ownersIn(serverAssignors.range(given)),
            ownersIn(assignors.range({ ...given, members: fresh })),
          )
        }),
      )
    })

    test('cooperative-sticky never gives what another claims, and is sticky once everybody has given up the rest', () => {
      fc.assert(
        fc.property(input, (given) => {
          const assign = assignors['cooperative-sticky']
          const first = singleOwners(assign(given))
          for (const [partition, owner] of first)
            for (const { memberId, ownedPartitions } of given.members)
              if (memberId !== owner)
                assert.ok(
                  !ownedPartitions.some(({ topic, partitions }) =>
                    partitions.some((index) => `${topic}/${index}` === partition),
                  ),
                )

          const kept = given.members.map((member) => ({
            ...member,
            generation: 2,
            ownedPartitions: claimsOf(member.memberId, first),
          }))
          const second = assign({ ...given, members: kept })
          assert.deepEqual(
            new Set(singleOwners(second).keys()),
            new Set(partitionsOf(given).keys()),
          )
          for (const [partition, owner] of first)
            assert.equal(singleOwners(second).get(partition), owner)
        }),
      )
    })
  })

test('sticky stays balanced within one, whoever comes and goes', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ join: fc.boolean(), who: fc.nat(7) }), { maxLength: 12 }),
      fc.integer({ min: 1, max: 20 }),
      (changes, partitionCount) => {
        const partitionCounts = new Map([['x', partitionCount]])
        const present = new Set(['m0'])
        let owners = new Map<string, string>()
        for (const { join, who } of changes) {
          if (join) present.add(`m${who}`)
          else if (present.size > 1) present.delete(`m${who}`)
          if (present.size === 0) present.add('m0')
          const members = [...present].map((memberId) => ({
            memberId,
            groupInstanceId: null,
            topics: ['x'],
            generation: 1,
            ownedPartitions: claimsOf(memberId, owners),
          }))
          owners = singleOwners(assignors.sticky({ members, partitionCounts }))
          const loads = members.map(({ memberId }) => claimsOf(memberId, owners).length)
          assert.ok(Math.max(...loads) - Math.min(...loads) <= 1)
          assert.equal(owners.size, partitionCount)
        }
      },
    ),
  )
})

/** The least sum of squared loads and, of the assignments that have it, the fewest moves: by looking at all of them. */
function bruteForce(input: AssignorInput): { squares: number; moves: number } {
  const partitions = [...partitionsOf(input)]
  let best = { squares: Infinity, moves: Infinity }
  const owners = new Map<string, string>()
  const visit = (index: number) => {
    const next = partitions[index]
    if (next === undefined) {
      const cost = costOf(input, owners)
      if (cost.squares < best.squares || (cost.squares === best.squares && cost.moves < best.moves))
        best = cost
      return
    }
    for (const member of next[1]) {
      owners.set(next[0], member)
      visit(index + 1)
    }
  }
  visit(0)
  return best
}

function costOf(
  input: AssignorInput,
  owners: ReadonlyMap<string, string>,
): { squares: number; moves: number } {
  const loads = new Map<string, number>()
  for (const owner of owners.values()) loads.set(owner, (loads.get(owner) ?? 0) + 1)
  const before = believedOwners(input)
  return {
    squares: [...loads.values()].reduce((sum, load) => sum + load * load, 0),
    moves: [...owners].filter(
      ([partition, owner]) => before.has(partition) && before.get(partition) !== owner,
    ).length,
  }
}

/** Who held what: the only claim of the newest generation among subscribers. */
function believedOwners(input: AssignorInput): ReadonlyMap<string, string> {
  const owners = new Map<string, string>()
  for (const [partition, subscribers] of partitionsOf(input)) {
    const claims = input.members.filter(
      ({ memberId, ownedPartitions }) =>
        subscribers.includes(memberId) &&
        ownedPartitions.some(({ topic, partitions }) =>
          partitions.some((index) => `${topic}/${index}` === partition),
        ),
    )
    const newest = Math.max(...claims.map(({ generation }) => generation))
    const [only, ...others] = claims.filter(({ generation }) => generation === newest)
    if (only !== undefined && others.length === 0) owners.set(partition, only.memberId)
  }
  return owners
}

/** Every partition that somebody wants, and who does. */
function partitionsOf({
  members,
  partitionCounts,
}: AssignorInput): ReadonlyMap<string, readonly string[]> {
  const wanted = new Map<string, readonly string[]>()
  for (const [topic, count] of partitionCounts) {
    const subscribers = members
      .filter(({ topics }) => topics.includes(topic))
      .map(({ memberId }) => memberId)
    if (subscribers.length > 0)
      for (let index = 0; index < count; index++) wanted.set(`${topic}/${index}`, subscribers)
  }
  return wanted
}

function ownersIn(assignment: Assignment): ReadonlyMap<string, readonly string[]> {
  const owners = new Map<string, string[]>()
  for (const [memberId, list] of assignment)
    for (const { topic, partitions } of list)
      for (const partition of partitions) {
        const key = `${topic}/${partition}`
        owners.set(key, [...(owners.get(key) ?? []), memberId])
      }
  return owners
}

function singleOwners(assignment: Assignment): Map<string, string> {
  return new Map(Array.from(ownersIn(assignment), ([partition, [owner]]) => [partition, owner!]))
}

function claimsOf(
  memberId: string,
  owners: ReadonlyMap<string, string>,
): AssignorMember['ownedPartitions'] {
  return [...owners]
    .filter(([, owner]) => owner === memberId)
    .map(([partition]) => ({
      topic: partition.split('/')[0]!,
      partitions: [Number(partition.split('/')[1])],
    }))
}
