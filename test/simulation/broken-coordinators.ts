/**
 * Coordinators with one part broken on purpose: the checker must notice each, or its silence means nothing.
 */

import { GroupCoordinator, httpBeat, ownedAtJoin, partitionListOf } from '../../src/group/index.ts'
import type {
  GroupDecision,
  GroupRecord,
  GroupReply,
  GroupRequest,
  OffsetCommitRequest,
} from '../../src/group/index.ts'
import type { CoordinatorBuild } from './coordinator-shell.ts'

type Now = Parameters<GroupCoordinator['handle']>[1]

/** The build that is shipped. */
export const wholeBuild: CoordinatorBuild = {
  name: 'is whole',
  create: (options) => new GroupCoordinator(options),
  recover: (records) => records,
  answersBeforeFlush: () => false,
  httpBeat,
  ownedAtJoin,
}

/** Writes down whatever a member asks to have committed. */
class NoFence extends GroupCoordinator {
  override handle(request: GroupRequest, now: Now): GroupDecision {
    const decision = super.handle(request, now)
    if (request.kind !== 'offset-commit' || decision.records.length > 0) return decision
    const committed = asCommitted(request, now)
    return { ...decision, records: [committed], replies: decision.replies.map(accepted) }
  }
}

/** Measures sessions by the wall clock. */
class WallClockSessions extends GroupCoordinator {
  override start(now: Now): GroupDecision['timers'] {
    return super.start({ ...now, monotonicMs: now.wallMs })
  }

  override handle(request: GroupRequest, now: Now): GroupDecision {
    return super.handle(request, { ...now, monotonicMs: now.wallMs })
  }
}

/** Takes a partition for given up when it has asked for it, before its owner says so. */
class HastyRevocation extends GroupCoordinator {
  override handle(request: GroupRequest, now: Now): GroupDecision {
    const isBeat = request.kind === 'consumer-heartbeat' && request.memberEpoch > 0
    return super.handle(isBeat ? { ...request, topicPartitions: [] } : request, now)
  }
}

/** Never takes anybody out for being silent. */
class EndlessSessions extends GroupCoordinator {
  override handle(request: GroupRequest, now: Now): GroupDecision {
    if (request.kind !== 'session-expired') return super.handle(request, now)
    return { records: [], replies: [], timers: [] }
  }
}

/** Tells a member of an earlier generation that all is well. */
class MildHeartbeats extends GroupCoordinator {
  override handle(request: GroupRequest, now: Now): GroupDecision {
    const decision = super.handle(request, now)
    if (request.kind !== 'heartbeat') return decision
    const replies = decision.replies.map(({ to }): GroupReply => ({
      to,
      response: { kind: 'heartbeat', errorCode: 'NONE' },
    }))
    return { ...decision, replies }
  }
}

export const brokenCoordinators: readonly CoordinatorBuild[] = [
  { ...wholeBuild, name: 'answers before the flush', answersBeforeFlush: () => true },
  {
    ...wholeBuild,
    name: 'accepts commits of fenced members',
    create: (options) => new NoFence(options),
  },
  {
    ...wholeBuild,
    name: 'begins generations and epochs anew after a restart',
    recover: (records) => records.filter(({ kind }) => ABOUT_OFFSETS.has(kind)),
  },
  {
    ...wholeBuild,
    name: 'forgets the last commit at a restart',
    recover: (records) => {
      const last = records.findLastIndex(({ kind }) => kind === 'offsets-committed')
      return records.filter((_, index) => index !== last)
    },
  },
  {
    ...wholeBuild,
    name: 'lets members back in after a restart that were taken out before it',
    recover: (records) => records.filter(({ kind }) => kind !== 'member-removed'),
  },
  {
    ...wholeBuild,
    name: 'forgets its rebalances at a restart',
    recover: (records) => records.filter(({ kind }) => kind !== 'timeline'),
  },
  {
    ...wholeBuild,
    name: 'measures sessions by the wall clock',
    create: (options) => new WallClockSessions(options),
  },
  {
    ...wholeBuild,
    name: 'hands a partition on before its owner gave it up',
    create: (options) => new HastyRevocation(options),
  },
  {
    ...wholeBuild,
    name: 'never ends a session',
    create: (options) => new EndlessSessions(options),
  },
  {
    ...wholeBuild,
    name: 'tells a member of an earlier generation that all is well',
    create: (options) => new MildHeartbeats(options),
  },
  {
    ...wholeBuild,
    name: 'does not believe an HTTP member what it still works on',
    httpBeat: (member, { generation }) => httpBeat(member, { generation, owned: null }),
  },
  {
    ...wholeBuild,
    name: 'takes the call of an HTTP member that says again what was not answered for one that has read it',
    httpBeat: (member, { owned }) => httpBeat(member, { generation: null, owned }),
  },
  {
    ...wholeBuild,
    name: 'takes an HTTP member that joins again for one that has read the last answer',
    ownedAtJoin: (member) => (member === null ? [] : partitionListOf(member.assigned)),
  },
]

const ABOUT_OFFSETS: ReadonlySet<GroupRecord['kind']> = new Set<GroupRecord['kind']>([
  'clock-observed',
  'offsets-committed',
  'offsets-deleted',
])

function asCommitted({ groupId, topics }: OffsetCommitRequest, now: Now): GroupRecord {
  return {
    kind: 'offsets-committed',
    groupId,
    commitTimestampMs: now.wallMs,
    expireTimestampMs: null,
    observedMs: 0,
    topics: topics.map(({ name, partitions }) => ({
      topic: name,
      partitions: partitions.map(({ partitionIndex, committedOffset, committedLeaderEpoch }) => ({
        partition: partitionIndex,
        offset: committedOffset,
        leaderEpoch: committedLeaderEpoch,
        metadata: '',
      })),
    })),
  }
}

function accepted({ to, response }: GroupReply): GroupReply {
  if (response.kind !== 'offset-commit') return { to, response }
  const topics = response.topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex }) => ({
      partitionIndex,
      errorCode: 'NONE' as const,
    })),
  }))
  return { to, response: { kind: 'offset-commit', topics } }
}
