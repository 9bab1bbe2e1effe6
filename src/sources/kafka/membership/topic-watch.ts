/**
 * Looks at the cluster from time to time: which topics does the subscription mean, did partitions come or go, was a topic
 * deleted and made anew?
 *
 * Rarely while all is well (`metadataMaxAgeMs`), every few seconds while a subscribed topic is missing. A pattern is
 * matched against all topics but the broker's internal ones. The leader of a classic group compares what it sees with
 * what it assigned; the group assigns anew when they differ, and every member joins anew when its own topics do.
 */

import { messageOf } from '../../../core/index.ts'
import type { Timer } from '../../../core/index.ts'
import { topicPattern } from '../../../group/index.ts'
import { spread } from '../../backoff.ts'
import type { KafkaClient } from '../kafka-client.ts'

export interface TopicWatchEvents {
  missing(topic: string): void
  /** Partition counts are no longer those last planned with; or the subscription means other topics. */
  changed(isSubscription: boolean): void
}

export interface Subscription {
  readonly topics: readonly string[]
  readonly topicPattern: string | null
}

const FIRST_LOOK_MS = 1_000
const LONGEST_LOOK_MS = 5_000

export class TopicWatch {
  readonly #client: KafkaClient
  readonly #subscription: Subscription
  readonly #matches: ((topic: string) => boolean) | null
  readonly #events: TopicWatchEvents
  readonly #missing = new Set<string>()
  readonly #appeared = new Set<string>()
  /** The id under which each topic was last seen. */
  readonly #ids = new Map<string, string>()
  #topics: readonly string[]
  #planned: ReadonlyMap<string, number> = new Map()
  #timer: Timer | null = null
  #looks = 0
  #isStarted = false
  #isClosed = false

  constructor(client: KafkaClient, subscription: Subscription, events: TopicWatchEvents) {
    this.#client = client
    this.#subscription = subscription
    this.#topics = subscription.topics
    this.#events = events
    const pattern = topicPattern(subscription.topicPattern ?? '')
    this.#matches =
      subscription.topicPattern !== null && typeof pattern === 'function' ? pattern : null
  }

  /** The subscribed topics; with a pattern those that exist and match, in order. */
  get topics(): readonly string[] {
    return this.#topics
  }

  /** Takes note of what the client knows now, and begins to watch. */
  start(): void {
    this.#compare()
    this.#isStarted = true
    this.#schedule()
  }

  /** What the leader assigned with. */
  plannedWith(partitionCounts: ReadonlyMap<string, number>): void {
    this.#planned = partitionCounts
  }

  /** Whether the topic came into being (anew) while this was watching: what is in it is younger than the group. */
  hasAppeared(topic: string): boolean {
    return this.#appeared.has(topic) || (this.#matches !== null && !this.#topics.includes(topic))
  }

  /** The topic is not the one that was read before. */
  wasRemade(topic: string): void {
    this.#appeared.add(topic)
  }

  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
  }

  #schedule(): void {
    const isComplete = this.#missing.size === 0
    this.#looks = isComplete ? 0 : this.#looks + 1
    const delayMs = isComplete
      ? this.#client.settings.metadataMaxAgeMs
      : Math.min(LONGEST_LOOK_MS, FIRST_LOOK_MS * 2 ** Math.min(this.#looks - 1, 8))
    const { timers, random } = this.#client.ports
    this.#timer = timers.schedule(spread(delayMs, random), () => void this.#look())
  }

  async #look(): Promise<void> {
    const asked =
      this.#matches === null ? [...new Set([...this.#topics, ...this.#planned.keys()])] : 'all'
    try {
      await this.#client.refresh(asked)
      if (!this.#isClosed) this.#compare()
    } catch (error) {
      this.#client.ports.logger.log('debug', 'the topics could not be looked at', {
        reason: messageOf(error),
      })
    }
    if (!this.#isClosed) this.#schedule()
  }

  #compare(): void {
    const { topics } = this.#client.cluster
    const hasNewTopics = this.#match()
    const { topicPattern: pattern } = this.#subscription
    if (pattern !== null) this.#noteMissing(pattern, this.#topics.length > 0)
    for (const topic of this.#topics) {
      if (pattern === null) this.#noteMissing(topic, topics.has(topic))
      this.#noteId(topic, topics.get(topic)?.topicId ?? null)
    }
    if (hasNewTopics) this.#events.changed(true)
    for (const [topic, count] of this.#planned)
      if ((topics.get(topic)?.partitions.length ?? 0) !== count) {
        this.#events.changed(false)
        return
      }
  }

  /** Matches the pattern anew; true when it means other topics than before. */
  #match(): boolean {
    if (this.#matches === null) return false
    const found = [...this.#client.cluster.topics.values()]
      .filter(({ name, internal }) => !internal && this.#matches?.(name) === true)
      .map(({ name }) => name)
      .sort()
    const before = new Set(this.#topics)
    const added = found.filter((topic) => !before.has(topic))
    if (added.length === 0 && found.length === before.size) return false
    this.#topics = found
    if (!this.#isStarted) return false
    for (const topic of added) this.#appeared.add(topic)
    return true
  }

  #noteMissing(topic: string, isThere: boolean): void {
    if (isThere) {
      if (this.#missing.delete(topic)) this.#appeared.add(topic)
    } else if (!this.#missing.has(topic)) {
      this.#missing.add(topic)
      this.#events.missing(topic)
    }
  }

  #noteId(topic: string, topicId: string | null): void {
    if (topicId === null) return
    const before = this.#ids.get(topic)
    if (before !== undefined && before !== topicId) this.#appeared.add(topic)
    this.#ids.set(topic, topicId)
  }
}
