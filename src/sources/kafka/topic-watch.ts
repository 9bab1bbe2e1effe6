/**
 * Looks at the cluster from time to time: do the topics exist, did partitions come or go?
 *
 * Rarely while all is well (`metadataMaxAgeMs`), every few seconds while a subscribed topic is missing. The leader of a
 * group compares what it sees with what it assigned; the group assigns anew when they differ.
 */

import { messageOf } from '../../core/index.ts'
import type { Timer } from '../../core/index.ts'
import { spread } from './backoff.ts'
import type { KafkaClient } from './kafka-client.ts'

export interface TopicWatchEvents {
  missing(topic: string): void
  /** Partition counts are no longer those last planned with. */
  changed(): void
}

const FIRST_LOOK_MS = 1_000
const LONGEST_LOOK_MS = 5_000

export class TopicWatch {
  readonly #client: KafkaClient
  readonly #topics: readonly string[]
  readonly #events: TopicWatchEvents
  readonly #missing = new Set<string>()
  readonly #appeared = new Set<string>()
  #planned: ReadonlyMap<string, number> = new Map()
  #timer: Timer | null = null
  #looks = 0
  #isClosed = false

  constructor(client: KafkaClient, topics: readonly string[], events: TopicWatchEvents) {
    this.#client = client
    this.#topics = topics
    this.#events = events
  }

  /** Takes note of what the client knows now, and begins to watch. */
  start(): void {
    this.#compare()
    this.#schedule()
  }

  /** What the leader assigned with. */
  plannedWith(partitionCounts: ReadonlyMap<string, number>): void {
    this.#planned = partitionCounts
  }

  /** Whether the topic came into being while this was watching: what is in it is younger than the group. */
  hasAppeared(topic: string): boolean {
    return this.#appeared.has(topic)
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
    try {
      await this.#client.refresh([...new Set([...this.#topics, ...this.#planned.keys()])])
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
    for (const topic of this.#topics) {
      if (topics.has(topic)) {
        if (this.#missing.delete(topic)) this.#appeared.add(topic)
      } else if (!this.#missing.has(topic)) {
        this.#missing.add(topic)
        this.#events.missing(topic)
      }
    }
    for (const [topic, count] of this.#planned)
      if ((topics.get(topic)?.partitions.length ?? 0) !== count) {
        this.#events.changed()
        return
      }
  }
}
