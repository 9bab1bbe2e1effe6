/**
 * What a group's members shall have: their subscriptions as topics that exist, and what an assignor makes of them.
 *
 * The previous target is what members count as holding, not what they have reached of it: a target is computed from targets,
 * so members that lag behind do not make partitions wander.
 */

import type { AssignorMember, ServerAssignorName } from '../assignor/index.ts'
import { serverAssignors } from '../assignor/index.ts'
import type { AssignedTopic, MemberProfile, TargetAssignmentRecord } from '../records.ts'
import type { GroupTopic, GroupTopics } from '../topics.ts'
import type { ConsumerGroup } from './consumer-group.ts'
import { listOf, NO_PARTITIONS, type PartitionSet, samePartitions, setOf } from './partitions.ts'
import { topicPattern } from './topic-pattern.ts'

export const DEFAULT_ASSIGNOR: ServerAssignorName = 'uniform'

/** Expressions whose topics are remembered. */
const MOST_PATTERNS = 1_000

export function isServerAssignor(name: string): name is ServerAssignorName {
  return Object.hasOwn(serverAssignors, name)
}

/** Reads subscriptions; remembers what an expression fits while the topics stay the same. */
export class Subscriptions {
  readonly #topics: GroupTopics
  readonly #fitting = new Map<string, readonly GroupTopic[]>()
  #version = -1

  constructor(topics: GroupTopics) {
    this.#topics = topics
  }

  /** The topics that exist and that the member wants, each once, in no order. */
  topicsOf(profile: MemberProfile): readonly GroupTopic[] {
    const { subscribedTopicNames, subscribedTopicRegex } = profile
    const topics: GroupTopic[] = []
    for (const name of subscribedTopicNames) {
      const topic = this.#topics.byName(name)
      if (topic !== undefined) topics.push(topic)
    }
    if (subscribedTopicRegex === null) return topics
    return [...new Set([...topics, ...this.#fittingTopics(subscribedTopicRegex)])]
  }

  wants(profile: MemberProfile, topicId: string): boolean {
    const topic = this.#topics.byId(topicId)
    if (topic === undefined) return false
    if (profile.subscribedTopicNames.includes(topic.name)) return true
    const { subscribedTopicRegex: regex } = profile
    return regex !== null && this.#fittingTopics(regex).includes(topic)
  }

  /** All topics that these members want, by id. */
  unionOf(profiles: Iterable<MemberProfile>): ReadonlyMap<string, AssignedTopic> {
    const topics = new Set<GroupTopic>()
    for (const profile of profiles) for (const topic of this.topicsOf(profile)) topics.add(topic)
    return new Map(assignedTopics(topics).map((topic) => [topic.topicId, topic]))
  }

  /** A fingerprint of all topics that these members want, with their partition counts. */
  hashOf(profiles: Iterable<MemberProfile>): string {
    const topics = new Set<GroupTopic>()
    const seen = new Set<readonly string[]>()
    for (const profile of profiles) {
      if (profile.subscribedTopicRegex === null && seen.has(profile.subscribedTopicNames)) continue
      seen.add(profile.subscribedTopicNames)
      for (const topic of this.topicsOf(profile)) topics.add(topic)
    }
    return fingerprint([...topics])
  }

  #fittingTopics(regex: string): readonly GroupTopic[] {
    if (this.#version !== this.#topics.version || this.#fitting.size >= MOST_PATTERNS)
      this.#fitting.clear()
    this.#version = this.#topics.version
    const known = this.#fitting.get(regex)
    if (known !== undefined) return known
    const fits = topicPattern(regex)
    // A member's expression was read before it was let in.
    const topics =
      typeof fits === 'function' ? [...this.#topics.topics()].filter(({ name }) => fits(name)) : []
    this.#fitting.set(regex, topics)
    return topics
  }
}

/** The next target: the members whose share changes. */
export function computeTarget(
  group: ConsumerGroup,
  topics: GroupTopics,
  subscriptions: Subscriptions,
): TargetAssignmentRecord {
  const wanted = new Map<string, GroupTopic>()
  const members = Array.from(group.members.values(), ({ profile }): AssignorMember => {
    const own = subscriptions.topicsOf(profile)
    for (const topic of own) wanted.set(topic.name, topic)
    return {
      memberId: profile.memberId,
      groupInstanceId: profile.groupInstanceId,
      topics: own.map(({ name }) => name),
      ownedPartitions: heldBy(group.targets.get(profile.memberId) ?? NO_PARTITIONS, topics),
      generation: 0,
    }
  })
  const partitionCounts = new Map(
    Array.from(wanted, ([name, topic]) => [name, topic.partitionCount]),
  )
  const assignor = preferredAssignor(group)
  // Who is paused keeps its place and has nothing.
  const assignment =
    group.pause === null
      ? serverAssignors[assignor]({ members, partitionCounts })
      : new Map(members.map(({ memberId }) => [memberId, []]))

  const targets: TargetAssignmentRecord['targets'][number][] = []
  for (const [memberId, given] of assignment) {
    const partitions = given.map((share) => ({
      topicId: wanted.get(share.topic)?.topicId ?? '',
      partitions: share.partitions,
    }))
    const target = setOf(partitions)
    if (!samePartitions(target, group.targets.get(memberId) ?? NO_PARTITIONS))
      targets.push({ memberId, partitions: listOf(target) })
  }
  const topicsHash = fingerprint([...wanted.values()])
  return {
    kind: 'target-assignment',
    groupId: group.groupId,
    assignmentEpoch: group.groupEpoch,
    assignor,
    topicsHash,
    topics: topicsHash === group.topicsHash ? null : assignedTopics(wanted.values()),
    targets,
  }
}

/** The topics as a record keeps them, in the order of their names. */
export function assignedTopics(topics: Iterable<GroupTopic>): readonly AssignedTopic[] {
  return Array.from(topics, ({ topicId, name, partitionCount }) => ({
    topicId,
    name,
    partitionCount,
  })).sort((left, right) => (left.name < right.name ? -1 : 1))
}

/** The one that most members ask for; of equals the one asked for first. */
function preferredAssignor(group: ConsumerGroup): ServerAssignorName {
  const votes = new Map<ServerAssignorName, number>()
  for (const { profile } of group.members.values()) {
    const { serverAssignor } = profile
    if (serverAssignor === null || !isServerAssignor(serverAssignor)) continue
    votes.set(serverAssignor, (votes.get(serverAssignor) ?? 0) + 1)
  }
  let best: ServerAssignorName = DEFAULT_ASSIGNOR
  for (const [name, count] of votes) if (count > (votes.get(best) ?? 0)) best = name
  return best
}

function heldBy(target: PartitionSet, topics: GroupTopics): AssignorMember['ownedPartitions'] {
  return listOf(target).flatMap(({ topicId, partitions }) => {
    const topic = topics.byId(topicId)
    return topic === undefined ? [] : [{ topic: topic.name, partitions }]
  })
}

/** Two 32-bit FNV-1a hashes over ids and partition counts, in an order of their own. */
export function fingerprint(topics: readonly GroupTopic[]): string {
  if (topics.length === 0) return ''
  const parts = topics.map(({ topicId, partitionCount }) => `${topicId}/${partitionCount}`).sort()
  let low = 0x811c9dc5
  let high = 0xcbf29ce4
  for (const part of parts)
    for (let at = 0; at <= part.length; at++) {
      const unit = at < part.length ? part.charCodeAt(at) : 0
      low = Math.imul(low ^ unit, 0x01000193)
      high = Math.imul(high ^ (unit + 0x9e), 0x01000193)
    }
  return [low, high].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('')
}
