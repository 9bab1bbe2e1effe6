/**
 * The sticky assignment when members want different topics: of all assignments with the least sum of squared loads, one
 * that moves the fewest partitions.
 *
 * It is a flow problem. Partitions of one topic with one old owner are alike: a class. A unit of a class sits at a member;
 * keeping it where it was costs 0, elsewhere 1, and the n-th unit at a member costs 2n-1 times more than all moves
 * together. An assignment is optimal exactly when no chain of shifts leads back to its start at a negative cost:
 *
 *   member ─▶ class it holds ─▶ (its old owner, free) or (hub of the topic, one move) ─▶ member …
 *   sink ─▶ a member that gives one away, … a member that takes one ─▶ sink
 *
 * So: a quick greedy start, then negative cycles (Bellman-Ford) are shifted until there are none. `SEARCH_BUDGET` bounds
 * the work for huge mixed groups; what comes out then is complete and near balance, but may move more than it must.
 */

import { type Model, NOBODY } from './model.ts'

/** Edges looked at before the search stops: some tens of milliseconds. */
const SEARCH_BUDGET = 5_000_000

interface PartitionClass {
  readonly topic: number
  readonly owner: number
  /** Ascending; whoever gets how many of them, the old owner keeps the first. */
  readonly partitions: number[]
  /** How many of them each member has. */
  readonly at: Map<number, number>
}

interface State {
  readonly model: Model
  readonly classes: readonly PartitionClass[]
  readonly loads: number[]
  /** What one unit of balance costs: more than all moves. */
  readonly weight: number
}

export function balanceMixed(model: Model, held: Int32Array): Int32Array {
  const state: State = {
    model,
    classes: classesOf(model, held),
    loads: model.members.map(() => 0),
    weight: held.length + 1,
  }
  place(state)
  spread(state)
  refine(state)
  return ownersFrom(state, held.length)
}

function classesOf({ base, topics }: Model, held: Int32Array): PartitionClass[] {
  const classes: PartitionClass[] = []
  topics.forEach((_, topic) => {
    const byOwner = new Map<number, PartitionClass>()
    const end = base[topic + 1] ?? 0
    for (let partition = base[topic] ?? 0; partition < end; partition++) {
      const owner = held[partition] ?? NOBODY
      let found = byOwner.get(owner)
      if (found === undefined) {
        found = { topic, owner, partitions: [], at: new Map() }
        byOwner.set(owner, found)
        classes.push(found)
      }
      found.partitions.push(partition)
    }
  })
  return classes
}

/** Everybody keeps what it holds; what nobody holds goes to the least loaded, topics with few subscribers first. */
function place(state: State): void {
  const { classes, loads, model } = state
  for (const { owner, at, partitions } of classes) {
    if (owner === NOBODY) continue
    at.set(owner, partitions.length)
    loads[owner] = (loads[owner] ?? 0) + partitions.length
  }
  const subscribersOf = ({ topic }: PartitionClass) => model.subscribers[topic] ?? []
  const free = classes
    .filter(({ owner }) => owner === NOBODY)
    .sort((left, right) => subscribersOf(left).length - subscribersOf(right).length)
  for (const found of free)
    for (let count = found.partitions.length; count > 0; count--) {
      const member = leastLoaded(subscribersOf(found), loads)
      found.at.set(member, (found.at.get(member) ?? 0) + 1)
      loads[member] = (loads[member] ?? 0) + 1
    }
}

/** Direct shifts from who has much to who has least, while the two differ by more than one. */
function spread(state: State): void {
  const { classes, loads, model } = state
  for (const found of classes) {
    const subscribers = model.subscribers[found.topic] ?? []
    // Shifts change who has what: the givers are those of now.
    for (const giver of Array.from(found.at.keys())) {
      while ((found.at.get(giver) ?? 0) > 0) {
        const taker = leastLoaded(subscribers, loads)
        if ((loads[giver] ?? 0) - (loads[taker] ?? 0) < 2) break
        shift(state, found, giver, taker)
      }
    }
  }
}

/** Shifts along negative cycles until there are none: see the header. */
function refine(state: State): void {
  let budget = SEARCH_BUDGET
  while (budget > 0) {
    const { cycle, edgeCount } = negativeCycle(state)
    budget -= edgeCount
    if (cycle === null) return
    applyCycle(state, cycle)
  }
}

