/**
 * The assignor `simple` of share groups: partitions may be shared.
 *
 * Every partition of a topic that somebody wants has a member. With more partitions than members each has one, spread
 * evenly; with more members than partitions nobody is idle, and the partitions are shared evenly. Who has a partition
 * keeps it where that costs nothing. Deterministic: members by id, topics by name.
 */

import type { TopicIdPartitions } from '../consumer-records.ts'
import type { GroupTopic } from '../topics.ts'

export interface SimpleMember {
  readonly memberId: string
  /** Of topics that exist. */
  readonly topics: readonly GroupTopic[]
  /** What it has now. */
  readonly assigned: readonly TopicIdPartitions[]
}

interface Slot {
  readonly topicId: string
  readonly partition: number
  members: number
}

export function assignSimply(
  members: readonly SimpleMember[],
): ReadonlyMap<string, readonly TopicIdPartitions[]> {
  const shares = members
    .map((member) => new Share(member))
    .sort((left, right) => (left.memberId < right.memberId ? -1 : 1))
  const slots = slotsOf(members)
  for (const slot of slots) {
    const takers = shares.filter((share) => share.wants(slot))
    least(
      takers,
      (share) => share.count,
      (share) => share.had(slot),
    )?.take(slot)
  }
  for (const share of shares)
    if (share.count === 0) {
      const wanted = slots.filter((slot) => share.wants(slot))
      const slot = least(
        wanted,
        ({ members: sharing }) => sharing,
        (each) => share.had(each),
      )
      if (slot !== undefined) share.take(slot)
    }
  return new Map(shares.map((share) => [share.memberId, share.partitions()]))
}

/** What one member gets. */
class Share {
  readonly memberId: string
  readonly #topicIds: ReadonlySet<string>
  readonly #had: ReadonlyMap<string, ReadonlySet<number>>
  readonly #taken = new Map<string, number[]>()
  count = 0

  constructor({ memberId, topics, assigned }: SimpleMember) {
    this.memberId = memberId
    this.#topicIds = new Set(topics.map(({ topicId }) => topicId))
    this.#had = new Map(assigned.map(({ topicId, partitions }) => [topicId, new Set(partitions)]))
  }

  wants({ topicId }: Slot): boolean {
    return this.#topicIds.has(topicId)
  }

  had({ topicId, partition }: Slot): boolean {
    return this.#had.get(topicId)?.has(partition) === true
  }

  take(slot: Slot): void {
    const partitions = this.#taken.get(slot.topicId) ?? []
    partitions.push(slot.partition)
    this.#taken.set(slot.topicId, partitions)
    this.count++
    slot.members++
  }

  partitions(): readonly TopicIdPartitions[] {
    return Array.from(this.#taken, ([topicId, partitions]) => ({
      topicId,
      partitions: partitions.toSorted((left, right) => left - right),
    }))
  }
}

function slotsOf(members: readonly SimpleMember[]): Slot[] {
  const topics = new Map(
    members.flatMap(({ topics: wanted }) => wanted.map((topic) => [topic.topicId, topic])),
  )
  return [...topics.values()]
    .sort((left, right) => (left.name < right.name ? -1 : 1))
    .flatMap(({ topicId, partitionCount }) =>
      Array.from({ length: partitionCount }, (_, partition) => ({
        topicId,
        partition,
        members: 0,
      })),
    )
}

/** The one with the smallest number; of several the first that is preferred, else the first. */
function least<Item>(
  items: readonly Item[],
  numberOf: (item: Item) => number,
  isPreferred: (item: Item) => boolean,
): Item | undefined {
  let best: Item | undefined
  for (const item of items) {
    if (best === undefined) best = item
    else if (numberOf(item) < numberOf(best)) best = item
    else if (numberOf(item) === numberOf(best) && !isPreferred(best) && isPreferred(item))
      best = item
  }
  return best
}
