/**
 * Finds where newly assigned partitions begin: asks the broker, lets `start-offset.ts` decide, tells what is notable.
 *
 * Under the policy `latest`, and for a topic that was made anew, the decision is committed at once, for idle partitions
 * too: a restart before the first commit must not decide anew, later in the log.
 */

import { ShoalError } from '../../core/index.ts'
import type { Assignment, OwnedPartition, SourceNotice } from '../../consumer/index.ts'
import { retry } from '../backoff.ts'
import { refusal } from './broker-link.ts'
import { leaderOf } from './cluster-view.ts'
import { UNKNOWN_EPOCH } from './epoch-trail.ts'
import { isPassing } from './kafka-client.ts'
import type { KafkaClient } from './kafka-client.ts'
import { partitionKey } from './topic-partition.ts'
import type { TopicPartition } from './topic-partition.ts'
import { OffsetMoment, committedOffsets, endOfEpoch, offsetsAt } from './offsets.ts'
import type { CommittedOffset } from './offsets.ts'
import type { SourceSettings } from './options.ts'
import { decideStart } from './start-offset.ts'
import { settle } from './start-telling.ts'

export interface StartFinderOptions {
  readonly client: KafkaClient
  readonly group: string
  readonly settings: SourceSettings
  /** What the subscription means by now. */
  readonly topics: () => readonly string[]
  /** Whether the topic came into being while this session was watching. */
  readonly hasAppeared: (topic: string) => boolean
  /** Whether what is committed for the partition is about a topic of its name that was deleted. */
  readonly isRemade: (partition: TopicPartition) => boolean
  /** Commits start offsets as the member that we are now; false when that has to be tried again. */
  readonly commit: (
    positions: readonly (OwnedPartition & { readonly offset: number })[],
  ) => Promise<boolean>
  readonly notice: (notice: SourceNotice) => void
}

/** An assignment, and under which leader the record before its start was written. */
export interface Start {
  readonly assignment: Assignment
  readonly leaderEpoch: number
}

interface Bounds {
  readonly earliest: ReadonlyMap<string, number>
  readonly latest: ReadonlyMap<string, number>
}

/** What a start is decided by. */
interface StartKnowledge {
  readonly stored: CommittedOffset | null
  readonly bounds: Bounds
  /** Topics that the group has committed for. */
  readonly known: ReadonlySet<string>
  readonly generation: number
  readonly isRemade: boolean
}

/** A group counts its rebalances from here: in the first one nobody has committed anything yet. */
const FIRST_GENERATION = 1

export class StartFinder {
  readonly #options: StartFinderOptions

  constructor(options: StartFinderOptions) {
    this.#options = options
  }

