/**
 * Share sessions (KIP-932): which partitions a member of a share group reads, so that it need not say so every time.
 *
 *   epoch 0   a new session, in place of an old one of the member; may acknowledge nothing
 *   epoch n   must be the one that is due; then the next is due, also where a partition of the request was refused
 *   epoch -1  the last request: what it acknowledges still counts, then the session is over
 *
 * A session belongs to the connection that opened it and ends with it. Pure: whoever ends one releases what its member
 * holds. Not here: membership, which share groups keep apart from sessions.
 */

import type { KafkaErrorName } from '../../protocol/index.ts'

const OPENING = 0
const FINAL = -1
const LAST_EPOCH = 2 ** 31 - 1

export interface SharedPartition {
  readonly topicId: string
  readonly partition: number
}

export interface ShareSession {
  readonly groupId: string
  readonly memberId: string
  readonly connectionId: number
  /** In the order in which they are served next. */
  readonly partitions: readonly SharedPartition[]
}

export interface ShareFetchPlan {
  readonly kind: 'fetch'
  readonly session: ShareSession
  /** Whether the answer names every partition, also those that have nothing. */
  readonly isWhole: boolean
  readonly isFinal: boolean
}

interface Refused {
  readonly kind: 'refused'
  readonly errorCode: KafkaErrorName
  readonly errorMessage: string
}

export interface SessionRequest {
  readonly groupId: string
  readonly memberId: string
  readonly epoch: number
  readonly connectionId: number
}

export interface SessionFetch extends SessionRequest {
  readonly added: readonly SharedPartition[]
  readonly forgotten: readonly SharedPartition[]
  readonly hasAcknowledgements: boolean
}

interface OpenSession {
  readonly groupId: string
  readonly memberId: string
  readonly connectionId: number
  readonly partitions: Map<string, SharedPartition>
  /** The epoch that is due. */
  epoch: number
}

export class ShareSessions {
  readonly #maxSessions: number
  readonly #sessions = new Map<string, OpenSession>()

  /** @param maxSessions `group.share.max.share.sessions` */
  constructor(maxSessions: number) {
    this.#maxSessions = maxSessions
  }

  get size(): number {
    return this.#sessions.size
  }

  /** Begins or goes on with a session; a final request finds it and leaves it to `end`. */
  fetch(request: SessionFetch): ShareFetchPlan | Refused {
    const { epoch, added, forgotten, hasAcknowledgements } = request
    if (epoch === OPENING) {
      if (hasAcknowledgements)
        return refused('INVALID_REQUEST', 'the first request of a share session acknowledges')
      const opened = this.#open(request)
      if ('kind' in opened) return opened
      for (const partition of added) opened.partitions.set(keyOf(partition), partition)
      return { kind: 'fetch', session: sessionOf(opened), isWhole: true, isFinal: false }
    }
    const session = this.#due(request)
    if ('kind' in session) return session
    const isFinal = epoch === FINAL
    if (!isFinal) {
      for (const partition of added) session.partitions.set(keyOf(partition), partition)
      for (const partition of forgotten) session.partitions.delete(keyOf(partition))
      turn(session.partitions)
    }
    return { kind: 'fetch', session: sessionOf(session), isWhole: false, isFinal }
  }

  /** A request that only acknowledges; it cannot open a session. */
  acknowledge(request: SessionRequest): { readonly isFinal: boolean } | Refused {
    const { epoch, groupId, memberId } = request
    if (epoch === OPENING) return wrongEpoch(groupId, memberId)
    const session = this.#due(request)
    return 'kind' in session ? session : { isFinal: epoch === FINAL }
  }

  end({ groupId, memberId }: Pick<SessionRequest, 'groupId' | 'memberId'>): void {
    this.#sessions.delete(memberKey(groupId, memberId))
  }

  /** The connection is gone: the sessions that end with it. */
  disconnected(connectionId: number): readonly ShareSession[] {
    const ended = [...this.#sessions.values()].filter(
      (session) => session.connectionId === connectionId,
    )
    for (const session of ended) this.end(session)
    return ended.map(sessionOf)
  }

  #open({ groupId, memberId, connectionId }: SessionRequest): OpenSession | Refused {
    const key = memberKey(groupId, memberId)
    if (!this.#sessions.has(key) && this.#sessions.size >= this.#maxSessions)
      return refused(
        'SHARE_SESSION_LIMIT_REACHED',
        `the broker holds its most share sessions, ${this.#maxSessions}`,
      )
    const session = { groupId, memberId, connectionId, partitions: new Map(), epoch: 1 }
    this.#sessions.set(key, session)
    return session
  }

  /** The session of a request, at its epoch; the next one is due from here on. */
  #due({ groupId, memberId, epoch }: SessionRequest): OpenSession | Refused {
    const session = this.#sessions.get(memberKey(groupId, memberId))
    if (session === undefined)
      return refused(
        'SHARE_SESSION_NOT_FOUND',
        `member ${memberId} of group ${groupId} has no share session`,
      )
    if (epoch === FINAL) return session
    if (epoch !== session.epoch) return wrongEpoch(groupId, memberId)
    session.epoch = epoch === LAST_EPOCH ? 1 : epoch + 1
    return session
  }
}

/** Whoever was first is last the next time. */
function turn(partitions: Map<string, SharedPartition>): void {
  const [first] = partitions
  if (first === undefined) return
  partitions.delete(first[0])
  partitions.set(...first)
}

function sessionOf({ groupId, memberId, connectionId, partitions }: OpenSession): ShareSession {
  return { groupId, memberId, connectionId, partitions: [...partitions.values()] }
}

function wrongEpoch(groupId: string, memberId: string): Refused {
  return refused(
    'INVALID_SHARE_SESSION_EPOCH',
    `the share session of member ${memberId} of group ${groupId} is at another epoch`,
  )
}

function refused(errorCode: KafkaErrorName, errorMessage: string): Refused {
  return { kind: 'refused', errorCode, errorMessage }
}

function keyOf({ topicId, partition }: SharedPartition): string {
  return `${topicId}/${partition}`
}

/** Ids may hold any character: the length keeps two of them apart. */
function memberKey(groupId: string, memberId: string): string {
  return `${groupId.length}:${groupId}:${memberId}`
}
