/**
 * One step of a member towards its target (KIP-848), as a pure function of both and of what others still hold.
 *
 *   state      │ what the member says               │ next
 *   ───────────┼────────────────────────────────────┼──────────────────────────────────────────────────────
 *   stable     │ anything, at the target's epoch    │ nothing
 *   stable     │ anything, at an older epoch        │ a step
 *   unrevoked  │ still owns what it must give up    │ nothing (a step when its subscription changed)
 *   unrevoked  │ has given it up                    │ a step
 *   unreleased │ anything                           │ a step
 *
 * A step, by the first line that fits:
 *
 *   it owns what is not in the target          ▶ unrevoked, epoch as before: give that up first (over HTTP the target's)
 *   something new is free                      ▶ has it, at the target's epoch; unreleased when more is to come
 *   something new is still held by another     ▶ unreleased, at the target's epoch
 *   nothing is missing                         ▶ stable, at the target's epoch
 *
 * So a partition changes hands only after its owner said that it gave it up, or was removed.
 *
 * A member over HTTP says so by the epoch of the answer that took the partitions away (`http-members.ts`), so that answer needs
 * an epoch of its own. It has one: where somebody else could get such a partition, the target is newer than the member's.
 */

import type { ReconciliationState } from '../records.ts'
import {
  type AnyPartitions,
  EpochsBuilder,
  has,
  overlap,
  type PartitionEpochs,
  type PartitionSet,
} from './partitions.ts'

export interface Progress {
  readonly memberEpoch: number
  readonly previousMemberEpoch: number
  readonly state: ReconciliationState
  readonly assigned: PartitionEpochs
  readonly pendingRevocation: PartitionEpochs
}

export interface ReconcileOptions {
  readonly targetEpoch: number
  readonly target: PartitionSet
  /** What the member says it owns; null when it does not say. */
  readonly owned: AnyPartitions | null
  readonly subscriptionChanged: boolean
  /** Whether it comes over HTTP. */
  readonly isHttp: boolean
  /** Whether the member wants the topic: what it no longer wants it loses before there is a new target. */
  readonly wants: (topicId: string) => boolean
  /** Whether somebody else has the partition, or has not said yet that it gave it up. */
  readonly isHeldByOther: (topicId: string, partition: number) => boolean
}

/** Where the member stands now: the same object when nothing changes. */
export function reconcile(member: Progress, options: ReconcileOptions): Progress {
  const { owned, targetEpoch, subscriptionChanged } = options
  switch (member.state) {
    case 'stable':
      if (member.memberEpoch === targetEpoch && !subscriptionChanged) return member
      break
    case 'unrevoked': {
      const mayOwn = owned === null || overlap(owned, member.pendingRevocation)
      if (mayOwn && !subscriptionChanged) return member
      break
    }
    case 'unreleased':
  }
  return step(member, options)
}

function step(member: Progress, options: ReconcileOptions): Progress {
  const { target, targetEpoch, wants, isHeldByOther } = options
  const assigned = new EpochsBuilder()
  const pending = new EpochsBuilder()
  let mustRevoke = false
  const leave = (topicId: string, partition: number, epoch: number) => {
    pending.add(topicId, partition, epoch)
    mustRevoke ||= mayOwn(options.owned, topicId, partition)
  }
  // What it was told to give up and has not is still its own until it says so.
  for (const [topicId, partitions] of member.pendingRevocation)
    for (const [partition, epoch] of partitions)
      if (options.owned === null || has(options.owned, topicId, partition))
        leave(topicId, partition, epoch)
  for (const [topicId, partitions] of member.assigned) {
    const kept = wants(topicId) ? target.get(topicId) : undefined
    for (const [partition, epoch] of partitions)
      if (kept?.has(partition) === true) assigned.add(topicId, partition, epoch)
      else leave(topicId, partition, epoch)
  }
  if (mustRevoke) {
    const epoch = options.isHttp ? targetEpoch : member.memberEpoch
    return moved(member, epoch, 'unrevoked', assigned.map, pending.map)
  }

  let isWaiting = false
  for (const [topicId, partitions] of target) {
    if (!wants(topicId)) continue
    for (const partition of partitions) {
      if (has(assigned.map, topicId, partition)) continue
      if (isHeldByOther(topicId, partition)) isWaiting = true
      else assigned.add(topicId, partition, targetEpoch)
    }
  }
  const state = isWaiting ? 'unreleased' : 'stable'
  return moved(member, targetEpoch, state, assigned.map, new Map())
}

function moved(
  member: Progress,
  memberEpoch: number,
  state: ReconciliationState,
  assigned: PartitionEpochs,
  pendingRevocation: PartitionEpochs,
): Progress {
  const next = {
    memberEpoch,
    previousMemberEpoch: member.memberEpoch,
    state,
    assigned,
    pendingRevocation,
  }
  return isSame(member, next) ? member : next
}

function isSame(before: Progress, after: Progress): boolean {
  return (
    before.memberEpoch === after.memberEpoch &&
    before.state === after.state &&
    sameEpochs(before.assigned, after.assigned) &&
    sameEpochs(before.pendingRevocation, after.pendingRevocation)
  )
}

function sameEpochs(left: PartitionEpochs, right: PartitionEpochs): boolean {
  if (sizeOf(left) !== sizeOf(right)) return false
  for (const [topicId, partitions] of left)
    for (const [partition, epoch] of partitions)
      if (right.get(topicId)?.get(partition) !== epoch) return false
  return true
}

function sizeOf(set: PartitionEpochs): number {
  let size = 0
  for (const partitions of set.values()) size += partitions.size
  return size
}

function mayOwn(owned: AnyPartitions | null, topicId: string, partition: number): boolean {
  return owned === null || has(owned, topicId, partition)
}
