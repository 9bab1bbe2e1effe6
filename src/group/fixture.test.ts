/**
 * A coordinator with a journal and timers over simulated time, and the door to it: `ask` decides, journals and replays as
 * the broker does. Named as a test so that it is not shipped; it has no tests of its own.
 */

import type { GroupDecision } from './coordinator.ts'
import { GroupCoordinator } from './coordinator.ts'
import type { GroupCoordinatorOptions } from './limits.ts'
import type {
  GroupRequest,
  GroupResponse,
  HeartbeatRequest,
  JoinRequest,
  JoinResponse,
  LeaveRequest,
  OffsetCommitRequest,
  ReplyToken,
  SyncRequest,
  SyncResponse,
  TimerRequest,
} from './messages.ts'
import { decodeGroupRecord, encodeGroupRecord } from './record-codec.ts'
import type { GroupRecord, RebalanceCause, RebalanceStart } from './records.ts'
import type { GroupTopic, GroupTopics } from './topics.ts'

export const START_MS = 1_000_000

/** Rebalance delay 0, so that a first join is answered at once; topic `orders` has 4 partitions, `other` 1. */
export const options: GroupCoordinatorOptions = {
  groupInitialRebalanceDelayMs: 0,
  newMemberId: () => '',
  topics: topicsOf({ orders: 4, other: 1 }),
}

/** Topics that a test can change; the id of topic `orders` is `orders-id`, made again `orders-id-2`. */
export interface TestTopics extends GroupTopics {
  set(name: string, partitionCount: number): void
  delete(name: string): void
}

export function topicsOf(counts: Readonly<Record<string, number>>): TestTopics {
  const byName = new Map<string, GroupTopic>()
  const made = new Map<string, number>()
  let version = 0
  const topics: TestTopics = {
    byName: (name) => byName.get(name),
    byId: (topicId) => [...byName.values()].find((topic) => topic.topicId === topicId),
    topics: () => byName.values(),
    get version() {
      return version
    },
    set(name, partitionCount) {
      version++
      if (!byName.has(name)) made.set(name, (made.get(name) ?? 0) + 1)
      const times = made.get(name)!
      const topicId = times === 1 ? `${name}-id` : `${name}-id-${times}`
      byName.set(name, { topicId, name, partitionCount })
    },
    delete(name) {
      version++
      byName.delete(name)
    },
  }
  for (const [name, count] of Object.entries(counts)) topics.set(name, count)
  return topics
}

type Asked = Extract<GroupRequest, { readonly replyTo: ReplyToken }>

export interface Answer<Response> {
  readonly token: ReplyToken
  readonly records: readonly GroupRecord[]
  readonly timers: GroupDecision['timers']
  /** Undefined while it waits. */
  readonly response: Response | undefined
}

export class Sim {
  coordinator: GroupCoordinator
  /** Everything that was recorded, in order. */
  readonly journal: GroupRecord[] = []
  readonly responses = new Map<ReplyToken, GroupResponse>()
  /** Requests that nobody has answered, by their token. */
  readonly waiting = new Map<ReplyToken, Asked>()
  readonly timers = new Map<string, { dueMs: number; request: TimerRequest }>()
  nowMs = 0
  wallMs = START_MS
  readonly #options: GroupCoordinatorOptions
  #tokens = 0
  #ids = 0

  constructor(overrides: Partial<GroupCoordinatorOptions> = {}) {
    this.#options = {
      ...options,
      newMemberId: (prefix) => `${prefix}-${++this.#ids}`,
      ...overrides,
    }
    this.coordinator = new GroupCoordinator(this.#options)
    this.#set(this.coordinator.start(this.now()))
  }

  now(): { wallMs: number; monotonicMs: number } {
    return { wallMs: this.wallMs, monotonicMs: this.nowMs }
  }

  decide(request: GroupRequest): GroupDecision {
    const before = JSON.stringify(this.coordinator.snapshot())
    const decision = this.coordinator.handle(request, this.now())
    if (JSON.stringify(this.coordinator.snapshot()) !== before)
      throw new Error('handle changed hard state')
    for (const record of decision.records) this.coordinator.replay(record)
    this.journal.push(...decision.records)
    this.#set(decision.timers)
    for (const { to, response } of decision.replies) {
      if (!this.waiting.delete(to))
        throw new Error(`request ${to} is answered twice, or by nobody's wish`)
      this.responses.set(to, response)
    }
    return decision
  }

