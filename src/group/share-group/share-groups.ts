/**
 * Every share group: their hard state, which requests find one, and what requests of other kinds hear from one.
 *
 * A share group is nobody else's group: ids are given once over all types. Soft state (sessions) is gone after a restart.
 */

import type { GroupDecision } from '../decision.ts'
import { notConsumer } from '../consumer/refusal.ts'
import { refusedHeartbeat } from '../consumer/heartbeat.ts'
import type {
  GroupError,
  GroupReply,
  GroupRequest,
  OffsetCommitRequest,
  ShareHeartbeatRequest,
  TimerCommand,
} from '../messages.ts'
import type { DescribedShareGroup, ListedGroup } from '../queries.ts'
import { sessionKey } from '../sessions.ts'
import type { TurnStart } from '../turn.ts'
import { describeShareGroup, listedShareGroup, noShareGroup } from './describe.ts'
import {
  refusedShareHeartbeat,
  resumeShareGroup,
  shareHeartbeat,
  shareRequestProblem,
  shareSessionExpired,
} from './heartbeat.ts'
import type { ShareGroupRecord } from './records.ts'
import {
  applyShareGroupRecord,
  newShareGroup,
  type ShareGroup,
  shareGroupSnapshotOf,
} from './share-group.ts'
import {
  newShareGroupSoftState,
  type ShareGroupLimits,
  type ShareGroupSoftState,
  ShareGroupTurn,
} from './turn.ts'

type Moment = Pick<
  TurnStart<ShareGroup, ShareGroupSoftState, ShareGroupLimits>,
  'exists' | 'mayBegin' | 'now' | 'nowMs' | 'observedMs'
>
type OneGroupRequest = Extract<GroupRequest, { readonly groupId: string }>

export class ShareGroups {
  readonly #limits: ShareGroupLimits
  readonly #groups = new Map<string, ShareGroup>()
  readonly #soft = new Map<string, ShareGroupSoftState>()

  constructor(limits: ShareGroupLimits) {
    this.#limits = limits
  }

  get size(): number {
    return this.#groups.size
  }

  has(groupId: string): boolean {
    return this.#groups.has(groupId)
  }

  replay(record: ShareGroupRecord): void {
    const group = this.#groups.get(record.groupId) ?? newShareGroup(record.groupId)
    this.#groups.set(record.groupId, applyShareGroupRecord(group, record))
  }

  delete(groupId: string): void {
    this.#groups.delete(groupId)
    this.#soft.delete(groupId)
  }

  *snapshot(): IterableIterator<ShareGroupRecord> {
    for (const group of this.#groups.values()) yield shareGroupSnapshotOf(group)
  }

  list(): readonly ListedGroup[] {
    return Array.from(this.#groups.values(), listedShareGroup)
  }

  /** @param why it is not there, where it is not */
  describe(groupId: string, why: string): DescribedShareGroup {
    const group = this.#groups.get(groupId)
    return group === undefined
      ? noShareGroup(groupId, `Group ${groupId} ${why}.`)
      : describeShareGroup(group, this.#limits.topics)
  }

  /** Whether it has members; undefined when there is no such group. */
  isEmpty(groupId: string): boolean | undefined {
    const group = this.#groups.get(groupId)
    return group && group.members.size === 0
  }

  /** Sessions begin anew. */
  start(momentOf: (groupId: string) => Moment): readonly TimerCommand[] {
    return [...this.#groups.keys()].flatMap((groupId) => {
      const turn = this.#turn(groupId, momentOf(groupId))
      resumeShareGroup(turn)
      return this.#end(turn).timers
    })
  }

  /** Timers of the members of a group that is deleted, or that is empty anyway. */
  timersOf(groupId: string): readonly TimerCommand[] {
    return Array.from(this.#soft.get(groupId)?.sessions.keys() ?? [], (memberId) => ({
      kind: 'cancel',
      key: sessionKey(groupId, memberId),
    }))
  }

