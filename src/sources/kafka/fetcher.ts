/**
 * Reads the partitions that this member owns, each from its own position, and hands on what it reads in order.
 *
 *   ready partitions of a broker ─Fetch─▶ answer ─positions move, next Fetch leaves─▶ decode, deliver
 *
 * - At most two fetches are under way at a broker: one that waits there for records, and one beside it for partitions
 *   that became ready meanwhile (assigned, resumed) and should not wait for its end.
 * - A partition is in one fetch at a time. Paused ones are left out; what was under way still arrives.
 * - Answers are matched to the track (epoch) and its turn: what belongs to a partition that was given up, or to a
 *   position that was reset, is dropped.
 * - Leaders that moved, brokers that fell: the cluster is asked again and the fetch repeated, with backoff. An offset
 *   that the broker does not hold and damaged bytes are the caller's to decide on.
 *
 * No fetch sessions (each request is complete), no reading from followers.
 */

import { ShoalError, messageOf, unreachable as impossible } from '../../core/index.ts'
import type { Timer } from '../../core/index.ts'
import type { OwnedPartition, SourceBatch } from '../../consumer/index.ts'
import { ZERO_UUID, fetch } from '../../protocol/index.ts'
import type { FetchResponse, KafkaErrorCode } from '../../protocol/index.ts'
import { backoffMs } from './backoff.ts'
import { leaderOf } from './cluster-view.ts'
import { decodeFetched, positionAfter } from './fetched-records.ts'
import { fetchVerdict } from './fetch-verdict.ts'
import type { Channel, KafkaClient } from './kafka-client.ts'
import { partitionKey } from './member-state.ts'
import type { SourceSettings } from './options.ts'

export interface FetcherEvents {
  records(batch: SourceBatch): void
  endOfPartition(partition: OwnedPartition, offset: number): void
  /** Answers where to go on; the partition rests until then. Rejecting ends the session. */
  outOfRange(partition: OwnedPartition, offset: number): Promise<number>
  failed(error: Error): void
}

interface Track {
  readonly partition: OwnedPartition
  position: number
  isPaused: boolean
  isInFlight: boolean
  /** Not to be fetched until the cluster was looked at again, a position was found, or (it failed) its owner ends. */
  waitsFor: 'nothing' | 'cluster' | 'position' | 'the end'
  isAtEnd: boolean
  /** Changes when the position is set anew; an answer of an earlier turn is dropped. */
  turn: number
  /** Damaged answers in a row. */
  damaged: number
}

interface Planned {
  readonly track: Track
  readonly offset: number
  readonly turn: number
  readonly leaderEpoch: number
}

type PartitionAnswer = FetchResponse['responses'][number]['partitions'][number]

interface Accepted {
  readonly planned: Planned
  readonly answer: PartitionAnswer
  readonly bytes: Uint8Array
  readonly nextOffset: number
}

interface BrokerState {
  readonly busy: Set<Channel>
  failures: number
  backoff: Timer | null
}

const FETCH_CHANNELS: readonly Channel[] = ['fetch', 'fetch-beside']
const NO_BYTES = new Uint8Array(0)
/** Damaged answers in a row for one partition that end the session: damage on the way is rarer than damage on disk. */
const MAX_DAMAGED = 3

export class Fetcher {
  readonly #client: KafkaClient
  readonly #settings: SourceSettings
  readonly #events: FetcherEvents
  readonly #tracks = new Map<string, Track>()
  readonly #brokers = new Map<number, BrokerState>()
  #refreshFailures = 0
  #refresh: Timer | null = null
  #isRefreshing = false
  #isClosed = false
  /** Where the next plan begins, so that no partition always comes last. */
  #rotation = 0

  constructor(client: KafkaClient, settings: SourceSettings, events: FetcherEvents) {
    this.#client = client
    this.#settings = settings
    this.#events = events
  }