/** Nodes: members, then hubs of topics, then classes, then the sink. */
function negativeCycle(state: State): { cycle: readonly number[] | null; edgeCount: number } {
  const { model, classes, loads, weight } = state
  const memberCount = loads.length
  const hub = memberCount
  const firstClass = hub + model.topics.length
  const sink = firstClass + classes.length
  const costs = new Float64Array(sink + 1)
  const parents = new Int32Array(sink + 1).fill(NOBODY)
  let edgeCount = 0
  let changed = false
  const relax = (from: number, to: number, cost: number) => {
    edgeCount++
    const through = (costs[from] ?? 0) + cost
    if (through >= (costs[to] ?? 0)) return
    costs[to] = through
    parents[to] = from
    changed = true
  }

  for (let pass = 0; pass <= sink; pass++) {
    changed = false
    loads.forEach((load, member) => {
      if (load > 0) relax(sink, member, -weight * (2 * load - 1))
    })
    classes.forEach(({ topic, owner, at }, index) => {
      const node = firstClass + index
      for (const [member, count] of at)
        if (count > 0) relax(member, node, isMove(owner, member) ? -1 : 0)
      if (owner !== NOBODY) relax(node, owner, 0)
      relax(node, hub + topic, owner === NOBODY ? 0 : 1)
    })
    model.subscribers.forEach((subscribers, topic) => {
      for (const member of subscribers) relax(hub + topic, member, 0)
    })
    loads.forEach((load, member) => relax(member, sink, weight * (2 * load + 1)))
    if (!changed) return { cycle: null, edgeCount }
    const cycle = parentCycle(parents)
    if (cycle !== null) return { cycle, edgeCount }
  }
  return { cycle: null, edgeCount }
}

/** A cycle in the tree of parents, in the direction of the edges: it has a negative cost whenever there is one. */
function parentCycle(parents: Int32Array): readonly number[] | null {
  const seenBy = new Int32Array(parents.length).fill(NOBODY)
  for (let start = 0; start < parents.length; start++) {
    let node = start
    while (node !== NOBODY && seenBy[node] === NOBODY) {
      seenBy[node] = start
      node = parents[node] ?? NOBODY
    }
    if (node === NOBODY || seenBy[node] !== start) continue
    const cycle: number[] = []
    let at = node
    do {
      cycle.push(at)
      at = parents[at] ?? NOBODY
    } while (at !== node)
    return cycle.reverse()
  }
  return null
}

function applyCycle(state: State, cycle: readonly number[]): void {
  const memberCount = state.loads.length
  const firstClass = memberCount + state.model.topics.length
  const at = (index: number) => cycle[index % cycle.length] ?? NOBODY
  cycle.forEach((node, index) => {
    const found = state.classes[node - firstClass]
    if (found === undefined) return
    const giver = at(index + cycle.length - 1)
    const next = at(index + 1)
    shift(state, found, giver, next < memberCount ? next : at(index + 2))
  })
}

function shift({ loads }: State, found: PartitionClass, giver: number, taker: number): void {
  const left = (found.at.get(giver) ?? 0) - 1
  if (left > 0) found.at.set(giver, left)
  else found.at.delete(giver)
  found.at.set(taker, (found.at.get(taker) ?? 0) + 1)
  loads[giver] = (loads[giver] ?? 0) - 1
  loads[taker] = (loads[taker] ?? 0) + 1
}

function ownersFrom({ classes }: State, partitionCount: number): Int32Array {
  const owners = new Int32Array(partitionCount).fill(NOBODY)
  for (const { owner, partitions, at } of classes) {
    let next = 0
    const give = (member: number) => {
      for (let count = at.get(member) ?? 0; count > 0; count--)
        owners[partitions[next++] ?? 0] = member
    }
    give(owner)
    for (const member of [...at.keys()].sort((left, right) => left - right))
      if (member !== owner) give(member)
  }
  return owners
}

function isMove(owner: number, member: number): boolean {
  return owner !== NOBODY && owner !== member
}

function leastLoaded(members: readonly number[], loads: readonly number[]): number {
  let least = members[0] ?? 0
  for (const member of members) if ((loads[member] ?? 0) < (loads[least] ?? 0)) least = member
  return least
}
