/**
 * Ready queues by topic: who goes first, how many slots are kept for whom, and how fast a topic may go. Pure.
 *
 *   slots   [ reserved for `alerts` ][ free for all                ]
 *
 * A record of a topic may start when the slots that are left would still serve what the other topics have reserved and do
 * not use. Of those that may, the topic with the highest priority goes first, and within a priority they take turns.
 */

import type { WorkItem } from '../work.ts'
import { ReadyQueue } from './lanes.ts'
import { TokenBucket } from './token-bucket.ts'
import type { RatePolicy } from './token-bucket.ts'

export interface TopicPolicy {
  /** Higher goes first. */
  readonly priority: number
  readonly reservedSlots: number
  readonly rate: RatePolicy | null
}

interface TopicQueue {
  readonly topic: string
  readonly policy: TopicPolicy
  readonly queue: ReadyQueue<WorkItem>
  readonly bucket: TokenBucket | null
  /** Slots in use. */
  used: number
  /** When it last had its turn. */
  turn: number
}

const ORDINARY: TopicPolicy = { priority: 0, reservedSlots: 0, rate: null }

export class TopicQueues {
  readonly #policies: ReadonlyMap<string, TopicPolicy>
  readonly #queues = new Map<string, TopicQueue>()
  #length = 0
  #turns = 0

  constructor(policies: ReadonlyMap<string, TopicPolicy>) {
    this.#policies = policies
    // What is reserved for a topic is kept before its first record comes.
    for (const topic of policies.keys()) this.#of(topic)
  }

  get length(): number {
    return this.#length
  }

  push(item: WorkItem): void {
    this.#of(item.partition.topic).queue.push(item)
    this.#length++
  }

  /** The item that starts now, when one may; its slot is in use from now on. */
  shift(freeSlots: number, nowMs: number): WorkItem | null {
    const chosen = this.#choose(freeSlots, nowMs)
    if (chosen === null) return null
    chosen.turn = ++this.#turns
    chosen.bucket?.take()
    this.#length--
    return chosen.queue.shift()
  }

  /** What `shift` gave does not run now. */
  held(item: WorkItem): void {
    this.#of(item.partition.topic).bucket?.giveBack()
  }

  /** Its slot is in use. */
  occupied(item: WorkItem): void {
    this.#of(item.partition.topic).used++
  }

  vacated(item: WorkItem): void {
    this.#of(item.partition.topic).used--
  }

  /** When a topic that only its rate holds back may go on. */
  nextMs(nowMs: number): number {
    let next = Number.POSITIVE_INFINITY
    for (const { queue, bucket } of this.#queues.values())
      if (queue.length > 0 && bucket !== null && !bucket.has(nowMs))
        next = Math.min(next, bucket.nextMs(nowMs))
    return next
  }

  remove(gone: (item: WorkItem) => boolean): void {
    this.#length = 0
    for (const { queue } of this.#queues.values()) {
      queue.remove(gone)
      this.#length += queue.length
    }
  }

  #choose(freeSlots: number, nowMs: number): TopicQueue | null {
    let owed = 0
    for (const queue of this.#queues.values()) owed += owedTo(queue)
    let best: TopicQueue | null = null
    for (const queue of this.#queues.values()) {
      if (queue.queue.length === 0 || freeSlots <= owed - owedTo(queue)) continue
      if (queue.bucket?.has(nowMs) === false) continue
      if (best === null || goesBefore(queue, best)) best = queue
    }
    return best
  }

  #of(topic: string): TopicQueue {
    const known = this.#queues.get(topic)
    if (known !== undefined) return known
    const policy = this.#policies.get(topic) ?? ORDINARY
    const bucket = policy.rate === null ? null : new TokenBucket(policy.rate)
    const queue = { topic, policy, queue: new ReadyQueue<WorkItem>(), bucket, used: 0, turn: 0 }
    this.#queues.set(topic, queue)
    return queue
  }
}

function owedTo({ policy, used }: TopicQueue): number {
  return Math.max(0, policy.reservedSlots - used)
}

function goesBefore(left: TopicQueue, right: TopicQueue): boolean {
  if (left.policy.priority !== right.policy.priority)
    return left.policy.priority > right.policy.priority
  return left.turn < right.turn
}
