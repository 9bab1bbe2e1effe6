/**
 * Queues as the workbench shows them, from what AMQP and the management API told. Pure.
 *
 * A queue is the group. Members of ours say the name of theirs; queues that nobody of ours consumes go by their own name, or
 * that of the topic whose shards they are.
 */

import { byPlace } from '../../../admin/index.ts'
import type {
  BacklogMember,
  GroupBacklog,
  GroupListing,
  PartitionBacklog,
  TopicPartition,
} from '../../../admin/index.ts'
import type { ChannelFacts, QueueConsumerFacts, QueueFacts } from './management-api.ts'

export interface QueueLook extends TopicPartition {
  readonly queue: string
  /** By a passive declare: as it is now. */
  readonly ready: number
  readonly consumerCount: number
  /** Null without the management API. */
  readonly facts: QueueFacts | null
}

/** What members write down for themselves, and what waits for its time: `suspect-register.ts`, `topology.ts`. */
const OF_OURS = /\.shoal-(?:suspects|later\.\d+)$/

/** `orders.2` is shard 2 of orders where an exchange of that name spreads keys. */
export function placeOfQueue(queue: string, hashExchanges: ReadonlySet<string>): TopicPartition {
  const [, topic, shard] = /^(.+)\.(\d{1,9})$/s.exec(queue) ?? []
  return topic !== undefined && hashExchanges.has(topic)
    ? { topic, partition: Number(shard) }
    : { topic: queue, partition: 0 }
}

/** @param suffix of dead-letter queues: one that nobody consumes is no group */
export function listedGroups(
  queues: readonly string[],
  consumers: readonly QueueConsumerFacts[],
  hashExchanges: ReadonlySet<string>,
  suffix: string,
): readonly GroupListing[] {
  const byQueue = Map.groupBy(consumers, ({ queue }) => queue)
  const states = new Map<string, GroupListing['state']>()
  for (const queue of queues) {
    const own = byQueue.get(queue) ?? []
    if (OF_OURS.test(queue) || (own.length === 0 && queue.endsWith(suffix))) continue
    for (const name of groupsOfQueue(queue, own, hashExchanges))
      if (states.get(name) !== 'Stable') states.set(name, own.length > 0 ? 'Stable' : 'Empty')
  }
  return [...states]
    .map(([groupId, state]) => ({ groupId, type: 'Queue' as const, state, protocolType: 'queue' }))
    .sort((left, right) => (left.groupId < right.groupId ? -1 : 1))
}

/** The queues that a group means: those its members consume, or those of the topic of its name. */
export function queuesOfGroup(
  groupId: string,
  queues: readonly string[],
  consumers: readonly QueueConsumerFacts[],
  hashExchanges: ReadonlySet<string>,
): readonly string[] {
  const named = new Set(
    consumers.filter(({ group }) => group === groupId).map(({ queue }) => queue),
  )
  if (named.size > 0) return queues.filter((queue) => named.has(queue))
  return queues.filter(
    (queue) => queue === groupId || placeOfQueue(queue, hashExchanges).topic === groupId,
  )
}

function groupsOfQueue(
  queue: string,
  consumers: readonly QueueConsumerFacts[],
  hashExchanges: ReadonlySet<string>,
): readonly string[] {
  const named = consumers.flatMap(({ group }) => group ?? [])
  return named.length > 0 ? named : [placeOfQueue(queue, hashExchanges).topic]
}

export function queueBacklog(seen: {
  readonly groupId: string
  readonly looks: readonly QueueLook[]
  readonly channels: ReadonlyMap<string, ChannelFacts>
  readonly nowMs: number
  /** Why there is no management API; null where there is. */
  readonly missing: string | null
}): GroupBacklog {
  const { groupId, looks, nowMs } = seen
  return {
    groupId,
    type: 'Queue',
    state: looks.some(({ consumerCount }) => consumerCount > 0) ? 'Stable' : 'Empty',
    members: membersOf(looks, seen.channels, nowMs),
    partitions: looks.map((look) => partitionOf(look, nowMs)).sort(byPlace),
    notes: notesOf(seen),
  }
}

function partitionOf(look: QueueLook, nowMs: number): PartitionBacklog {
  const { topic, partition, ready, facts } = look
  const headMs = facts?.headTimestampMs ?? null
  const pending = facts?.unacknowledged ?? null
  return {
    topic,
    partition,
    position: null,
    end: null,
    lag: ready,
    lagIsAtLeast: false,
    pending,
    oldestUnreadMs: ready === 0 ? 0 : headMs === null ? null : Math.max(0, nowMs - headMs),
    oldestPendingMs: pending === 0 ? 0 : null,
    memberIds: [
      ...new Set(
        (facts?.consumers ?? []).filter(({ isActive }) => isActive).map((each) => nameOf(each)),
      ),
    ],
    writtenCount: facts?.published ?? null,
  }
}

function membersOf(
  looks: readonly QueueLook[],
  channels: ReadonlyMap<string, ChannelFacts>,
  nowMs: number,
): BacklogMember[] {
  const members = new Map<string, BacklogMember>()
  for (const consumer of looks.flatMap(({ facts }) => facts?.consumers ?? [])) {
    const memberId = nameOf(consumer)
    const known = members.get(memberId)
    const channel = consumer.channel === null ? undefined : channels.get(consumer.channel)
    const idleMs =
      channel === undefined ? null : Math.max(0, nowMs - (channel.idleSinceMs ?? nowMs))
    members.set(memberId, {
      memberId,
      clientId: null,
      host: consumer.host,
      idleMs: least(known?.idleMs ?? null, idleMs),
      pending: sum(known?.pending ?? null, channel?.unacknowledged ?? null),
    })
  }
  return [...members.values()].sort((left, right) => (left.memberId < right.memberId ? -1 : 1))
}

function nameOf({ member, tag }: QueueConsumerFacts): string {
  return member ?? tag
}

function notesOf({
  looks,
  missing,
}: {
  readonly looks: readonly QueueLook[]
  readonly missing: string | null
}): string[] {
  if (missing !== null)
    return [
      `${missing}: members, what is unacknowledged and how old the first message is are not known (say where it is with --rabbitmq-management-url, or enable the plugin rabbitmq_management)`,
    ]
  const named = (holds: (look: QueueLook) => boolean) =>
    looks
      .filter(holds)
      .map(({ queue }) => queue)
      .join(', ')
  const uncounted = named(({ facts }) => facts?.unacknowledged === null)
  const ageless = named(
    ({ ready, facts }) => ready > 0 && (facts?.headTimestampMs ?? null) === null,
  )
  return [
    ...(uncounted === ''
      ? []
      : [
          `RabbitMQ has not counted yet what is unacknowledged in ${uncounted}: ask again in some seconds`,
        ]),
    ...(ageless === ''
      ? []
      : [
          `RabbitMQ does not tell how old the first message of ${ageless} is: it does for classic queues whose messages have a timestamp`,
        ]),
  ]
}

function least(left: number | null, right: number | null): number | null {
  if (left === null || right === null) return left ?? right
  return Math.min(left, right)
}

function sum(left: number | null, right: number | null): number | null {
  return left === null && right === null ? null : (left ?? 0) + (right ?? 0)
}
