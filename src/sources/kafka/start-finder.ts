/**
 * Finds where newly assigned partitions begin: asks the broker, lets `start-offset.ts` decide, tells what is notable.
 *
 * Under the policy `latest`, and for a topic that was made anew, the decision is committed at once, for idle partitions
 * too: a restart before the first commit must not decide anew, later in the log.
 */

import { ShoalError } from '../../core/index.ts'
import type { Assignment, OwnedPartition, SourceNotice } from '../../consumer/index.ts'
import { retry } from './backoff.ts'
import { refusal } from './broker-link.ts'
import { UNKNOWN_EPOCH } from './epoch-trail.ts'
import { isPassing } from './kafka-client.ts'
import type { KafkaClient } from './kafka-client.ts'
import { partitionKey } from './topic-partition.ts'
import type { TopicPartition } from './topic-partition.ts'
import { OffsetMoment, committedOffsets, endOfEpoch, offsetsAt } from './offsets.ts'
import type { CommittedOffset } from './offsets.ts'
import type { SourceSettings } from './options.ts'
import { decideStart } from './start-offset.ts'
import type { StartDecision, StartProblem } from './start-offset.ts'

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

/** A group counts its rebalances from here: in the first one nobody has committed anything yet. */
const FIRST_GENERATION = 1

export class StartFinder {
  readonly #options: StartFinderOptions

  constructor(options: StartFinderOptions) {
    this.#options = options
  }

  /**
   * Assignments for what `wanted` still answers, tried until the broker answers or nothing is wanted any more.
   * @throws ShoalError SHOAL_NO_OFFSET, SHOAL_OFFSET_OUT_OF_RANGE when the policy says stop; what the broker refuses for good
   */
  async find(
    wanted: () => readonly OwnedPartition[],
    generation: number,
  ): Promise<readonly Start[]> {
    const { client } = this.#options
    const { reconnectBackoffMs, reconnectBackoffMaxMs } = client.settings
    return retry(
      client.ports,
      {
        timeoutMs: Number.MAX_SAFE_INTEGER,
        limits: { firstMs: reconnectBackoffMs, longestMs: reconnectBackoffMaxMs },
        retriable: (error) => isPassing(error) && wanted().length > 0,
      },
      async () => {
        const partitions = wanted()
        return partitions.length === 0 ? [] : this.#attempt(partitions, generation)
      },
    )
  }

  async #attempt(
    partitions: readonly OwnedPartition[],
    generation: number,
  ): Promise<readonly Start[]> {
    const { client, group, settings, notice } = this.#options
    const isLatest = settings.offsetReset === 'latest'
    const [committed, bounds] = await Promise.all([
      committedOffsets(client, group, isLatest ? this.#wholeSubscription(partitions) : partitions),
      boundsOf(client, settings, partitions),
    ])
    const known = new Set([...committed.keys()].map(topicOfKey))
    const starts: Start[] = []
    const decided: (OwnedPartition & { readonly offset: number })[] = []
    for (const one of partitions) {
      const key = partitionKey(one)
      const isRemade = this.#options.isRemade(one)
      const stored = isRemade ? null : (committed.get(key) ?? null)
      const decision = decideStart({
        committed: stored?.offset ?? null,
        earliest: offsetOf(bounds.earliest, one),
        latest: offsetOf(bounds.latest, one),
        policy: settings.offsetReset,
        isFirstStart:
          !this.#options.hasAppeared(one.topic) &&
          (!this.#isKnown(one.topic, known) || generation === FIRST_GENERATION),
        isRemade,
      })
      const at = { offset: stored?.offset ?? -1, divergedAt: null }
      const startOffset = settle(decision, one, at, settings, notice)
      starts.push({
        assignment: { ...one, committed: withoutEpoch(stored), startOffset, generation },
        leaderEpoch: stored?.offset === startOffset ? stored.leaderEpoch : UNKNOWN_EPOCH,
      })
      if (stored === null && (isLatest || isRemade)) decided.push({ ...one, offset: startOffset })
    }
    if (decided.length > 0 && !(await this.#options.commit(decided)))
      throw new ShoalError('SHOAL_REQUEST_TIMEOUT', 'the start offsets could not be committed yet')
    return starts
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

function settle(
  decision: StartDecision,
  { topic, partition }: TopicPartition,
  at: { readonly offset: number; readonly divergedAt: number | null },
  { offsetReset }: SourceSettings,
  notice: (notice: SourceNotice) => void,
): number {
  switch (decision.kind) {
    case 'start':
      if (decision.reason !== 'committed') {
        const reason =
          decision.reason === 'remade'
            ? 'the topic was deleted and made anew'
            : `nothing was committed and offsetReset is ${offsetReset}`
        notice({ kind: 'offset-reset', topic, partition, from: null, to: decision.offset, reason })
      }
      return decision.offset
    case 'skip': {
      const reason = 'retention deleted them before they were read'
      notice({ kind: 'records-skipped', topic, partition, count: decision.count, reason })
      return decision.offset
    }
    case 'stop':
      throw stopped(decision.problem, { topic, partition }, at)
  }
}

function stopped(
  problem: StartProblem,
  { topic, partition }: TopicPartition,
  { offset, divergedAt }: { readonly offset: number; readonly divergedAt: number | null },
): ShoalError {
  const where = `partition ${partition} of topic ${topic}`
  const details = { topic, partition, offset }
  switch (problem) {
    case 'no-offset':
      return new ShoalError(
        'SHOAL_NO_OFFSET',
        `the group has committed nothing for ${where} and offsetReset is none; set an offset or choose earliest or latest`,
        { details },
      )
    case 'gone':
      return new ShoalError(
        'SHOAL_OFFSET_OUT_OF_RANGE',
        `retention deleted offset ${offset} of ${where} before it was read and offsetReset is none; reset the group's offset`,
        { details },
      )
    case 'remade':
      return new ShoalError(
        'SHOAL_OFFSET_OUT_OF_RANGE',
        `${where} is of a topic that was deleted and made anew, and offsetReset is none; set an offset or choose earliest or latest`,
        { details },
      )
    case 'beyond-end':
      return new ShoalError(
        'SHOAL_OFFSET_OUT_OF_RANGE',
        `offset ${offset} of ${where} lies beyond its end: the topic was truncated or made anew, or this is another cluster; reset the group's offset`,
        { details },
      )
    case 'truncated':
      return new ShoalError(
        'SHOAL_OFFSET_OUT_OF_RANGE',
        `${where} lost what it held from offset ${divergedAt} on and has other records there now, and the group has read to offset ${offset}; reset the group's offset to ${divergedAt} to read them, or leave them out by starting it at ${offset}`,
        { details: { ...details, divergedAt: divergedAt ?? -1 } },
      )
  }
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
