/**
 * The input of an assignor as numbers: members, topics and partitions by index, in an order that depends on nothing but
 * their names. Partitions of all topics stand in one row; topic `t` takes `base[t]` up to `base[t + 1]`.
 */

import type { Assignment, AssignorInput, AssignorMember, TopicPartitions } from './assignor.ts'

export interface Model {
  /** Static members by instance id, then dynamic ones by member id. */
  readonly members: readonly AssignorMember[]
  /** Topics that exist and that somebody wants, by name. */
  readonly topics: readonly string[]
  readonly base: readonly number[]
  /** Per topic, the members that want it, ascending. */
  readonly subscribers: readonly (readonly number[])[]
  /** Everybody wants the same topics. */
  readonly isUniform: boolean
}

export const NOBODY = -1

export function modelOf({ members: given, partitionCounts }: AssignorInput): Model {
  const members = [...given].sort(compareMembers)
  const wanted = members.map(({ topics }) =>
    [...new Set(topics)].filter((topic) => (partitionCounts.get(topic) ?? 0) > 0),
  )
  const topics = [...new Set(wanted.flat())].sort(compareText)
  const indexOf = new Map(topics.map((topic, index) => [topic, index]))
  const base = [0]
  for (const topic of topics) base.push((base.at(-1) ?? 0) + (partitionCounts.get(topic) ?? 0))
  const subscribers: number[][] = topics.map(() => [])
  wanted.forEach((list, member) => {
    for (const topic of list) subscribers[indexOf.get(topic) ?? 0]?.push(member)
  })
  const isUniform = subscribers.every((list) => list.length === members.length)
  return { members, topics, base, subscribers, isUniform }
}

export function partitionCountOf({ base }: Model): number {
  return base.at(-1) ?? 0
}

/**
 * Who holds each partition, as far as it can be believed: of two claims the one of the newer generation counts, of two
 * claims of the same generation none. Who no longer wants the topic does not hold it.
 */
export function ownersOf(model: Model): Int32Array {
  const owners = new Int32Array(partitionCountOf(model)).fill(NOBODY)
  const generations = new Float64Array(owners.length).fill(-Infinity)
  const isSubscriber = model.subscribers.map((list) => new Set(list))
  forEachClaim(model, (partition, member, topic) => {
    if (isSubscriber[topic]?.has(member) !== true) return
    const generation = model.members[member]?.generation ?? NOBODY
    const latest = generations[partition] ?? -Infinity
    if (generation < latest || owners[partition] === member) return
    owners[partition] = generation > latest ? member : NOBODY
    generations[partition] = generation
  })
  return owners
}

/** Calls `see` for everything that a member says it holds and that exists. */
export function forEachClaim(
  { members, topics, base }: Model,
  see: (partition: number, member: number, topic: number) => void,
): void {
  const indexOf = new Map(topics.map((topic, index) => [topic, index]))
  members.forEach(({ ownedPartitions }, member) => {
    for (const { topic, partitions } of ownedPartitions) {
      const index = indexOf.get(topic)
      if (index === undefined) continue
      const first = base[index] ?? 0
      const end = base[index + 1] ?? 0
      for (const partition of partitions)
        if (partition >= 0 && first + partition < end) see(first + partition, member, index)
    }
  })
}

/** Writes down who got what; a partition of NOBODY is nobody's. */
export function assignmentOf(model: Model, owners: Int32Array): Assignment {
  const { members, topics, base } = model
  const lists: { topic: string; partitions: number[] }[][] = members.map(() => [])
  topics.forEach((topic, index) => {
    const first = base[index] ?? 0
    const end = base[index + 1] ?? 0
    for (let partition = first; partition < end; partition++) {
      const list = lists[owners[partition] ?? NOBODY]
      if (list === undefined) continue
      let last = list.at(-1)
      if (last === undefined || last.topic !== topic) {
        last = { topic, partitions: [] }
        list.push(last)
      }
      last.partitions.push(partition - first)
    }
  })
  return new Map<string, readonly TopicPartitions[]>(
    members.map(({ memberId }, index) => [memberId, lists[index] ?? []]),
  )
}

/** Static members come first, by instance id: they keep their place when they come back under another member id. */
function compareMembers(left: AssignorMember, right: AssignorMember): number {
  if (left.groupInstanceId !== null && right.groupInstanceId !== null)
    return compareText(left.groupInstanceId, right.groupInstanceId)
  if (left.groupInstanceId !== null) return -1
  if (right.groupInstanceId !== null) return 1
  return compareText(left.memberId, right.memberId)
}

/** By UTF-16 units, as Java compares. */
function compareText(left: string, right: string): number {
  if (left === right) return 0
  return left < right ? -1 : 1
}
