/**
 * Why a member of a classic group joins again, as far as its bytes and the topics tell.
 *
 * Its subscription and the partitions that it owns are in its metadata. A leader that joins with nothing new has seen the
 * topics change, or comes again because the broker was restarted while it joined: what the topics were at the last
 * assignment is soft state, so after a restart the coordinator cannot tell and says so.
 */

import type { JoinRequest } from '../messages.ts'
import type { AssignedTopic, MemberRecord } from '../records.ts'
import { type Cause, causedBy, saidByClient, topicChanges } from '../timeline/causes.ts'
import type { GroupTopics } from '../topics.ts'
import { CONSUMER_PROTOCOL_TYPE, readSubscription, type Subscription } from './consumer-protocol.ts'
import { metadataOf, sameProtocols } from './protocols.ts'
import type { ClassicTurn } from './turn.ts'

export function whyRejoined(turn: ClassicTurn, request: JoinRequest, member: MemberRecord): Cause {
  const said = saidByClient(request.reason)
  if (sameProtocols(member.protocols, request.protocols)) return whyUnchanged(turn, member, said)
  const before = member.protocols.map(({ name }) => name)
  const after = request.protocols.map(({ name }) => name)
  if (before.join() !== after.join())
    return causedBy(member, 'assignor_changed', `${before.join()} became ${after.join()}`, said)
  const { protocolName, protocolType } = turn.group
  if (protocolType !== CONSUMER_PROTOCOL_TYPE) return causedBy(member, 'member_updated', said)
  const was = readSubscription(metadataOf(member, protocolName))
  const is = readSubscription(metadataOf({ ...member, protocols: request.protocols }, protocolName))
  if (was === null || is === null) return causedBy(member, 'member_updated', said)
  if (sorted(was.topics) !== sorted(is.topics)) {
    const topics = is.topics.length > 5 ? `${is.topics.length} topics` : is.topics.join(', ')
    const wanted = topics === '' ? 'nothing' : topics
    return causedBy(member, 'subscription_changed', `it subscribes to ${wanted}`, said)
  }
  const released = partitionsOf(was).difference(partitionsOf(is)).size
  if (released > 0) {
    const what = released === 1 ? '1 partition' : `${released} partitions`
    return causedBy(member, 'partitions_released', `it gave up ${what} that others wait for`, said)
  }
  return causedBy(member, 'member_rejoined', said)
}

/** The topics that the group's consumers want, as they are now: to know a change of them when the leader joins again. */
export function wantedTopics(
  { group }: ClassicTurn,
  topics: GroupTopics,
): ReadonlyMap<string, AssignedTopic> {
  const wanted = new Map<string, AssignedTopic>()
  if (group.protocolType !== CONSUMER_PROTOCOL_TYPE) return wanted
  for (const member of group.members.values())
    for (const name of readSubscription(metadataOf(member, group.protocolName))?.topics ?? []) {
      const topic = topics.byName(name)
      if (topic === undefined) continue
      const { topicId, partitionCount } = topic
      wanted.set(topicId, { topicId, name, partitionCount })
    }
  return wanted
}

function whyUnchanged(turn: ClassicTurn, member: MemberRecord, said: string): Cause {
  const before = turn.soft.assignedTopics
  if (before === null)
    return causedBy(
      member,
      'coordinator_restarted',
      'the leader joined again after a restart of the broker',
      said,
    )
  const changes = topicChanges(before, wantedTopics(turn, turn.limits.topics))
  return changes === ''
    ? causedBy(member, 'member_rejoined', 'the leader joined again', said)
    : causedBy(member, 'topic_changed', changes, said)
}

function partitionsOf({ ownedPartitions }: Subscription): Set<string> {
  return new Set(
    ownedPartitions.flatMap(({ topic, partitions }) =>
      partitions.map((partition) => `${topic}-${partition}`),
    ),
  )
}

function sorted(names: readonly string[]): string {
  return [...names].sort().join('\0')
}
