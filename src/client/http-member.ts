/**
 * A member over the HTTP API: polls hand records out with a receipt each, by which they are settled at the broker.
 *
 * What the broker counts (deliveries, backoff, dead letters) is not counted here. A poll that nobody waits for any more is
 * not broken off: the broker has locked its records for this member, so they are kept for the next fetch.
 */

import { Buffer } from 'node:buffer'
import { ShoalError, assertInvariant, messageOf, sleep, uuidText } from '../core/index.ts'
import type { Random } from '../core/index.ts'
import type { SourceRecord } from '../consumer/index.ts'
import type { BrokerRoutes, ReplyOf } from '../http/index.ts'
import { isPassing, problemError } from './http-calls.ts'
import { HttpMembership, type HttpMemberParts } from './http-membership.ts'
import { notStored } from './settling.ts'
import type {
  Delivery,
  Member,
  MemberEvents,
  NackOutcome,
  PollLimits,
  Settlement,
  SettlementResult,
} from './member.ts'

/** A poll waits no longer than this at the broker; a longer wait is several. */
const LONGEST_POLL_MS = 20_000
/** Most messages, and most receipts, of one request. */
const MOST_MESSAGES = 10_000
const MOST_HANDLES = 1_000

/** Between polls while the broker cannot be reached. */
const RETRY_MS = 200
/** After a poll that brought nothing, however early it was answered. */
const EMPTY_WAIT_MS = 10

type PolledMessage = ReplyOf<BrokerRoutes['poll']>['messages'][number]
type Settled = { readonly success: true } | { readonly success: false; readonly code: string }

export class HttpMember implements Member {
  readonly #parts: HttpMemberParts
  readonly #membership: HttpMembership
  readonly #random: Random
  /** The poll under way. */
  #polling: Promise<void> | null = null
  #arrived: Delivery[] = []
  /** Ends the poll under way: leaving gives its records back. */
  readonly #leaving = new AbortController()

  private constructor(parts: HttpMemberParts, events: MemberEvents, random: Random) {
    this.#parts = parts
    this.#random = random
    this.#membership = new HttpMembership(parts, events)
  }

  static async open(
    parts: HttpMemberParts,
    events: MemberEvents,
    random: Random,
  ): Promise<HttpMember> {
    const member = new HttpMember(parts, events, random)
    await member.#membership.start()
    return member
  }

  get memberId(): string {
    return this.#parts.memberId
  }

