/**
 * A group of Redis Streams as the workbench shows it, from what was seen of its streams. Pure.
 */

import { byPlace } from '../../../admin/index.ts'
import type {
  BacklogMember,
  GroupBacklog,
  PartitionBacklog,
  TopicPartition,
} from '../../../admin/index.ts'
import type { ConsumerFacts } from './replies.ts'
import type { StreamLook } from './stream-looks.ts'

export interface StreamPlace extends TopicPartition {
  readonly look: StreamLook
}

/** A consumer that asked for entries within this time is at work: a member that waits asks every few seconds. */
const AT_WORK_MS = 60_000

/** @param live names of members that hold a place in the group */
export function isAtWork(consumers: readonly ConsumerFacts[], live: readonly string[]): boolean {
  return live.length > 0 || consumers.some(isRecent)
}

export function groupBacklog(seen: {
  readonly groupId: string
  readonly places: readonly StreamPlace[]
  readonly live: readonly string[]
  readonly maxCounted: number
  readonly isCut: boolean
}): GroupBacklog {
  const { groupId, places, live } = seen
  const looks = places.map(({ look }) => look)
  return {
    groupId,
    type: 'Stream',
    state: isAtWork(
      looks.flatMap(({ consumers }) => consumers),
      live,
    )
      ? 'Stable'
      : 'Empty',
    members: membersOf(looks, live),
    partitions: places.map(partitionOf).sort(byPlace),
    notes: notesOf(seen),
  }
}

function partitionOf({ topic, partition, look }: StreamPlace): PartitionBacklog {
  const { facts, group, consumers, owner } = look
  return {
    topic,
    partition,
    position: group.lastDeliveredId,
    end: facts.lastId,
    lag: look.lag,
    lagIsAtLeast: look.lagIs === 'at-least',
    pending: group.pending,
    oldestUnreadMs: look.oldestUnreadMs,
    oldestPendingMs: look.oldestPendingMs,
    memberIds:
      owner === null
        ? consumers
            .filter((consumer) => consumer.pending > 0 || isRecent(consumer))
            .map(({ name }) => name)
        : [owner],
    writtenCount: facts.entriesAdded,
  }
}

function membersOf(looks: readonly StreamLook[], live: readonly string[]): BacklogMember[] {
  const members = new Map<string, BacklogMember>()
  const blank = { clientId: null, host: null, pending: 0 }
  for (const memberId of live) members.set(memberId, { ...blank, memberId, idleMs: null })
  for (const { consumers } of looks)
    for (const { name, pending, idleMs } of consumers) {
      const known = members.get(name)
      members.set(name, {
        ...blank,
        memberId: name,
        idleMs: Math.min(idleMs, known?.idleMs ?? Number.POSITIVE_INFINITY),
        pending: pending + (known?.pending ?? 0),
      })
    }
  return [...members.values()].sort((left, right) => (left.memberId < right.memberId ? -1 : 1))
}

function notesOf({
  places,
  maxCounted,
  isCut,
}: {
  readonly places: readonly StreamPlace[]
  readonly maxCounted: number
  readonly isCut: boolean
}): string[] {
  const namesWhere = (holds: (look: StreamLook) => boolean) =>
    places.flatMap(({ look }) => (holds(look) ? [look.stream] : [])).join(', ')
  const counted = namesWhere(({ lagIs }) => lagIs === 'counted')
  const cut = namesWhere(({ lagIs }) => lagIs === 'at-least')
  const lost = namesWhere(({ hasLostPending }) => hasLostPending)
  const foreign = namesWhere(
    ({ oldestUnreadMs, oldestPendingMs }) => oldestUnreadMs === null || oldestPendingMs === null,
  )
  const putOff = places.filter(({ look }) => look.putOff > 0)
  return [
    ...putOff.map(
      ({ look: { stream, putOff: count } }) =>
        `${stream}: ${count} put off, to be tried again (retry.later), neither in the lag nor pending`,
    ),
    ...(counted === '' ? [] : [`the lag of ${counted} was counted: Redis does not tell it there`]),
    ...(cut === ''
      ? []
      : [
          `the lag of ${cut} is at least ${maxCounted}: Redis does not tell it, and counting stopped there`,
        ]),
    ...(lost === ''
      ? []
      : [
          `${lost}: entries that were handed out and not acknowledged are gone from the stream (XTRIM, XDEL): nobody can handle them any more`,
        ]),
    ...(foreign === ''
      ? []
      : [`the ids of ${foreign} were chosen by a program and tell no time: no age is known`]),
    ...(isCut ? ['there are more streams than were looked at: some may be missing'] : []),
  ]
}

function isRecent({ idleMs }: ConsumerFacts): boolean {
  return idleMs < AT_WORK_MS
}
