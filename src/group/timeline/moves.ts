/**
 * What a rebalance came to: who had what before, who has what after, and which partitions changed hands.
 *
 * Net: a partition that an eager member gave up and got again did not move. The list is cut at `MOST_MOVES`, its counts never.
 */

import type { BeforeRebalance, Ownership, PartitionMove, RebalanceOutcome } from '../records.ts'

/** Moves that one entry of the timeline names. */
export const MOST_MOVES = 200

interface Owned {
  readonly topic: string
  readonly partition: number
  from: string | null
  to: string | null
}

export function outcomeOf(
  before: BeforeRebalance | null,
  after: readonly Ownership[],
): RebalanceOutcome {
  const owners = before?.owners ?? []
  const here = new Set(after.map(({ memberId }) => memberId))
  const moves: PartitionMove[] = []
  let [assigned, revoked, lost] = [0, 0, 0]
  for (const owned of ownersOf(owners, after)) {
    const { from, to } = owned
    if (from === to) continue
    if (to !== null) assigned++
    if (from !== null) {
      if (here.has(from)) revoked++
      else lost++
    }
    moves.push(owned)
  }
  moves.sort((left, right) => byName(left.topic, right.topic) || left.partition - right.partition)
  const moved = moves.slice(0, MOST_MOVES)
  return {
    memberCountBefore: owners.length,
    memberCount: after.length,
    assigned,
    revoked,
    lost,
    movedCount: moves.length,
    moved,
    clientIds: clientIdsOf(moved, [...owners, ...after]),
  }
}

function ownersOf(before: readonly Ownership[], after: readonly Ownership[]): Iterable<Owned> {
  const topics = new Map<string, Map<number, Owned>>()
  const place = (topic: string, partition: number): Owned => {
    let partitions = topics.get(topic)
    if (partitions === undefined) topics.set(topic, (partitions = new Map()))
    let owned = partitions.get(partition)
    if (owned === undefined)
      partitions.set(partition, (owned = { topic, partition, from: null, to: null }))
    return owned
  }
  eachOwned(before, (memberId, topic, partition) => (place(topic, partition).from = memberId))
  eachOwned(after, (memberId, topic, partition) => (place(topic, partition).to = memberId))
  return Array.from(topics.values(), (partitions) => [...partitions.values()]).flat()
}

function eachOwned(
  owners: readonly Ownership[],
  visit: (memberId: string, topic: string, partition: number) => void,
): void {
  for (const { memberId, partitions: topics } of owners)
    for (const { topic, partitions } of topics)
      for (const partition of partitions) visit(memberId, topic, partition)
}

function clientIdsOf(
  moved: readonly PartitionMove[],
  owners: readonly Ownership[],
): RebalanceOutcome['clientIds'] {
  const clientIds = new Map(owners.map(({ memberId, clientId }) => [memberId, clientId]))
  const named = new Set(moved.flatMap(({ from, to }) => [from, to]))
  return [...clientIds].filter(([memberId]) => named.has(memberId))
}

function byName(left: string, right: string): number {
  if (left === right) return 0
  return left < right ? -1 : 1
}
