/** One request being decided for one share group: what `../turn.ts` says, over the state of share groups. */

import type { Session } from '../sessions.ts'
import type { GroupTopics } from '../topics.ts'
import { Turn, type TurnStart } from '../turn.ts'
import type { ShareGroupMember, ShareGroupRecord } from './records.ts'
import { applyShareGroupRecord, type ShareGroup } from './share-group.ts'

/** What may be set for one group; Kafka's `share.session.timeout.ms` and `share.heartbeat.interval.ms`. */
export interface ShareGroupConfig {
  readonly sessionTimeoutMs: number
  readonly heartbeatIntervalMs: number
}

export interface ShareGroupLimits {
  readonly groupShareMaxSize: number
  readonly shareGroupConfig: (groupId: string) => ShareGroupConfig
  readonly topics: GroupTopics
}

/** Gone after a restart, which gives everybody a whole session again. */
export interface ShareGroupSoftState {
  readonly sessions: Map<string, Session>
  /** The version of the topics that was compared with the last target. */
  topicsVersion: number | null
}

export function newShareGroupSoftState(): ShareGroupSoftState {
  return { sessions: new Map(), topicsVersion: null }
}

export class ShareGroupTurn extends Turn<
  ShareGroup,
  ShareGroupRecord,
  ShareGroupSoftState,
  ShareGroupLimits
> {
  readonly config: ShareGroupConfig

  constructor(start: TurnStart<ShareGroup, ShareGroupSoftState, ShareGroupLimits>) {
    super(start, applyShareGroupRecord)
    this.config = start.limits.shareGroupConfig(start.group.groupId)
  }

  member(memberId: string): ShareGroupMember | undefined {
    return this.group.members.get(memberId)
  }
}
