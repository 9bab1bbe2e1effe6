/**
 * Share groups over deliveries: sessions, and acknowledgements by offsets (KIP-932).
 *
 * What Kafka's share consumers ask lands on the same share-partitions as HTTP's handles do; here are the rules that are
 * theirs alone. A session that ends, by its last request or with its connection, releases what its member holds.
 */

import type { AcknowledgementBatch } from '../../group/index.ts'
import { AcknowledgeType } from '../../group/index.ts'
import type { KafkaErrorName } from '../../protocol/index.ts'
import type { DeliveryService } from '../delivery/delivery-service.ts'
import type { TopicService } from '../topics/topic-service.ts'
import { ShareSessions, type SharedPartition } from './share-sessions.ts'

export interface ShareServiceOptions {
  readonly deliveries: DeliveryService
  readonly topics: TopicService
  /** `group.share.max.share.sessions` */
  readonly maxSessions: number
  readonly fail: (error: Error) => void
}

/** The connection that a session belongs to. */
export interface SessionConnection {
  readonly id: number
  readonly signal: AbortSignal
}

/** Acknowledgements of one partition as the wire has them. */
export interface OffsetAcknowledgements extends SharedPartition {
  readonly batches: readonly AcknowledgementBatch[]
}

export interface AcknowledgedPartition extends SharedPartition {
  readonly errorCode: KafkaErrorName
  readonly errorMessage: string | null
}

export class ShareService {
  readonly sessions: ShareSessions
  readonly #options: ShareServiceOptions
  readonly #watched = new Set<number>()

  constructor(options: ShareServiceOptions) {
    this.#options = options
    this.sessions = new ShareSessions(options.maxSessions)
  }

  /** Sessions of this connection end when it does. */
  watch({ id, signal }: SessionConnection): void {
    if (this.#watched.has(id)) return
    this.#watched.add(id)
    const gone = () => {
      this.#watched.delete(id)
      for (const { groupId, memberId } of this.sessions.disconnected(id))
        this.#release(groupId, memberId)
    }
    if (signal.aborted) gone()
    else signal.addEventListener('abort', gone, { once: true })
  }

  /** The member's last request: nothing of what it holds is its own any more. */
  end(groupId: string, memberId: string): void {
    this.sessions.end({ groupId, memberId })
    this.#release(groupId, memberId)
  }

  /** Each partition for itself. @param mayRenew whether the request may renew locks */
  acknowledge(
    groupId: string,
    memberId: string,
    partitions: readonly OffsetAcknowledgements[],
    mayRenew: boolean,
  ): readonly AcknowledgedPartition[] {
    return partitions.map(({ topicId, partition, batches }) => ({
      topicId,
      partition,
      ...this.#acknowledge({ groupId, topicId, partition }, memberId, batches, mayRenew),
    }))
  }

  #acknowledge(
    id: SharedPartition & { readonly groupId: string },
    memberId: string,
    batches: readonly AcknowledgementBatch[],
    mayRenew: boolean,
  ): Pick<AcknowledgedPartition, 'errorCode' | 'errorMessage'> {
    const { deliveries, topics } = this.#options
    const problem = partitionProblem(topics, id)
    if (problem !== null) return { errorCode: problem, errorMessage: null }
    if (!mayRenew && batches.some(renews))
      return { errorCode: 'INVALID_REQUEST', errorMessage: 'locks cannot be renewed here' }
    const response = deliveries.acknowledge(id, memberId, batches)
    if (response === null)
      return { errorCode: 'INVALID_RECORD_STATE', errorMessage: 'nothing was delivered here' }
    const { errorCode } = response
    return { errorCode, errorMessage: errorCode === 'NONE' ? null : response.errorMessage }
  }

  #release(groupId: string, memberId: string): void {
    const { deliveries, fail } = this.#options
    deliveries.releaseMember(groupId, memberId).catch(fail)
  }
}

/** Why a partition cannot be asked for; null when it is there. */
export function partitionProblem(
  topics: TopicService,
  { topicId, partition }: SharedPartition,
): KafkaErrorName | null {
  const topic = topics.table.byId(topicId)
  if (topic === undefined) return 'UNKNOWN_TOPIC_ID'
  return partition >= 0 && partition < topic.partitionCount ? null : 'UNKNOWN_TOPIC_OR_PARTITION'
}

function renews({ acknowledgeTypes }: AcknowledgementBatch): boolean {
  return Array.from(acknowledgeTypes).includes(AcknowledgeType.Renew)
}
