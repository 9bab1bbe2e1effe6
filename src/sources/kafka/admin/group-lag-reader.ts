/**
 * Looks at a group again and again: where it is, where its topics end, and how old its oldest unread record is.
 *
 * Over one client for the whole life. The timestamp of an unread record is read from the record itself (a Fetch of one
 * batch), and only when the position has moved since the last look; partitions without lag cost nothing.
 */

import type { LagFacts } from '../../../admin/index.ts'
import { firstUnread } from '../../../admin/index.ts'
import { KafkaClient, type KafkaClientOptions } from '../kafka-client.ts'
import { committedOffsets, OffsetMoment, offsetsAt } from '../offsets.ts'
import type { KafkaPorts } from '../options.ts'
import { partitionKey } from '../topic-partition.ts'
import { fetchOnce } from './topic-reader.ts'

export interface GroupLagReaderOptions extends KafkaClientOptions {
  readonly group: string
  readonly topics: readonly string[]
}

export class GroupLagReader implements AsyncDisposable {
  readonly #client: KafkaClient
  readonly #group: string
  readonly #topics: readonly string[]
  /** The unread record that was looked at last, by partition. */
  readonly #oldest = new Map<string, { readonly offset: number; readonly timestampMs: number }>()

  private constructor(
    client: KafkaClient,
    { group, topics }: Pick<GroupLagReaderOptions, 'group' | 'topics'>,
  ) {
    this.#client = client
    this.#group = group
    this.#topics = topics
  }

  /** @throws ShoalError SHOAL_BROKER_UNREACHABLE */
  static async open(
    options: GroupLagReaderOptions,
    ports: KafkaPorts = {},
  ): Promise<GroupLagReader> {
    return new GroupLagReader(await KafkaClient.open(options, ports), options)
  }

  /** Over a client that stays its owner's to close. */
  static over(
    client: KafkaClient,
    asked: Pick<GroupLagReaderOptions, 'group' | 'topics'>,
  ): GroupLagReader {
    return new GroupLagReader(client, asked)
  }

  /** Every partition of the topics as it is now; topics that do not exist are left out. */
  read(): Promise<readonly LagFacts[]> {
    return this.#client.retrying(() => this.#read())
  }

  async close(): Promise<void> {
    await this.#client.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #read(): Promise<readonly LagFacts[]> {
    const client = this.#client
    const { topics } = await client.refresh(this.#topics)
    const partitions = this.#topics.flatMap((topic) =>
      (topics.get(topic)?.partitions ?? []).map(({ partition }) => ({ topic, partition })),
    )
    // Committed first: what is written meanwhile counts as lag, never as less than none.
    const committed = await committedOffsets(client, this.#group, partitions)
    const dirty = { readCommitted: false }
    const starts = await offsetsAt(client, partitions, OffsetMoment.earliest, dirty)
    const ends = await offsetsAt(client, partitions, OffsetMoment.latest, dirty)
    const facts: LagFacts[] = []
    for (const place of partitions) {
      const key = partitionKey(place)
      const committedOffset = committed.get(key)?.offset ?? null
      const startOffset = starts.get(key) ?? 0
      const endOffset = ends.get(key) ?? 0
      const from = firstUnread({ startOffset, committedOffset })
      const topicId = topics.get(place.topic)?.topicId ?? null
      const oldestMs =
        from >= endOffset ? null : await this.#timestampAt({ ...place, topicId, from })
      facts.push({ ...place, startOffset, endOffset, committedOffset, oldestMs })
    }
    return facts
  }

  /** Of the first record at or after an offset; null when there is none that can be read. */
  async #timestampAt(position: {
    readonly topic: string
    readonly topicId: string | null
    readonly partition: number
    readonly from: number
  }): Promise<number | null> {
    const id = partitionKey(position)
    const known = this.#oldest.get(id)
    if (known?.offset === position.from) return known.timestampMs
    const { records } = await fetchOnce(this.#client, { ...position, waitMs: 0, maxBytes: 1 })
    const [first] = records
    if (first === undefined) return null
    this.#oldest.set(id, { offset: position.from, timestampMs: first.timestampMs })
    return first.timestampMs
  }
}