  /** Begins to read a partition; one of the same name and an older epoch is dropped. */
  add(partition: OwnedPartition, offset: number): void {
    this.#tracks.set(partitionKey(partition), {
      partition,
      position: offset,
      isPaused: false,
      isInFlight: false,
      waitsFor: 'nothing',
      isAtEnd: false,
      turn: 0,
      damaged: 0,
    })
    this.#pump()
  }

  /** Nothing of the partition's epoch is delivered any more. */
  remove(partition: OwnedPartition): void {
    if (this.#current(partition) !== undefined) this.#tracks.delete(partitionKey(partition))
  }

  pause(partition: OwnedPartition): void {
    const track = this.#current(partition)
    if (track !== undefined) track.isPaused = true
  }

  resume(partition: OwnedPartition): void {
    const track = this.#current(partition)
    if (track === undefined || !track.isPaused) return
    track.isPaused = false
    this.#pump()
  }

  close(): void {
    this.#isClosed = true
    this.#tracks.clear()
    this.#refresh?.cancel()
    for (const broker of this.#brokers.values()) broker.backoff?.cancel()
  }

  #current(partition: OwnedPartition): Track | undefined {
    const track = this.#tracks.get(partitionKey(partition))
    return track?.partition.epoch === partition.epoch ? track : undefined
  }

  /** Sends what can be sent. Called whenever something may have become ready. */
  #pump(): void {
    if (this.#isClosed) return
    const ready = new Map<number, Track[]>()
    for (const track of this.#tracks.values()) {
      if (track.isPaused || track.isInFlight || track.waitsFor !== 'nothing') continue
      const node = this.#leaderOf(track)
      if (node === null) this.#refreshSoon()
      else ready.set(node, [...(ready.get(node) ?? []), track])
    }
    for (const [node, tracks] of ready) {
      const broker = this.#broker(node)
      const channel = FETCH_CHANNELS.find((one) => !broker.busy.has(one))
      if (channel !== undefined && broker.backoff === null)
        void this.#fetch(node, broker, channel, this.#plan(tracks))
    }
  }

  #plan(tracks: readonly Track[]): readonly Planned[] {
    const first = this.#rotation++ % tracks.length
    return [...tracks.slice(first), ...tracks.slice(0, first)].map((track) => {
      track.isInFlight = true
      const { topic, partition } = track.partition
      const view = this.#client.cluster.topics.get(topic)?.partitions[partition]
      const leaderEpoch = view?.leaderEpoch ?? -1
      return { track, offset: track.position, turn: track.turn, leaderEpoch }
    })
  }

  async #fetch(
    node: number,
    broker: BrokerState,
    channel: Channel,
    plan: readonly Planned[],
  ): Promise<void> {
    broker.busy.add(channel)
    let response: FetchResponse | null = null
    try {
      ;({ response } = await this.#client.request(fetch, this.#request(plan), {
        to: { node },
        channel,
        timeoutMs: this.#client.settings.requestTimeoutMs + this.#settings.fetch.maxWaitMs,
      }))
      broker.failures = 0
    } catch (error) {
      this.#brokerFailed(broker, error)
    }
    broker.busy.delete(channel)
    for (const { track } of plan) track.isInFlight = false
    if (this.#isClosed) return
    try {
      const accepted = response === null ? [] : this.#accept(response, plan)
      // The next fetch is on its way while this answer is decoded.
      this.#pump()
      for (const one of accepted) this.#deliver(one)
    } catch (error) {
      this.#events.failed(error instanceof Error ? error : new Error(messageOf(error)))
    }
  }

  #request(plan: readonly Planned[]) {
    const { minBytes, maxWaitMs, maxBytes, maxPartitionBytes } = this.#settings.fetch
    const topics = Map.groupBy(plan, ({ track }) => track.partition.topic)
    return {
      clusterId: null,
      replicaId: -1,
      replicaState: { replicaId: -1, replicaEpoch: -1 },
      maxWaitMs,
      minBytes,
      maxBytes,
      isolationLevel: this.#settings.readCommitted ? 1 : 0,
      sessionId: 0,
      sessionEpoch: -1,
      topics: [...topics].map(([topic, planned]) => ({
        topic,
        topicId: this.#client.cluster.topics.get(topic)?.topicId ?? ZERO_UUID,
        partitions: planned.map(({ track, offset, leaderEpoch }) => ({
          partition: track.partition.partition,
          currentLeaderEpoch: leaderEpoch,
          fetchOffset: offset,
          lastFetchedEpoch: -1,
          logStartOffset: -1,
          partitionMaxBytes: maxPartitionBytes,
          replicaDirectoryId: ZERO_UUID,
        })),
      })),
      forgottenTopicsData: [],
      rackId: '',
    }
  }

  /** Moves the positions of what can be used, and settles what cannot. */
  #accept(response: FetchResponse, plan: readonly Planned[]): readonly Accepted[] {
    if (response.errorCode !== 'NONE') {
      this.#refreshSoon()
      return []
    }
    const byKey = new Map(plan.map((one) => [partitionKey(one.track.partition), one]))
    const accepted: Accepted[] = []
    for (const { topic, topicId, partitions } of response.responses) {
      const name = topic === '' ? this.#client.cluster.topicNames.get(topicId) : topic
      for (const answer of partitions) {
        const planned = byKey.get(
          partitionKey({ topic: name ?? '', partition: answer.partitionIndex }),
        )
        if (planned === undefined || !this.#isCurrent(planned)) continue
        if (answer.errorCode === 'NONE') this.#take(planned, answer, accepted)
        else this.#refused(planned, answer.errorCode)
      }
    }
    return accepted
  }

  #isCurrent({ track, turn }: Planned): boolean {
    return this.#current(track.partition) === track && track.turn === turn
  }

  #take(planned: Planned, answer: PartitionAnswer, accepted: Accepted[]): void {
    const bytes = answer.records ?? NO_BYTES
    try {
      const nextOffset = positionAfter(bytes, planned.offset)
      if (nextOffset === planned.offset && bytes.length > 0)
        throw new ShoalError('SHOAL_CORRUPT_BATCH', 'the answer holds no whole batch')
      planned.track.position = nextOffset
      this.#refreshFailures = 0
      accepted.push({ planned, answer, bytes, nextOffset })
    } catch (error) {
      this.#isDamaged(planned, error)
    }
  }

  #deliver({ planned, answer, bytes, nextOffset }: Accepted): void {
    const { track, offset } = planned
    // An earlier batch of the same answer may have made the runtime give this partition up.
    if (!this.#isCurrent(planned)) return
    const { readCommitted, fetch: limits } = this.#settings
    const endOffset = readCommitted ? answer.lastStableOffset : answer.highWatermark
    if (nextOffset > offset) {
      let fetched
      try {
        fetched = decodeFetched(bytes, {
          from: offset,
          aborted: readCommitted ? answer.abortedTransactions : null,
          maxDecompressedBytes: limits.maxDecompressedBytes,
        })
      } catch (error) {
        this.#isDamaged(planned, error)
        return
      }
      track.damaged = 0
      track.isAtEnd = false
      this.#events.records({ ...track.partition, ...fetched, nextOffset, endOffset })
    }
    if (nextOffset >= endOffset && !track.isAtEnd && this.#isCurrent(planned)) {
      track.isAtEnd = true
      this.#events.endOfPartition(track.partition, nextOffset)
    }
  }

  #refused(planned: Planned, error: KafkaErrorCode): void {
    const { track } = planned
    const verdict = fetchVerdict(error)
    switch (verdict) {
      case 'look-again':
        track.waitsFor = 'cluster'
        this.#refreshSoon()
        return
      case 'out-of-range':
        void this.#findPosition(track, planned.offset)
        return
      case 'damaged':
        this.#isDamaged(planned, new ShoalError('SHOAL_CORRUPT_BATCH', `the broker says ${error}`))
        return
      case 'stop':
        track.waitsFor = 'the end'
        this.#events.failed(
          new ShoalError(
            'SHOAL_REQUEST_FAILED',
            `reading partition ${track.partition.partition} of topic ${track.partition.topic}: the broker answered ${error}`,
            { details: { topic: track.partition.topic, error } },
          ),
        )
        return
      default:
        impossible(verdict)
    }
  }

  async #findPosition(track: Track, offset: number): Promise<void> {
    track.waitsFor = 'position'
    try {
      const position = await this.#events.outOfRange(track.partition, offset)
      track.position = position
      track.turn++
      track.waitsFor = 'nothing'
      this.#pump()
    } catch (error) {
      if (this.#current(track.partition) === track)
        this.#events.failed(error instanceof Error ? error : new Error(messageOf(error)))
    }
  }

  /** Fetches the same bytes again, a few times. */
  #isDamaged(planned: Planned, error: unknown): void {
    const { track, offset } = planned
    const { topic, partition } = track.partition
    track.damaged++
    if (track.damaged >= MAX_DAMAGED) {
      track.waitsFor = 'the end'
      const reason = `partition ${partition} of topic ${topic} cannot be read from offset ${offset} on: ${messageOf(error)}`
      const code = error instanceof ShoalError ? error.code : 'SHOAL_CORRUPT_BATCH'
      this.#events.failed(
        new ShoalError(code, reason, { cause: error, details: { topic, partition, offset } }),
      )
      return
    }
    track.position = offset
    track.turn++
    track.waitsFor = 'cluster'
    this.#refreshSoon()
  }

  #brokerFailed(broker: BrokerState, error: unknown): void {
    if (this.#isClosed) return
    this.#client.ports.logger.log('debug', 'a fetch failed', { reason: messageOf(error) })
    broker.failures++
    broker.backoff ??= this.#after(broker.failures, () => {
      broker.backoff = null
      this.#pump()
    })
    this.#refreshSoon()
  }

  /** Looks at the cluster again, at most once at a time, and then goes on with everything that rested for it. */
  #refreshSoon(): void {
    if (this.#refresh !== null || this.#isRefreshing || this.#isClosed) return
    this.#refreshFailures++
    this.#refresh = this.#after(this.#refreshFailures, () => {
      this.#refresh = null
      void this.#lookAgain()
    })
  }

  async #lookAgain(): Promise<void> {
    const topics = new Set([...this.#tracks.values()].map(({ partition }) => partition.topic))
    this.#isRefreshing = true
    try {
      await this.#client.refresh([...topics])
    } catch (error) {
      this.#client.ports.logger.log('debug', 'the cluster was not reached', {
        reason: messageOf(error),
      })
    }
    this.#isRefreshing = false
    for (const track of this.#tracks.values())
      if (track.waitsFor === 'cluster') track.waitsFor = 'nothing'
    this.#pump()
  }

  #after(failures: number, fire: () => void): Timer {
    const { timers, random } = this.#client.ports
    const { reconnectBackoffMs, reconnectBackoffMaxMs } = this.#client.settings
    const limits = { firstMs: reconnectBackoffMs, longestMs: reconnectBackoffMaxMs }
    return timers.schedule(backoffMs(failures, limits, random), fire)
  }

  #leaderOf(track: Track): number | null {
    const { topic, partition } = track.partition
    const node = leaderOf(this.#client.cluster, topic, partition)
    return node !== null && this.#client.cluster.brokers.has(node) ? node : null
  }

  #broker(node: number): BrokerState {
    const known = this.#brokers.get(node)
    if (known !== undefined) return known
    const broker: BrokerState = { busy: new Set(), failures: 0, backoff: null }
    this.#brokers.set(node, broker)
    return broker
  }
}
