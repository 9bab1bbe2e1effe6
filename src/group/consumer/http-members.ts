/**
 * Members that come over HTTP: KIP-848 members with JSON manners. This is what their heartbeats say in KIP-848's words.
 *
 * They do not list what they own. An answer that took partitions away is taken for read when the member comes again: its
 * next heartbeat, poll or join gives them up. A member that needs longer says what it still owns.
 *
 *   heartbeat ─▶ answered with fewer partitions, `rebalance_required` ─▶ the next heartbeat releases the others
 *             ─▶ the generation moves on, and their new owner gets them
 *
 * The generation is the member epoch. One that is not the member's own is stale, also the one before it: over HTTP a lost
 * answer shows as a refusal that carries the present generation.
 */

import type { TopicIdPartitions } from '../records.ts'
import type { ConsumerGroup, ConsumerMember } from './consumer-group.ts'
import { isEmpty, listOf, NO_PARTITIONS, samePartitions } from './partitions.ts'

export interface HttpBeat {
  /** Null where the member does not say it: then it is taken to know the present one. */
  readonly generation: number | null
  /** What it still owns; null where it does not say. */
  readonly owned: readonly TopicIdPartitions[] | null
}

/** The epoch and what is owned, as a heartbeat of KIP-848 has them; null when the generation is stale. */
export function httpBeat(
  member: ConsumerMember,
  { generation, owned }: HttpBeat,
): {
  readonly memberEpoch: number
  readonly topicPartitions: readonly TopicIdPartitions[] | null
} | null {
  const { memberEpoch, state, assigned } = member
  if (generation !== null && generation !== memberEpoch) return null
  const released = state === 'unrevoked' ? listOf(assigned) : null
  return { memberEpoch, topicPartitions: owned ?? released }
}

/** Whether the member has to look at its assignment and its generation: they changed, or it has to give something up. */
export function hasMoved(before: ConsumerMember, after: ConsumerMember): boolean {
  return (
    after.state === 'unrevoked' ||
    after.memberEpoch !== before.memberEpoch ||
    !samePartitions(after.assigned, before.assigned)
  )
}

/** Whether a heartbeat would move the member: there is a target, or a step towards it, that it has not heard of. */
export function isBehind(group: ConsumerGroup, member: ConsumerMember): boolean {
  return group.groupEpoch !== member.memberEpoch || member.state === 'unreleased'
}

/** Members for whom no partition is left. In a paused group nobody has any, and nobody is idle. */
export function idleMembers(group: ConsumerGroup): readonly string[] {
  if (group.pause !== null) return []
  return [...group.members.keys()].filter((id) => isEmpty(group.targets.get(id) ?? NO_PARTITIONS))
}