  /** Asks, and answers with the token, the records and the response if it came at once. */
  ask(request: Asked): Answer<GroupResponse> {
    const token = ++this.#tokens
    const asked = { ...request, replyTo: token }
    this.waiting.set(token, asked)
    const { records, timers } = this.decide(asked)
    return { token, records, timers, response: this.responses.get(token) }
  }

  /** Lets time pass; every timer that comes due fires. */
  advance(byMs: number): void {
    const untilMs = this.nowMs + byMs
    for (;;) {
      const [next] = [...this.timers].sort(([, left], [, right]) => left.dueMs - right.dueMs)
      if (next === undefined || next[1].dueMs > untilMs) break
      this.timers.delete(next[0])
      this.#moveTo(Math.max(this.nowMs, next[1].dueMs))
      this.decide(next[1].request)
    }
    this.#moveTo(untilMs)
  }

  /** The process dies and comes back: waiting requests, timers and soft state are gone, what was journaled is not. */
  restart({ from = 'journal' }: { from?: 'journal' | 'snapshot' } = {}): void {
    const records = from === 'journal' ? this.journal : this.coordinator.snapshot()
    const reread = Array.from(records, (record) => decodeGroupRecord(encodeGroupRecord(record)))
    this.coordinator = new GroupCoordinator(this.#options)
    for (const record of reread) this.coordinator.replay(record)
    this.timers.clear()
    this.waiting.clear()
    this.#set(this.coordinator.start(this.now()))
  }

  join(over: Partial<JoinRequest> = {}): Answer<JoinResponse> {
    const { response, ...rest } = this.ask(joinRequest(over))
    return { ...rest, response: response as JoinResponse | undefined }
  }

  sync(
    over: Partial<SyncRequest> & Pick<SyncRequest, 'memberId' | 'generationId'>,
  ): Answer<SyncResponse> {
    const { response, ...rest } = this.ask(syncRequest(over))
    return { ...rest, response: response as SyncResponse | undefined }
  }

  joinAnswer(token: ReplyToken): JoinResponse | undefined {
    return this.responses.get(token) as JoinResponse | undefined
  }

  #moveTo(nowMs: number): void {
    this.wallMs += nowMs - this.nowMs
    this.nowMs = nowMs
  }

  #set(commands: GroupDecision['timers']): void {
    for (const command of commands) {
      if (command.kind === 'cancel') this.timers.delete(command.key)
      else
        this.timers.set(command.key, {
          dueMs: this.nowMs + command.delayMs,
          request: command.request,
        })
    }
  }
}

export function joinRequest(over: Partial<JoinRequest> = {}): JoinRequest {
  return {
    kind: 'join',
    replyTo: 0,
    apiVersion: 9,
    clientId: 'client',
    clientHost: '/127.0.0.1',
    groupId: 'g',
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 60_000,
    memberId: '',
    groupInstanceId: null,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: subscription('orders') }],
    reason: null,
    ...over,
  }
}

/** What is on record of a rebalance that a dynamic member of client id `client` began. */
export function begun(
  cause: RebalanceCause,
  memberId: string,
  { startedMs = START_MS, detail = '', clientId = 'client' } = {},
): RebalanceStart {
  return { cause, memberId, clientId, groupInstanceId: null, startedMs, detail }
}

/** What every refused join says, but for its error and the id that it is told. */
export const failedJoin = {
  kind: 'join',
  generationId: -1,
  protocolType: null,
  protocolName: null,
  leader: '',
  skipAssignment: false,
  members: [],
} as const

export function syncRequest(
  over: Partial<SyncRequest> & Pick<SyncRequest, 'memberId' | 'generationId'>,
): SyncRequest {
  return {
    kind: 'sync',
    replyTo: 0,
    groupId: 'g',
    groupInstanceId: null,
    protocolType: 'consumer',
    protocolName: 'range',
    assignments: [],
    ...over,
  }
}