  async fetch(limits: PollLimits): Promise<readonly Delivery[]> {
    const { clock } = this.#parts
    const { timeoutMs, maxRecords, signal } = limits
    const endMs = clock.monotonicMs() + timeoutMs
    for (;;) {
      if (this.#membership.failure !== null) throw this.#membership.failure
      const deliveries = this.#takeArrived(maxRecords)
      const leftMs = endMs - clock.monotonicMs()
      if (deliveries.length > 0 || signal.aborted || this.#leaving.signal.aborted) return deliveries
      const isFull = [...this.#membership.owned].some((owned) => limits.isFull(owned))
      const mayPoll = this.#polling === null && this.#membership.isSettled && !isFull
      if (mayPoll) this.#polling = this.#poll(maxRecords, leftMs)
      if (leftMs <= 0) {
        if (mayPoll) await this.#polling
        return this.#takeArrived(maxRecords)
      }
      await this.#membership.changed.wait(leftMs, signal)
    }
  }

  async settle(settlements: readonly Settlement[]): Promise<readonly SettlementResult[]> {
    const deliveries = settlements.flatMap(({ done }) => done)
    const refused = new Map<string, 'stale' | 'expired'>()
    for (let first = 0; first < deliveries.length; first += MOST_HANDLES) {
      const some = deliveries.slice(first, first + MOST_HANDLES)
      const results = await this.#acknowledge(some)
      some.forEach(({ topic, partition }, index) => {
        const result = results[index]
        if (result !== undefined && !result.success)
          refused.set(
            `${topic}/${partition}`,
            result.code === 'HANDLE_NOT_HELD' ? 'stale' : 'expired',
          )
      })
    }
    return settlements.map(({ topic, partition, epoch }) => {
      const outcome = refused.get(`${topic}/${partition}`) ?? 'settled'
      return { topic, partition, epoch, outcome }
    })
  }

  async release(
    delivery: Delivery,
    delayMs: number | null,
    reason: string | null,
  ): Promise<NackOutcome> {
    const { api, retrying, clock } = this.#parts
    const body = {
      receipt_handle: handleOf(delivery),
      member_id: this.memberId,
      ...(delayMs === null ? {} : { delay: `${Math.round(delayMs)}ms` }),
      ...(reason === null ? {} : { reason }),
    }
    const idempotencyKey = uuidText(this.#random)
    const reply = await retrying(() => api.nack({ body, idempotencyKey }), this.#limitMs)
    if (!reply.ok) throw problemError(reply.problem)
    const answer = reply.body
    if (!('action' in answer)) throw strange('nack')
    if (answer.action !== 'requeued') return givenUp(answer.dlq_topic)
    this.#membership.changed.raise()
    const visible = answer.next_visible_at
    return {
      kind: 'released',
      visibleAtMs: visible === undefined ? clock.wallMs() : Date.parse(visible),
    }
  }

  async reject(delivery: Delivery, reason: string): Promise<NackOutcome> {
    const { api, retrying } = this.#parts
    const body = { receipt_handle: handleOf(delivery), member_id: this.memberId, reason }
    const idempotencyKey = uuidText(this.#random)
    const reply = await retrying(() => api.reject({ body, idempotencyKey }), this.#limitMs)
    if (!reply.ok) throw problemError(reply.problem)
    if (!('action' in reply.body)) throw strange('reject')
    return givenUp(reply.body.dlq_topic)
  }

  async close(): Promise<void> {
    this.#leaving.abort()
    await this.#membership.leave()
    this.#arrived = []
  }

  // --- polling ---

  /** What it brings is kept until it is fetched. */
  async #poll(maxRecords: number, leftMs: number): Promise<void> {
    const { api, settings, memberId, logger, timers } = this.#parts
    const { groupId, visibilityTimeoutMs } = settings
    const query = {
      member_id: memberId,
      max_messages: Math.min(maxRecords, MOST_MESSAGES),
      timeout_ms: Math.max(0, Math.min(Math.round(leftMs), LONGEST_POLL_MS)),
      visibility_timeout_ms: Math.round(visibilityTimeoutMs),
    }
    try {
      const answer = await this.#membership.poll((generation) =>
        api.poll({
          params: { groupId },
          query: { ...query, generation },
          signal: this.#leaving.signal,
        }),
      )
      const { messages } = answer ?? { messages: [] }
      for (const message of messages) this.#keep(message)
      // The group changed, or the broker is busy: it is not asked again in the same breath.
      if (messages.length === 0 && leftMs > 0)
        await sleep(timers, EMPTY_WAIT_MS, this.#leaving.signal)
    } catch (error) {
      if (this.#leaving.signal.aborted) return
      if (!isPassing(error)) throw error
      logger.log('warn', 'source: disconnected', { group: groupId, reason: messageOf(error) })
      await sleep(timers, RETRY_MS, this.#leaving.signal)
    } finally {
      this.#polling = null
      this.#membership.changed.raise()
    }
  }

  #keep(message: PolledMessage): void {
    const { topic, partition, receipt_handle: receiptHandle, delivery_count: count = 1 } = message
    const owned = this.#membership.ownerOf(topic, partition)
    // Of a partition that moved meanwhile: the broker gives it to the new owner.
    if (owned === undefined || receiptHandle === undefined) return
    const record = recordOf(message)
    this.#arrived.push({ ...owned, record, deliveryCount: count, receiptHandle })
  }

  #takeArrived(maxRecords: number): readonly Delivery[] {
    if (this.#arrived.length === 0) return []
    const current = this.#arrived.filter(
      ({ topic, partition, epoch }) => this.#membership.ownerOf(topic, partition)?.epoch === epoch,
    )
    this.#arrived = current.slice(maxRecords)
    return current.slice(0, maxRecords)
  }

  /** Acknowledging twice is no error at the broker, so it may be tried again. */
  async #acknowledge(deliveries: readonly Delivery[]): Promise<readonly Settled[]> {
    const { api, retrying, settings } = this.#parts
    const body = { receipt_handles: deliveries.map(handleOf), member_id: this.memberId }
    try {
      const reply = await retrying(() => api.ack({ body }), settings.requestTimeoutMs)
      if (!reply.ok) throw problemError(reply.problem)
      if (!('results' in reply.body)) throw strange('ack')
      return reply.body.results
    } catch (error) {
      throw isPassing(error) ? notStored(settings, error) : error
    }
  }

  get #limitMs(): number {
    return this.#parts.settings.requestTimeoutMs
  }
}

function recordOf(message: PolledMessage): SourceRecord {
  const { offset, timestamp, key, key_encoding: keyEncoding = 'utf8', value, encoding } = message
  return {
    offset,
    timestampMs: Date.parse(timestamp),
    key: bytesOf(key, keyEncoding),
    value: bytesOf(value, encoding),
    headers: (message.headers ?? []).map(([name, text, headerEncoding]) => ({
      key: name,
      value: bytesOf(text, headerEncoding ?? 'utf8'),
    })),
  }
}

function bytesOf(text: string | null, encoding: 'utf8' | 'base64'): Uint8Array | null {
  return text === null ? null : Buffer.from(text, encoding)
}

function handleOf({ receiptHandle, topic, partition, record }: Delivery): string {
  assertInvariant(
    receiptHandle !== undefined,
    `${topic}/${partition} at ${record.offset} came without a receipt`,
  )
  return receiptHandle
}

function givenUp(topic: string | undefined): NackOutcome {
  return topic === undefined ? { kind: 'dropped' } : { kind: 'dead-lettered', topic }
}

function strange(operation: string): ShoalError {
  return new ShoalError(
    'SHOAL_REQUEST_FAILED',
    `${operation}: the broker's answer is not what was asked for`,
  )
}