  /** @param isOther whether a group of another type has the id */
  heartbeat(request: ShareHeartbeatRequest, moment: Moment, isOther: boolean): GroupDecision {
    const { groupId } = request
    const refusal =
      shareRequestProblem(request) ??
      (isOther
        ? ({
            errorCode: 'GROUP_ID_NOT_FOUND',
            errorMessage: `Group ${groupId} is not a share group.`,
          } as const)
        : null)
    if (refusal !== null)
      return { records: [], timers: [], replies: [refusedShareHeartbeat(request, refusal)] }
    const turn = this.#turn(groupId, moment)
    shareHeartbeat(turn, request)
    return this.#end(turn)
  }

  /** A request of another kind that found a share group. */
  decide(request: Exclude<OneGroupRequest, ShareHeartbeatRequest>, moment: Moment): GroupDecision {
    if (request.kind === 'session-expired') {
      const turn = this.#turn(request.groupId, moment)
      shareSessionExpired(turn, request.memberId)
      return this.#end(turn)
    }
    const reply = otherReply(request)
    return { records: [], timers: [], replies: reply === null ? [] : [reply] }
  }

  #turn(groupId: string, moment: Moment): ShareGroupTurn {
    const group = this.#groups.get(groupId) ?? newShareGroup(groupId)
    const soft = this.#soft.get(groupId) ?? newShareGroupSoftState()
    return new ShareGroupTurn({
      group,
      soft,
      limits: this.#limits,
      ...moment,
      exists: this.has(groupId),
    })
  }

  #end({ groupId, group, soft, records, replies, timers }: ShareGroupTurn): GroupDecision {
    if (group.members.size === 0) this.#soft.delete(groupId)
    else this.#soft.set(groupId, soft)
    return { records, replies, timers }
  }
}

/** Null for deadlines of a group of another type that had this id once. */
function otherReply(request: Exclude<OneGroupRequest, ShareHeartbeatRequest>): GroupReply | null {
  switch (request.kind) {
    case 'consumer-heartbeat':
      return refusedHeartbeat(request, notConsumer(request.groupId))
    case 'join':
      return reply(request, {
        kind: 'join',
        errorCode: 'INCONSISTENT_GROUP_PROTOCOL',
        generationId: -1,
        protocolType: null,
        protocolName: null,
        leader: '',
        skipAssignment: false,
        memberId: request.memberId,
        members: [],
      })
    case 'sync':
      return reply(request, {
        kind: 'sync',
        errorCode: 'UNKNOWN_MEMBER_ID',
        protocolType: null,
        protocolName: null,
        assignment: new Uint8Array(0),
      })
    case 'heartbeat':
      return reply(request, { kind: 'heartbeat', errorCode: 'UNKNOWN_MEMBER_ID' })
    case 'leave':
      return reply(request, {
        kind: 'leave',
        errorCode: request.apiVersion >= 3 ? 'NONE' : 'UNKNOWN_MEMBER_ID',
        members: request.members.map(({ memberId, groupInstanceId }) => ({
          memberId,
          groupInstanceId,
          errorCode: 'UNKNOWN_MEMBER_ID',
        })),
      })
    case 'offset-commit':
      return reply(request, { kind: 'offset-commit', topics: refusedCommits(request) })
    case 'offset-delete':
      return reply(request, {
        kind: 'offset-delete',
        errorCode: 'GROUP_ID_NOT_FOUND',
        topics: [],
      })
    case 'pause':
      return reply(request, { kind: 'pause', errorCode: 'GROUP_ID_NOT_FOUND' })
    case 'resume':
      return reply(request, { kind: 'resume', errorCode: 'GROUP_ID_NOT_FOUND' })
    default:
      return null
  }
}

function reply(
  { replyTo }: { readonly replyTo: GroupReply['to'] },
  response: GroupReply['response'],
): GroupReply {
  return { to: replyTo, response }
}

function refusedCommits({ topics }: OffsetCommitRequest) {
  const errorCode: GroupError = 'GROUP_ID_NOT_FOUND'
  return topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
  }))
}
