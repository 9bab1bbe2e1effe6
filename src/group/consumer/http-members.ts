/**
 * Members that come over HTTP: KIP-848 members with JSON manners. This is what their heartbeats say in KIP-848's words.
 *
 * The generation is the member epoch, and says which answer the member has read. An answer that takes partitions away has a
 * new one (`reconcile.ts`); nothing else names it, so coming with it gives those partitions up:
 *
 *   heartbeat(1) ─▶ answer: generation 2, fewer partitions, `rebalance_required`
 *   heartbeat(1)    the answer was lost, or the member still works on the others: it is told the same again
 *   heartbeat(2)    they are released, and their new owner gets them
 *
 * A member may say instead what it still owns; that is believed whatever its generation. One that says neither is taken to have
 * read the last answer. A join says nothing of what was read, so it gives nothing up. Where nothing has to be given up, a
 * generation that is not the member's own is stale: the refusal carries the present one, and the next answer everything.
 */

import type { TopicIdPartitions } from '../records.ts'
import type { ConsumerGroup, ConsumerMember } from './consumer-group.ts'
import { isEmpty, listOf, NO_PARTITIONS, samePartitions } from './partitions.ts'

export interface HttpBeat {
  /** That of the last answer it has read; null where the member does not say it: then it is taken to know the present one. */
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
  if (isStale(member, generation)) return null
  const hasRead = generation === null || generation === memberEpoch
  const released = state === 'unrevoked' && hasRead ? listOf(assigned) : null
  return { memberEpoch, topicPartitions: owned ?? released }
}

/** What a join says it owns: nothing where it is the first, and no word where it may be the second. */
export function ownedAtJoin(member: ConsumerMember | null): readonly TopicIdPartitions[] | null {
  return member === null ? [] : null
}

/**
 * Whether the member has to be refused. Who has to give something up is not for a generation before it: it may not have read
 * that, and a refusal would tell it the number that releases what it works on.
 */
export function isStale(
  { memberEpoch, state }: ConsumerMember,
  generation: number | null,
): boolean {
  if (generation === null || generation === memberEpoch) return false
  return state !== 'unrevoked' || generation > memberEpoch
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
