/**
 * Coordinators whose share groups have one part broken on purpose: the checker must notice each, or its silence means nothing.
 */

import { GroupCoordinator } from '../../src/group/index.ts'
import type {
  GroupDecision,
  GroupRecord,
  GroupReply,
  GroupRequest,
  TopicIdPartitions,
} from '../../src/group/index.ts'
import { wholeBuild } from './broken-coordinators.ts'
import type { CoordinatorBuild } from './coordinator-shell.ts'

type Now = Parameters<GroupCoordinator['handle']>[1]
type Target = Extract<GroupRecord, { readonly kind: 'share-group-target' }>

/** Never takes a member of a share group out for being silent. */
class EndlessShareSessions extends GroupCoordinator {
  override handle(request: GroupRequest, now: Now): GroupDecision {
    const isOfShare =
      request.kind === 'session-expired' && this.isEmptyShareGroup(request.groupId) !== undefined
    return isOfShare ? { records: [], replies: [], timers: [] } : super.handle(request, now)
  }
}

/** What a member had whose session ended is given to nobody else. */
class KeptAfterExpiry extends GroupCoordinator {
  #kept: readonly TopicIdPartitions[] = []

  override handle(request: GroupRequest, now: Now): GroupDecision {
    if (request.kind === 'session-expired') {
      const { members } = this.describeShare(request.groupId)
      const gone = members.find(({ memberId }) => memberId === request.memberId)
      this.#kept = gone?.assignment.topicPartitions ?? this.#kept
    }
    const decision = super.handle(request, now)
    const records = decision.records.map((record) =>
      record.kind === 'share-group-target' ? this.#withoutKept(record) : record,
    )
    return { ...decision, records }
  }

  #withoutKept(record: Target): Target {
    const isKept = (topicId: string, partition: number) =>
      this.#kept.some((one) => one.topicId === topicId && one.partitions.includes(partition))
    const targets = record.targets.map(({ memberId, partitions: all }) => ({
      memberId,
      partitions: all.map(({ topicId, partitions }) => ({
        topicId,
        partitions: partitions.filter((each) => !isKept(topicId, each)),
      })),
    }))
    return { ...record, targets }
  }
}

/** Tells a member of another epoch that all is well. */
class MildShareHeartbeats extends GroupCoordinator {
  override handle(request: GroupRequest, now: Now): GroupDecision {
    if (request.kind !== 'share-heartbeat' || request.memberEpoch <= 0)
      return super.handle(request, now)
    const known = this.describeShare(request.groupId).members.find(
      ({ memberId }) => memberId === request.memberId,
    )
    const memberEpoch = known?.memberEpoch ?? request.memberEpoch
    return super.handle({ ...request, memberEpoch }, now)
  }
}

/** Tells a member that does not know its epoch any more no assignment: it says nothing again. */
class SaidOnce extends GroupCoordinator {
  override handle(request: GroupRequest, now: Now): GroupDecision {
    const decision = super.handle(request, now)
    if (request.kind !== 'share-heartbeat' || request.memberEpoch <= 0) return decision
    const isNews = decision.records.some(({ kind }) => kind === 'share-group-member-epoch')
    const replies = decision.replies.map(({ to, response }): GroupReply => ({
      to,
      response:
        response.kind === 'share-heartbeat' && !isNews
          ? { ...response, assignment: null }
          : response,
    }))
    return { ...decision, replies }
  }
}

/** Takes a share group for a group that is not there when a classic member asks. */
class TypesMix extends GroupCoordinator {
  override handle(request: GroupRequest, now: Now): GroupDecision {
    if (request.kind !== 'consumer-heartbeat') return super.handle(request, now)
    if (this.isEmptyShareGroup(request.groupId) === undefined) return super.handle(request, now)
    const { clientId, clientHost, groupId, memberId, memberEpoch, rackId, replyTo } = request
    const { subscribedTopicNames } = request
    const { records, replies, timers } = super.handle(
      {
        kind: 'share-heartbeat',
        replyTo,
        clientId,
        clientHost,
        groupId,
        memberId,
        memberEpoch,
        rackId,
        subscribedTopicNames,
      },
      now,
    )
    return { records, replies: replies.map(asConsumer), timers }
  }
}

export const brokenShareGroups: readonly CoordinatorBuild[] = [
  {
    ...wholeBuild,
    name: 'answers a member of a share group before its assignment is on disk',
    answersBeforeFlush: ({ kind }) => kind === 'share-heartbeat',
  },
  {
    ...wholeBuild,
    name: 'begins the epochs of share groups anew after a restart',
    recover: (records) => records.filter(({ kind }) => !kind.startsWith('share-group')),
  },
  {
    ...wholeBuild,
    name: 'forgets at a restart what members of share groups subscribed to',
    recover: (records) => records.map(withoutSubscription),
  },
  {
    ...wholeBuild,
    name: 'lets members of share groups back in after a restart that were taken out before it',
    recover: (records) => records.filter(({ kind }) => kind !== 'share-group-member-left'),
  },
  {
    ...wholeBuild,
    name: 'never ends the session of a member of a share group',
    create: (options) => new EndlessShareSessions(options),
  },
  {
    ...wholeBuild,
    name: 'keeps for a member of a share group what it had when its session ended',
    create: (options) => new KeptAfterExpiry(options),
  },
  {
    ...wholeBuild,
    name: 'tells a member of a share group that is of another epoch that all is well',
    create: (options) => new MildShareHeartbeats(options),
  },
  {
    ...wholeBuild,
    name: 'says the assignment of a member of a share group once',
    create: (options) => new SaidOnce(options),
  },
  {
    ...wholeBuild,
    name: 'takes a member of a consumer group into a share group',
    create: (options) => new TypesMix(options),
  },
]

function withoutSubscription(record: GroupRecord): GroupRecord {
  if (record.kind === 'share-group-member')
    return { ...record, profile: { ...record.profile, subscribedTopicNames: [] } }
  if (record.kind !== 'share-group') return record
  const members = record.members.map((member) => ({ ...member, subscribedTopicNames: [] }))
  return { ...record, members }
}

function asConsumer({ to, response }: GroupReply): GroupReply {
  return response.kind === 'share-heartbeat'
    ? { to, response: { ...response, kind: 'consumer-heartbeat' } }
    : { to, response }
}