  /**
   * Tells the starts of what `wanted` still answers, tried until the broker answers or nothing is wanted any more. Each
   * leader's partitions for themselves: one that cannot be reached, or is not there, holds up no others.
   * @throws ShoalError SHOAL_NO_OFFSET, SHOAL_OFFSET_OUT_OF_RANGE when the policy says stop; what the broker refuses for good
   */
  async find(
    wanted: () => readonly OwnedPartition[],
    generation: number,
    found: (starts: readonly Start[]) => void,
  ): Promise<void> {
    const { client, group, settings } = this.#options
    const isLatest = settings.offsetReset === 'latest'
    const committed = await this.#retrying(wanted, (partitions) =>
      committedOffsets(client, group, isLatest ? this.#wholeSubscription(partitions) : partitions),
    )
    if (committed === null) return
    const byLeader = Map.groupBy(wanted(), ({ topic, partition }) =>
      leaderOf(client.cluster, topic, partition),
    )
    await Promise.all(
      [...byLeader.values()].map(async (led) => {
        const keys = new Set(led.map(partitionKey))
        const stillWanted = () => wanted().filter((one) => keys.has(partitionKey(one)))
        const starts = await this.#retrying(stillWanted, (partitions) =>
          this.#starts(partitions, committed, generation),
        )
        if (starts !== null) found(starts)
      }),
    )
  }

  /** Null when nothing is wanted any more. */
  async #retrying<Value>(
    wanted: () => readonly OwnedPartition[],
    attempt: (partitions: readonly OwnedPartition[]) => Promise<Value>,
  ): Promise<Value | null> {
    const { client } = this.#options
    const { reconnectBackoffMs: firstMs, reconnectBackoffMaxMs: longestMs } = client.settings
    return retry(
      client.ports,
      {
        timeoutMs: Number.MAX_SAFE_INTEGER,
        limits: { firstMs, longestMs },
        retriable: (error) => isPassing(error) && wanted().length > 0,
      },
      async () => {
        const partitions = wanted()
        return partitions.length === 0 ? null : attempt(partitions)
      },
    )
  }

  async #starts(
    partitions: readonly OwnedPartition[],
    committed: ReadonlyMap<string, CommittedOffset>,
    generation: number,
  ): Promise<readonly Start[]> {
    const { client, settings } = this.#options
    const isLatest = settings.offsetReset === 'latest'
    const bounds = await boundsOf(client, settings, partitions)
    const known = new Set([...committed.keys()].map(topicOfKey))
    const decided: (OwnedPartition & { readonly offset: number })[] = []
    const starts = partitions.map((one) => {
      const isRemade = this.#options.isRemade(one)
      const stored = isRemade ? null : (committed.get(partitionKey(one)) ?? null)
      const start = this.#start(one, { stored, bounds, known, generation, isRemade })
      if (stored === null && (isLatest || isRemade))
        decided.push({ ...one, offset: start.assignment.startOffset })
      return start
    })
    if (decided.length > 0 && !(await this.#options.commit(decided)))
      throw new ShoalError('SHOAL_REQUEST_TIMEOUT', 'the start offsets could not be committed yet')
    return starts
  }

  #start(
    one: OwnedPartition,
    { stored, bounds, known, generation, isRemade }: StartKnowledge,
  ): Start {
    const { settings, notice } = this.#options
    const isMet = this.#isKnown(one.topic, known) && generation !== FIRST_GENERATION
    const decision = decideStart({
      committed: stored?.offset ?? null,
      earliest: offsetOf(bounds.earliest, one),
      latest: offsetOf(bounds.latest, one),
      policy: settings.offsetReset,
      isFirstStart: !this.#options.hasAppeared(one.topic) && !isMet,
      isRemade,
    })
    const at = { offset: stored?.offset ?? -1, divergedAt: null }
    const startOffset = settle(decision, one, at, settings, notice)
    return {
      assignment: { ...one, committed: withoutEpoch(stored), startOffset, generation },
      leaderEpoch: stored?.offset === startOffset ? stored.leaderEpoch : UNKNOWN_EPOCH,
    }
  }

  /** A pattern is one subscription: who has committed for one of its topics has met them all. */
  #isKnown(topic: string, known: ReadonlySet<string>): boolean {
    return this.#options.settings.topicPattern === null ? known.has(topic) : known.size > 0
  }

  #wholeSubscription(partitions: readonly TopicPartition[]): readonly TopicPartition[] {
    const { client, settings } = this.#options
    const { topics } = client.cluster
    const wanted = settings.topicPattern === null ? [] : this.#options.topics()
    return [...new Set([...wanted, ...partitions.map(({ topic }) => topic)])].flatMap((topic) =>
      (topics.get(topic)?.partitions ?? []).map(({ partition }) => ({ topic, partition })),
    )
  }
}

/** A position that the broker does not hold, or not the records before it. */
export interface DoubtfulPosition {
  readonly partition: OwnedPartition
  readonly offset: number
  /** Of the record before it; -1 when it is not known. */
  readonly leaderEpoch: number
}

/**
 * Where to go on after the broker refused a position.
 * @throws ShoalError SHOAL_OFFSET_OUT_OF_RANGE when going on would skip or repeat without leave
 */
export async function outOfRange(
  client: KafkaClient,
  settings: SourceSettings,
  { partition, offset, leaderEpoch }: DoubtfulPosition,
  notice: (notice: SourceNotice) => void,
): Promise<number> {
  const { bounds, divergedAt } = await client.retrying(async () => {
    await client.refresh([partition.topic])
    const end = leaderEpoch < 0 ? null : await endOfEpoch(client, partition, leaderEpoch)
    return { bounds: await boundsOf(client, settings, [partition]), divergedAt: end }
  }, Number.MAX_SAFE_INTEGER)
  const decision = decideStart({
    committed: offset,
    earliest: offsetOf(bounds.earliest, partition),
    latest: offsetOf(bounds.latest, partition),
    divergedAt,
    policy: settings.offsetReset,
    isFirstStart: false,
  })
  return settle(decision, partition, { offset, divergedAt }, settings, notice)
}

async function boundsOf(
  client: KafkaClient,
  { readCommitted }: SourceSettings,
  partitions: readonly TopicPartition[],
): Promise<Bounds> {
  const [earliest, latest] = await Promise.all([
    offsetsAt(client, partitions, OffsetMoment.earliest, { readCommitted }),
    // Under read-committed this is the last stable offset, but a position may lie beyond it: up to the high watermark.
    offsetsAt(client, partitions, OffsetMoment.latest, { readCommitted: false }),
  ])
  return { earliest, latest }
}

function offsetOf(offsets: ReadonlyMap<string, number>, one: TopicPartition): number {
  const offset = offsets.get(partitionKey(one))
  if (offset === undefined) throw refusal('ListOffsets', 'UNKNOWN_TOPIC_OR_PARTITION', { ...one })
  return offset
}

function withoutEpoch(stored: CommittedOffset | null): Assignment['committed'] {
  return stored === null ? null : { offset: stored.offset, metadata: stored.metadata }
}

function topicOfKey(key: string): string {
  return key.slice(key.indexOf(' ') + 1)
}
