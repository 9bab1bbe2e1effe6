/**
 * Polling over HTTP: a sign of life, then messages of the assigned partitions, or the news that the group changed.
 *
 *   beat ─▶ must give partitions up? ─ yes ─▶ answer at once, empty
 *     │                └─ no ─▶ wait for records ─▶ records, or the time is over ─▶ answer
 *     └──── the group changed for this member, or a third of its session passed ◀──┘
 *
 * Waiting counts as being alive: while a poll waits, the member stays in. A client that goes away ends its poll, and what was
 * acquired for it comes back by its lock.
 */

import type { ConsumerMember } from '../../group/index.ts'
import { isBehind, partitionListOf } from '../../group/index.ts'
import type { BrokerRoutes, Caller, Handlers, RequestOf } from '../../http/index.ts'
import { Problem, problem } from '../../http/index.ts'
import type { BrokerContext } from '../context.ts'
import type {
  DeliveredRecord,
  DeliveryPartition,
  DeliveryPollResult,
} from '../delivery/delivery.ts'
import { assignmentOf } from './group-json.ts'
import { GroupWatch } from './group-watch.ts'
import type { HttpContext } from './http-context.ts'
import { type Beat, beat, memberOf } from './member-beat.ts'
import { messageJson } from './message-json.ts'

type PollHandlers = Pick<Handlers<BrokerRoutes>, 'poll'>
type PollQuery = RequestOf<BrokerRoutes['poll']>['query']

const DEFAULT_MESSAGES = 100
const DEFAULT_TIMEOUT_MS = 5_000
/** Longest wait; a longer one is cut to it. */
const LONGEST_TIMEOUT_MS = 60_000
/** Members whose turn among their partitions is remembered. */
const MOST_TURNS = 100_000

export function pollHandlers({ context }: HttpContext): PollHandlers {
  const poller = new Poller(context)
  return {
    poll: async ({ params: { groupId }, query }, caller) => poller.poll(groupId, query, caller),
  }
}

interface Wait {
  readonly dueMs: number
  /** The client is gone, or the server closes. */
  readonly signal: AbortSignal
}

class Poller {
  readonly #context: BrokerContext
  readonly #watch: GroupWatch
  /** Which of its partitions a member reads first, so that one that is never empty does not starve the others. */
  readonly #turns = new Map<string, number>()

  constructor(context: BrokerContext) {
    this.#context = context
    this.#watch = new GroupWatch(context.groups)
  }

  async poll(groupId: string, query: PollQuery, caller: Caller) {
    const { member_id: memberId, generation } = query
    const timeoutMs = query.timeout_ms ?? query.timeout ?? DEFAULT_TIMEOUT_MS
    const { clock } = this.#context
    const dueMs = clock.monotonicMs() + Math.min(timeoutMs, LONGEST_TIMEOUT_MS)
    const { signal } = caller
    let coming = { groupId, memberId, generation, owned: undefined, isSilent: false }
    for (;;) {
      const now = await beat(this.#context, coming)
      if (now instanceof Problem) return now
      // What it has to give up it must know first; who moved otherwise gets what there is, without waiting.
      if (now.member.state === 'unrevoked' || (now.hasMoved && coming.isSilent))
        return this.#answer(now, [], true)
      const wait = { dueMs: now.hasMoved ? clock.monotonicMs() : dueMs, signal }
      const polled = await this.#records(now, query, wait)
      if (polled instanceof Problem) return polled
      if (polled.length > 0 || clock.monotonicMs() >= wait.dueMs || signal.aborted)
        return this.#answer(now, polled, now.hasMoved)
      coming = { groupId, memberId, generation: undefined, owned: undefined, isSilent: true }
    }
  }

  /** Waits for records until the time is over, the group changes for the member, or it is time for a sign of life. */
  async #records(
    { group, member }: Beat,
    query: PollQuery,
    { dueMs, signal }: Wait,
  ): Promise<readonly DeliveredRecord[] | Problem> {
    const { deliveries, clock } = this.#context
    const { groupId } = group
    const { memberId, http } = member.profile
    const changed = new AbortController()
    const look = () => {
      const present = memberOf(this.#context, groupId, memberId)
      if (present instanceof Problem || present.member !== member) changed.abort()
      else if (present.group !== group && isBehind(present.group, member)) changed.abort()
    }
    const watch = this.#watch.watch(groupId, look)
    // It may have changed while the beat waited for its flush.
    look()
    try {
      const leftMs = Math.max(0, dueMs - clock.monotonicMs())
      const lifeMs = Math.max(1, Math.floor((http?.sessionTimeoutMs ?? leftMs) / 3))
      const lockDurationMs = query.visibility_timeout_ms ?? query.visibility_timeout
      const result = await deliveries.poll({
        groupId,
        memberId,
        partitions: this.#inTurn(`${groupId.length}:${groupId}${memberId}`, member),
        // What is not committed came after the group's start: see `start-offsets.ts`.
        start: http?.start === 'none' ? 'none' : 'earliest',
        maxRecords: query.max_messages ?? query.limit ?? DEFAULT_MESSAGES,
        maxBytes: query.max_bytes,
        maxWaitMs: Math.min(leftMs, lifeMs),
        ...(lockDurationMs === undefined ? {} : { lockDurationMs }),
        signal: AbortSignal.any([signal, changed.signal]),
      })
      return result.records.length > 0 ? result.records : (this.#problemOf(groupId, result) ?? [])
    } finally {
      watch.cancel()
    }
  }

  #problemOf(groupId: string, { problems }: DeliveryPollResult): Problem | null {
    for (const { topicId, partition, problem: kind } of problems) {
      const name = this.#context.topics.table.byId(topicId)?.name ?? topicId
      if (kind === 'NO_OFFSET')
        return problem(
          'NO_OFFSET',
          `the group ${groupId} has no committed offset in ${name}-${partition} and auto_offset_reset is none`,
        )
      if (kind === 'STORAGE')
        return problem('STORAGE_DAMAGED', `acknowledged bytes of ${name}-${partition} are damaged`)
      // A topic that was deleted a moment ago: the next target is without it.
    }
    return null
  }

  #answer({ member }: Beat, records: readonly DeliveredRecord[], hasMoved: boolean) {
    const next = new Map<string, Map<number, number>>()
    const messages = records.map((record) => {
      const partitions = next.get(record.topic) ?? new Map<number, number>()
      next.set(record.topic, partitions)
      partitions.set(
        record.partition,
        Math.max(partitions.get(record.partition) ?? 0, record.offset + 1),
      )
      return {
        ...messageJson(record, record),
        delivery_count: record.deliveryCount,
        receipt_handle: record.receiptHandle,
      }
    })
    return {
      messages,
      next_offset: Object.fromEntries(
        Array.from(next, ([topic, partitions]) => [topic, Object.fromEntries(partitions)]),
      ),
      generation: member.memberEpoch,
      rebalance_required: hasMoved,
      assigned_partitions: assignmentOf(this.#context.topics, member),
    }
  }

  #inTurn(key: string, { assigned }: ConsumerMember): readonly DeliveryPartition[] {
    const all = partitionListOf(assigned).flatMap(({ topicId, partitions }) =>
      partitions.map((partition) => ({ topicId, partition })),
    )
    if (all.length < 2) return all
    if (this.#turns.size >= MOST_TURNS) this.#turns.clear()
    const first = (this.#turns.get(key) ?? 0) % all.length
    this.#turns.set(key, first + 1)
    return [...all.slice(first), ...all.slice(0, first)]
  }
}
