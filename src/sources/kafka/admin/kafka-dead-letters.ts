/**
 * Dead letters in a topic. A log gives up records from its beginning only (DeleteRecords), so moving writes what moves to
 * its destination and what stays behind the others, partition by partition, up to the last letter that moves, and then
 * deletes up to there. Who dies in between has written some letters twice; none is lost.
 */

import type {
  AdminPort,
  DeadLetterPort,
  DeadLetterTopic,
  Destination,
  MoveDecision,
  MoveOptions,
  ReadLettersOptions,
  StoredLetter,
  TopicPartition,
} from '../../../admin/index.ts'
import { deleteRecords } from '../../../protocol/index.ts'
import { refusal } from '../broker-link.ts'
import type { KafkaClient, KafkaClientOptions } from '../kafka-client.ts'
import { KafkaProducer } from '../kafka-producer.ts'
import type { KafkaPorts } from '../options.ts'
import type { PrintedRecord } from './printed-record.ts'
import { fetchOnce, readTopic } from './topic-reader.ts'

interface Parts {
  readonly client: KafkaClient
  readonly admin: AdminPort
  readonly options: KafkaClientOptions
  readonly ports: KafkaPorts
  readonly nowMs: () => number
}

interface Extent extends TopicPartition {
  readonly start: number
  readonly end: number
}

/** Letters written between two deletions. */
const CHUNK = 500

export class KafkaDeadLetters implements DeadLetterPort {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  async list(suffix: string): Promise<readonly DeadLetterTopic[]> {
    const topics = await this.#parts.admin.listTopics()
    const listed: DeadLetterTopic[] = []
    for (const { name } of topics) if (name.endsWith(suffix)) listed.push(await this.describe(name))
    return listed
  }

  async describe(topic: string): Promise<DeadLetterTopic> {
    const extents = await this.#extents(topic)
    const stamps: number[] = []
    for (const { partition, start, end } of extents)
      if (end > start) stamps.push(...(await this.#firstTimestamp(topic, partition, start)))
    const letterCount = extents.reduce((sum, { start, end }) => sum + end - start, 0)
    const oldestMs = stamps.length === 0 ? null : this.#parts.nowMs() - Math.min(...stamps)
    return { topic, letterCount, oldestMs: oldestMs === null ? null : Math.max(0, oldestMs) }
  }

  async *read(
    topic: string,
    { limit = Infinity }: ReadLettersOptions = {},
  ): AsyncGenerator<StoredLetter> {
    let left = limit
    if (left <= 0) return
    for await (const record of this.#records(topic)) {
      yield letterOf(record)
      if (--left <= 0) return
    }
  }

  async move(topic: string, decide: MoveDecision, options: MoveOptions = {}): Promise<void> {
    const last = new Map<number, number>()
    for await (const record of this.#records(topic, options.signal))
      if (decide(letterOf(record)) !== null) last.set(record.partition, record.offset)
    if (last.size === 0) return
    const partitionCounts = new Map<string, number>()
    await using producer = await KafkaProducer.open(this.#parts.options, this.#parts.ports)
    const moving = new Moving(producer, topic, async (name) => {
      const known = partitionCounts.get(name)
      if (known !== undefined) return known
      const { partitionCount } = await this.#parts.admin.describeTopic(name)
      partitionCounts.set(name, partitionCount)
      return partitionCount
    })
    try {
      for await (const record of this.#records(topic, options.signal)) {
        if (options.signal?.aborted === true) break
        if (record.offset > (last.get(record.partition) ?? -1)) continue
        const destination = decide(letterOf(record))
        if (destination !== null) await options.pace?.()
        await moving.write(record, destination)
        if (destination !== null) options.onMoved?.()
        if (moving.count >= CHUNK) await this.#delete(topic, moving.takeWritten())
      }
    } finally {
      await this.#delete(topic, moving.takeWritten())
    }
  }

  async purge(topic: string): Promise<number> {
    const extents = await this.#extents(topic)
    await this.#delete(topic, new Map(extents.map(({ partition, end }) => [partition, end])))
    return extents.reduce((sum, { start, end }) => sum + end - start, 0)
  }

  /** Those that are there at the start. */
  #records(topic: string, signal?: AbortSignal): AsyncGenerator<PrintedRecord> {
    const { options, ports } = this.#parts
    const never = new AbortController().signal
    const from = { kind: 'earliest' } as const
    return readTopic({ ...options, topic, from, follow: false, signal: signal ?? never }, ports)
  }

  async #extents(topic: string): Promise<readonly Extent[]> {
    const { admin } = this.#parts
    const { partitions } = await admin.describeTopic(topic)
    const places = partitions.map(({ partition }) => ({ topic, partition }))
    const [starts, ends] = await Promise.all([
      admin.offsets(places, 'earliest'),
      admin.offsets(places, 'latest'),
    ])
    return places.map((place, index) => {
      const start = starts[index]?.offset ?? 0
      return { ...place, start, end: Math.max(start, ends[index]?.offset ?? start) }
    })
  }

  async #firstTimestamp(topic: string, partition: number, from: number): Promise<number[]> {
    const { client } = this.#parts
    const { topics } = await client.refresh([topic])
    const topicId = topics.get(topic)?.topicId ?? null
    const position = { topic, topicId, partition, from, waitMs: 0, maxBytes: 1 }
    const { records } = await fetchOnce(client, position)
    return records.slice(0, 1).map(({ timestampMs }) => timestampMs)
  }

  /** @param ends by partition: everything before is deleted */
  async #delete(topic: string, ends: ReadonlyMap<number, number>): Promise<void> {
    const { client } = this.#parts
    for (const [partition, offset] of ends) {
      const partitions = [{ partitionIndex: partition, offset }]
      const { response } = await client.request(
        deleteRecords,
        { topics: [{ name: topic, partitions }], timeoutMs: client.settings.requestTimeoutMs },
        { to: { topic, partition } },
      )
      const error = response.topics[0]?.partitions[0]?.errorCode ?? 'UNKNOWN_SERVER_ERROR'
      if (error !== 'NONE') throw refusal(deleteRecords.name, error, { topic, partition })
    }
  }
}

/** What was written elsewhere and may be deleted. */
class Moving {
  readonly #producer: KafkaProducer
  readonly #from: string
  readonly #partitionCount: (topic: string) => Promise<number>
  #written = new Map<number, number>()
  count = 0

  constructor(
    producer: KafkaProducer,
    from: string,
    partitionCount: (topic: string) => Promise<number>,
  ) {
    this.#producer = producer
    this.#from = from
    this.#partitionCount = partitionCount
  }

  /** @param destination null: behind the others in its own partition. @throws ShoalError SHOAL_UNKNOWN_TOPIC */
  async write(record: PrintedRecord, destination: Destination | null): Promise<void> {
    const { partition, offset, key, value } = record
    const {
      topic,
      partition: wished,
      headers,
    } = destination ?? {
      topic: this.#from,
      partition,
      headers: record.headers,
    }
    // Asked first: producing to a topic that is gone may make it.
    const count = await this.#partitionCount(topic)
    const to = wished !== null && wished < count ? wished : null
    await this.#producer.send({ topic, partition: to, key, value, headers })
    this.#written.set(partition, offset + 1)
    this.count++
  }

  takeWritten(): ReadonlyMap<number, number> {
    const written = this.#written
    this.#written = new Map()
    this.count = 0
    return written
  }
}

function letterOf({ topic, partition, offset, timestampMs, key, value, headers }: PrintedRecord) {
  return { place: `${topic}/${partition}@${offset}`, timestampMs, key, value, headers }
}
