/**
 * Who should have which shard, where no broker decides it: pure, and the same for every member that sees the same.
 *
 * Members that see different things for a moment may plan the same shard twice; that is harmless, for a plan is only a
 * wish: a shard is worked on by whoever holds its lease. As everywhere, what is held stays where it is as far as balance
 * allows, and a shard changes hands only after its holder gave it up.
 */

import { assignors } from '../../group/index.ts'

export interface Shard {
  readonly topic: string
  readonly shard: number
}

export interface ShardMember {
  readonly memberId: string
  readonly topics: readonly string[]
}

export interface ShardHolder extends Shard {
  readonly memberId: string
}

export function shardId({ topic, shard }: Shard): string {
  return `${topic}/${shard}`
}

/** What `memberId` should hold. Holders that are not among the members count for nothing: they are gone. */
export function plannedShards(
  memberId: string,
  members: readonly ShardMember[],
  shardCounts: ReadonlyMap<string, number>,
  holders: readonly ShardHolder[],
): readonly Shard[] {
  const held = Map.groupBy(holders, (holder) => holder.memberId)
  const plan = assignors.sticky({
    partitionCounts: shardCounts,
    members: members.map((member) => ({
      memberId: member.memberId,
      groupInstanceId: null,
      topics: member.topics,
      generation: 0,
      ownedPartitions: byTopic(held.get(member.memberId) ?? []),
    })),
  })
  return (plan.get(memberId) ?? []).flatMap(({ topic, partitions }) =>
    partitions.map((shard) => ({ topic, shard })),
  )
}

function byTopic(shards: readonly Shard[]): { topic: string; partitions: number[] }[] {
  return [...Map.groupBy(shards, ({ topic }) => topic)].map(([topic, list]) => ({
    topic,
    partitions: list.map(({ shard }) => shard),
  }))
}