export function heartbeatRequest(
  over: Pick<HeartbeatRequest, 'memberId' | 'generationId'> & Partial<HeartbeatRequest>,
): HeartbeatRequest {
  return { kind: 'heartbeat', replyTo: 0, groupId: 'g', groupInstanceId: null, ...over }
}

export function leaveRequest(
  ...members: readonly { memberId: string; groupInstanceId?: string | null }[]
): LeaveRequest {
  return {
    kind: 'leave',
    replyTo: 0,
    apiVersion: 5,
    groupId: 'g',
    memberId: '',
    members: members.map(({ memberId, groupInstanceId = null }) => ({
      memberId,
      groupInstanceId,
      reason: null,
    })),
  }
}

export function commitRequest(
  over: Partial<OffsetCommitRequest> & {
    readonly offset?: number
    readonly metadata?: string | null
    readonly topic?: string
    readonly partition?: number
  } = {},
): OffsetCommitRequest {
  const { offset = 42, metadata = 'm', topic = 'orders', partition = 0, ...rest } = over
  return {
    kind: 'offset-commit',
    replyTo: 0,
    apiVersion: 9,
    groupId: 'g',
    generationIdOrMemberEpoch: -1,
    memberId: '',
    groupInstanceId: null,
    retentionTimeMs: -1,
    topics: [
      {
        name: topic,
        partitions: [
          {
            partitionIndex: partition,
            committedOffset: offset,
            committedLeaderEpoch: 7,
            committedMetadata: metadata,
          },
        ],
      },
    ],
    ...rest,
  }
}

/** A version 1 subscription of the consumer protocol, with its user data left empty. */
export function subscription(...topics: readonly string[]): Uint8Array {
  const names = topics.map((topic) => new TextEncoder().encode(topic))
  const bytes = new Uint8Array(10 + names.reduce((sum, name) => sum + 2 + name.length, 0))
  const view = new DataView(bytes.buffer)
  view.setInt16(0, 1)
  view.setInt32(2, names.length)
  let position = 6
  for (const name of names) {
    view.setInt16(position, name.length)
    bytes.set(name, position + 2)
    position += 2 + name.length
  }
  view.setInt32(position, -1)
  return bytes
}

/** A version 1 subscription to `orders` that owns these partitions of it. */
export function owning(...partitions: readonly number[]): Uint8Array {
  const name = new TextEncoder().encode('orders')
  const view = new DataView(new ArrayBuffer(64))
  let at = 0
  const int16 = (value: number) => void (view.setInt16(at, value), (at += 2))
  const int32 = (value: number) => void (view.setInt32(at, value), (at += 4))
  const topic = () => {
    int16(name.length)
    new Uint8Array(view.buffer).set(name, at)
    at += name.length
  }
  int16(1)
  int32(1)
  topic()
  int32(-1)
  int32(1)
  topic()
  int32(partitions.length)
  for (const partition of partitions) int32(partition)
  return new Uint8Array(view.buffer, 0, at)
}

export const bytes = (...values: readonly number[]): Uint8Array => Uint8Array.from(values)

export interface Pair {
  readonly sim: Sim
  readonly a: string
  readonly b: string
}

/** Members a and b (ids `client-1`, `client-2`) of generation 2, which waits for the assignment of its leader a. */
export function completingPair(overrides: Partial<GroupCoordinatorOptions> = {}): Pair {
  const sim = new Sim(overrides)
  const a = enter(sim)
  sim.sync({ memberId: a, generationId: 1 })
  const b = enter(sim)
  sim.join({ memberId: a })
  return { sim, a, b }
}

/** The same pair with its assignments: a has [1], b has [2]. */
export function stablePair(overrides: Partial<GroupCoordinatorOptions> = {}): Pair {
  const { sim, a, b } = completingPair(overrides)
  sim.sync({ memberId: b, generationId: 2 })
  const assignments = [
    { memberId: a, assignment: bytes(1) },
    { memberId: b, assignment: bytes(2) },
  ]
  sim.sync({ memberId: a, generationId: 2, assignments })
  return { sim, a, b }
}

/** A dynamic member's two joins; its id. */
export function enter(sim: Sim, over: Partial<JoinRequest> = {}): string {
  const { memberId } = sim.join(over).response!
  sim.join({ ...over, memberId })
  return memberId
}
