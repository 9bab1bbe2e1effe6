/**
 * Fetch sessions (KIP-227): a consumer names its partitions once, then only what changes.
 *
 *   epoch 0   a full fetch that asks for a session: the answer carries its id
 *   epoch n   an incremental one: the request holds changes, the answer only partitions with something new; n+1 follows
 *   epoch -1  a full fetch without a session; with an id it ends that session
 *
 * Invariants: an epoch is used once; what a request says changes the session only when id and epoch fit. Partitions that
 * had records go to the end of the line, so that a fetch that fills its limit early is fair to the others.
 * Pure but for its own state, and soft: a restart forgets every session and clients begin anew (FETCH_SESSION_ID_NOT_FOUND).
 */

import type { KafkaErrorName } from '../../protocol/index.ts'

const FINAL_EPOCH = -1
const INITIAL_EPOCH = 0
const LAST_EPOCH = 2 ** 31 - 1
/** A session that was idle this long gives its place to a new one. */
const EVICTABLE_AFTER_MS = 120_000

/** One partition that a consumer reads, with what it said last. */
export interface FetchTarget {
  /** The name, or from v13 on the id: whatever the request named the topic by. */
  readonly topic: string
  readonly partition: number
  readonly currentLeaderEpoch: number
  readonly lastFetchedEpoch: number
  readonly fetchOffset: number
  readonly maxBytes: number
}

export interface FetchSessionRequest {
  readonly sessionId: number
  readonly sessionEpoch: number
  readonly targets: readonly FetchTarget[]
  readonly forgotten: readonly { readonly topic: string; readonly partition: number }[]
  /** Whether topics are named by id (v13+): a session keeps to one of the two. */
  readonly byTopicId: boolean
}

/** What is answered for one partition, as far as sessions care. */
export interface FetchedState {
  readonly errorCode: KafkaErrorName
  readonly highWatermark: number
  readonly logStartOffset: number
  readonly byteLength: number
}

export type FetchPlan =
  | { readonly kind: 'refused'; readonly errorCode: KafkaErrorName }
  | {
      readonly kind: 'fetch'
      readonly entries: readonly FetchEntry[]
      /** Whose answers are compared with the last ones; null when every partition is answered. */
      readonly session: FetchSession | null
      /** For the response: 0 without a session. */
      readonly sessionId: number
    }

/** A partition in a session or in a fetch without one. */
export interface FetchEntry {
  readonly key: string
  target: FetchTarget
  /** What the client was told last; NaN when the next answer has to tell it. */
  highWatermark: number
  logStartOffset: number
}

export class FetchSession {
  readonly id: number
  readonly byTopicId: boolean
  /** The epoch that the next request has to carry. */
  epoch = 1
  lastUsedMs: number
  /** True until the first answer, which lists every partition. */
  isNew = true
  readonly #entries = new Map<string, FetchEntry>()

  constructor(id: number, byTopicId: boolean, nowMs: number) {
    this.id = id
    this.byTopicId = byTopicId
    this.lastUsedMs = nowMs
  }

  get size(): number {
    return this.#entries.size
  }

  entries(): readonly FetchEntry[] {
    return [...this.#entries.values()]
  }

  update(
    targets: readonly FetchTarget[],
    forgotten: readonly { readonly topic: string; readonly partition: number }[],
  ): void {
    for (const { topic, partition } of forgotten) this.#entries.delete(keyOf(topic, partition))
    for (const target of targets) {
      const fresh = entryOf(target)
      const known = this.#entries.get(fresh.key)
      if (known === undefined) this.#entries.set(fresh.key, fresh)
      else known.target = target
    }
  }

  /** Whether the client has to hear of this partition; remembers what it hears. */
  isNews(entry: FetchEntry, state: FetchedState): boolean {
    const failed = state.errorCode !== 'NONE'
    const isNews =
      this.isNew ||
      failed ||
      state.byteLength > 0 ||
      entry.highWatermark !== state.highWatermark ||
      entry.logStartOffset !== state.logStartOffset
    // After an error the next good answer is news, whatever it says.
    entry.highWatermark = failed ? Number.NaN : state.highWatermark
    entry.logStartOffset = failed ? Number.NaN : state.logStartOffset
    if (state.byteLength > 0 && this.#entries.delete(entry.key)) this.#entries.set(entry.key, entry)
    return isNews
  }

  /** The answer is complete: from now on only what changes is told. */
  answered(): void {
    this.isNew = false
  }
}

export class FetchSessions {
  readonly #slots: number
  /** A random id that is not 0. */
  readonly #newId: () => number
  /** Least recently used first. */
  readonly #sessions = new Map<number, FetchSession>()

  constructor({ slots, newId }: { readonly slots: number; readonly newId: () => number }) {
    this.#slots = slots
    this.#newId = newId
  }

  get size(): number {
    return this.#sessions.size
  }

  plan(request: FetchSessionRequest, nowMs: number): FetchPlan {
    const { sessionId, sessionEpoch } = request
    if (sessionEpoch === INITIAL_EPOCH || sessionEpoch === FINAL_EPOCH) {
      this.#sessions.delete(sessionId)
      return sessionEpoch === FINAL_EPOCH ? without(request) : this.#begin(request, nowMs)
    }
    const session = this.#sessions.get(sessionId)
    if (session === undefined) return refuse('FETCH_SESSION_ID_NOT_FOUND')
    if (session.epoch !== sessionEpoch) return refuse('INVALID_FETCH_SESSION_EPOCH')
    if (session.byTopicId !== request.byTopicId) return refuse('FETCH_SESSION_TOPIC_ID_ERROR')
    return this.#continue(session, request, nowMs)
  }

  #begin(request: FetchSessionRequest, nowMs: number): FetchPlan {
    if (request.targets.length === 0 || !this.#hasRoom(nowMs)) return without(request)
    const session = new FetchSession(this.#unusedId(), request.byTopicId, nowMs)
    session.update(request.targets, [])
    this.#sessions.set(session.id, session)
    return { kind: 'fetch', entries: session.entries(), session, sessionId: session.id }
  }

  #continue(session: FetchSession, request: FetchSessionRequest, nowMs: number): FetchPlan {
    session.update(request.targets, request.forgotten)
    this.#sessions.delete(session.id)
    if (session.size === 0) return without({ ...request, targets: [] })
    session.epoch = session.epoch === LAST_EPOCH ? 1 : session.epoch + 1
    session.lastUsedMs = nowMs
    this.#sessions.set(session.id, session)
    return { kind: 'fetch', entries: session.entries(), session, sessionId: session.id }
  }

  #hasRoom(nowMs: number): boolean {
    if (this.#sessions.size < this.#slots) return true
    const [oldest] = this.#sessions.values()
    if (oldest === undefined || nowMs - oldest.lastUsedMs < EVICTABLE_AFTER_MS) return false
    return this.#sessions.delete(oldest.id)
  }

  #unusedId(): number {
    for (;;) {
      const id = this.#newId()
      if (id > 0 && !this.#sessions.has(id)) return id
    }
  }
}

function without(request: FetchSessionRequest): FetchPlan {
  return { kind: 'fetch', entries: request.targets.map(entryOf), session: null, sessionId: 0 }
}

function refuse(errorCode: KafkaErrorName): FetchPlan {
  return { kind: 'refused', errorCode }
}

function entryOf(target: FetchTarget): FetchEntry {
  const key = keyOf(target.topic, target.partition)
  return { key, target, highWatermark: Number.NaN, logStartOffset: Number.NaN }
}

function keyOf(topic: string, partition: number): string {
  return `${partition}/${topic}`
}
