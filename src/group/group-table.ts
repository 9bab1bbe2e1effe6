/**
 * The hard state of all groups: what records make of it, and the records that rebuild it.
 *
 * A group is of one type at a time. An empty group of either type counts as the other where it is asked to be: its numbers
 * go on, so that nothing that was said to an earlier member can be taken for something said to a later one.
 */

import { assertInvariant, unreachable } from '../core/index.ts'
import {
  applyRecord,
  type ClassicGroup,
  snapshotOf,
  unknownGroup,
} from './classic/classic-group.ts'
import {
  applyConsumerRecord,
  type ConsumerGroup,
  consumerSnapshotOf,
  newConsumerGroup,
} from './consumer/consumer-group.ts'
import { OffsetTable } from './offsets/offset-table.ts'
import type { GroupRecord } from './records.ts'
import { ShareTable } from './share/index.ts'
import { ShareGroups } from './share-group/share-groups.ts'
import type { ShareGroupLimits } from './share-group/turn.ts'
import { type TimelineLimits, TimelineTable } from './timeline/timeline-table.ts'

export type Group = ClassicGroup | ConsumerGroup

export class GroupTable {
  readonly groups = new Map<string, Group>()
  readonly offsets = new OffsetTable()
  readonly shares = new ShareTable()
  readonly shareGroups: ShareGroups
  readonly timelines: TimelineTable
  #observedMs = 0

  constructor(limits: TimelineLimits & ShareGroupLimits) {
    this.timelines = new TimelineTable(limits)
    this.shareGroups = new ShareGroups(limits)
  }

  /** Time that the broker has seen pass, as far as records say. */
  get observedMs(): number {
    return this.#observedMs
  }

  replay(record: GroupRecord): void {
    switch (record.kind) {
      case 'clock-observed':
        return this.#observe(record.observedMs)
      case 'group-deleted':
        this.groups.delete(record.groupId)
        this.offsets.deleteGroup(record.groupId)
        this.shares.deleteGroup(record.groupId)
        this.shareGroups.delete(record.groupId)
        this.timelines.delete(record.groupId)
        return
      case 'timeline':
        return this.timelines.restore(record)
      case 'offsets-deleted':
        return this.offsets.delete(record)
      case 'offsets-committed': {
        this.offsets.commit(record)
        this.#observe(record.observedMs)
        this.timelines.seen(record.groupId, record.commitTimestampMs)
        const group = this.groups.get(record.groupId)
        if (group?.type === 'consumer') this.#set(applyConsumerRecord(group, record))
        else this.#set(applyRecord(group ?? unknownGroup(record.groupId), record))
        return
      }
      case 'generation':
      case 'member-removed':
        this.#observe(record.at.observedMs)
        this.timelines.seen(record.groupId, record.rebalance?.startedMs ?? record.at.wallMs)
        return this.#set(applyRecord(this.classic(record.groupId), record))
      case 'group-paused':
      case 'group-resumed': {
        const group = this.groups.get(record.groupId)
        if (group?.type === 'consumer') return this.#set(applyConsumerRecord(group, record))
        if (record.kind === 'group-paused')
          this.timelines.seen(record.groupId, record.pause.sinceMs)
        return this.#set(applyRecord(group ?? unknownGroup(record.groupId), record))
      }
      case 'assigned':
      case 'member-replaced':
        return this.#set(applyRecord(this.classic(record.groupId), record))
      case 'group':
        return this.#set(applyRecord(unknownGroup(record.groupId), record))
      case 'consumer-member-left':
        this.#observe(record.at.observedMs)
        return this.#set(applyConsumerRecord(this.consumer(record.groupId), record))
      case 'group-epoch':
        this.timelines.seen(record.groupId, record.rebalance.startedMs)
        return this.#set(applyConsumerRecord(this.consumer(record.groupId), record))
      case 'consumer-member':
      case 'consumer-member-replaced':
      case 'target-assignment':
      case 'member-epoch':
        return this.#set(applyConsumerRecord(this.consumer(record.groupId), record))
      case 'consumer-group':
        return this.#set(applyConsumerRecord(newGroup(record.groupId), record))
      case 'share-started':
      case 'share-delivery':
      case 'share-failed':
      case 'share-log-start':
      case 'share-committed':
      case 'share-deleted':
      case 'share-partition':
        return this.shares.replay(record)
      case 'share-group-member':
      case 'share-group-member-left':
      case 'share-group-epoch':
      case 'share-group-target':
      case 'share-group-member-epoch':
      case 'share-group':
        return this.shareGroups.replay(record)
      default:
        return unreachable(record)
    }
  }

  /** A list of its own, which later records do not change. */
  snapshot(): readonly GroupRecord[] {
    const records: GroupRecord[] = [{ kind: 'clock-observed', observedMs: this.#observedMs }]
    for (const group of this.groups.values()) {
      // The group last: a commit says how long its group was idle, and that is the group's to say here.
      records.push(...this.offsets.snapshot(group.groupId, group.idleSince.observedMs))
      records.push(group.type === 'classic' ? snapshotOf(group) : consumerSnapshotOf(group))
      records.push(...this.timelines.snapshot(group.groupId))
    }
    records.push(...this.shareGroups.snapshot(), ...this.shares.snapshot())
    return records
  }

  /** The group as a classic one: as it is, or as it would begin. */
  classic(groupId: string): ClassicGroup {
    const group = this.groups.get(groupId)
    if (group === undefined) return unknownGroup(groupId)
    if (group.type === 'classic') return group
    assertIsEmpty(group)
    const { groupEpoch: generation, idleSince, pause } = group
    return { ...unknownGroup(groupId), generation, idleSince, pause }
  }

  /** The group as a KIP-848 one: as it is, or as it would begin. */
  consumer(groupId: string): ConsumerGroup {
    const group = this.groups.get(groupId)
    if (group === undefined) return newGroup(groupId)
    if (group.type === 'consumer') return group
    assertIsEmpty(group)
    return newConsumerGroup(groupId, group)
  }

  #set(group: Group): void {
    const { groupId, lastRebalance } = group
    const before = this.groups.get(groupId)?.lastRebalance ?? null
    this.groups.set(groupId, group)
    if (lastRebalance !== null && lastRebalance !== before)
      this.timelines.ended(groupId, lastRebalance)
  }

  #observe(observedMs: number): void {
    this.#observedMs = Math.max(this.#observedMs, observedMs)
  }
}

function newGroup(groupId: string): ConsumerGroup {
  return newConsumerGroup(groupId, unknownGroup(groupId))
}

function assertIsEmpty(group: Group): void {
  assertInvariant(
    group.members.size === 0,
    () => `group ${group.groupId} has members of the other type`,
  )
}
