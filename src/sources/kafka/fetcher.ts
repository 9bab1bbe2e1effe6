/**
 * Reads the partitions that this member owns, each from its own position, and hands on what it reads in order.
 *
 *   ready partitions of a broker ─Fetch─▶ answer ─positions move, next Fetch leaves─▶ decode, deliver
 *
 * - At most two fetches wait at a broker for records: one, and one beside it for partitions that became ready meanwhile
 *   (assigned, resumed). A third is for partitions that are behind: theirs is answered at once, so it never has to wait
 *   for the end of the others.
 * - A partition is in one fetch at a time. Paused ones are left out; what was under way waits here, undecoded.
 * - A large answer is handed over in pieces, so that what unpacks to more than there is room for waits packed.
 * - Answers are matched to the track (epoch) and its turn: what belongs to a partition that was given up, or to a
 *   position that was reset, is dropped.
 * - A leader may name a nearer replica (KIP-392): it is read from until it fails, is gone or `metadataMaxAgeMs` is over.
 *   A topic that was deleted and made anew is not read on: its owner decides.
 * - Leaders that moved, brokers that fell: the cluster is asked again and the fetch repeated, with backoff. Damaged
 *   bytes are fetched again, a few times. Where to go on when the log does not hold the position, or not the records
 *   that were read before it (a truncation, known by its leader epochs), is the caller's to decide.
 *
 * No fetch sessions (each request is complete).
 */

import { ShoalError, messageOf, unreachable as impossible } from '../../core/index.ts'
import type { Timer } from '../../core/index.ts'
import type { OwnedPartition, SourceBatch } from '../../consumer/index.ts'
import { fetch } from '../../protocol/index.ts'
import type { FetchResponse, KafkaErrorCode } from '../../protocol/index.ts'
import { backoffMs } from '../backoff.ts'
import { EpochTrail } from './epoch-trail.ts'
import { FetchRestraint } from './fetch-restraint.ts'
import {
  bytesWaiting,
  fetchRequest,
  isBehind,
  isReady,
  isRemade,
  newTrack,
  nodeToRead,
} from './fetch-track.ts'
import type { Arrived, Planned, ReadLog, Track } from './fetch-track.ts'
import { FetchedAnswer, positionAfter } from './fetched-records.ts'
import { fetchVerdict, unreadableFor } from './fetch-verdict.ts'
import type { Channel, KafkaClient } from './kafka-client.ts'
import { partitionKey } from './topic-partition.ts'
import type { SourceSettings } from './options.ts'

export interface FetcherEvents {
  records(batch: SourceBatch): void
  endOfPartition(partition: OwnedPartition, offset: number): void
  /** Answers where to go on; the partition rests until then. Rejecting ends the session. */
  outOfRange(partition: OwnedPartition, offset: number, leaderEpoch: number): Promise<number>
  /** Nothing is read of the topic until its partitions are added anew. */
  remade(topic: string): void
  failed(error: Error): void
}

type PartitionAnswer = FetchResponse['responses'][number]['partitions'][number]

interface BrokerState {
  readonly busy: Set<Channel>
  readonly restraint: FetchRestraint
  failures: number
  backoff: Timer | null
}

/** What one partition may still hand over before others have their turn. */
interface Turn {
  records: number
  bytes: number
}

/** Records of one partition in one go, about: a turn of the event loop is not to take long. */
const TURN_RECORDS = 2_000
/** How long leaders are not asked for nearer replicas after one failed: it may still be the one that they name. */
const REPLICA_REST_MS = 10_000

/** For partitions that may have nothing new, and for those that have. */
const WAITING_CHANNELS: readonly Channel[] = ['fetch', 'fetch-beside']
const ALL_CHANNELS: readonly Channel[] = [...WAITING_CHANNELS, 'fetch-behind']
const NO_BYTES = new Uint8Array(0)

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
  #leadersOnlyUntilMs = Number.NEGATIVE_INFINITY
  /** Where the next plan begins, so that no partition always comes last. */
  #rotation = 0

  constructor(client: KafkaClient, settings: SourceSettings, events: FetcherEvents) {
    this.#client = client
    this.#settings = settings
    this.#events = events
  }

  /**
   * Begins to read a partition; one of the same name and an older epoch is dropped. `log.trail` knows, and learns, under
   * which leaders its records were written.
   */
  add(partition: OwnedPartition, offset: number, log: ReadLog = newLog()): void {
    this.#tracks.set(partitionKey(partition), newTrack(partition, offset, log))
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
    if (track.arrived.length > 0) this.#continue(track)
    this.#pump()
  }

  close(): void {
    this.#isClosed = true
    this.#tracks.clear()
    this.#refresh?.cancel()
    for (const { backoff, restraint } of this.#brokers.values()) {
      backoff?.cancel()
      restraint.close()
    }
  }

  #current(partition: OwnedPartition): Track | undefined {
    const track = this.#tracks.get(partitionKey(partition))
    return track?.partition.epoch === partition.epoch ? track : undefined
  }

  /** Sends what can be sent. Called whenever something may have become ready. */
  #pump(): void {
    if (this.#isClosed) return
    const ready = new Map<number, Track[]>()
    const remade = new Set<string>()
    const { cluster, ports } = this.#client
    let waitingBytes = 0
    for (const track of this.#tracks.values()) {
      waitingBytes += bytesWaiting(track)
      if (!isReady(track)) continue
      const node = nodeToRead(track, cluster, ports.clock.monotonicMs())
      if (isRemade(track, cluster)) {
        track.waitsFor = 'the end'
        remade.add(track.partition.topic)
      } else if (node === null) this.#refreshSoon()
      else ready.set(node, [...(ready.get(node) ?? []), track])
    }
    for (const [node, readyTracks] of ready) {
      const broker = this.#broker(node)
      const tracks = broker.restraint.choose(readyTracks, waitingBytes)
      if (tracks.length === 0) continue
      const channels = tracks.some(isBehind) ? ALL_CHANNELS : WAITING_CHANNELS
      const channel = channels.find((one) => !broker.busy.has(one))
      if (channel !== undefined && broker.backoff === null)
        void this.#fetch(node, broker, channel, this.#plan(tracks))
    }
    for (const topic of remade) this.#events.remade(topic)
  }

  #plan(tracks: readonly Track[]): readonly Planned[] {
    const first = this.#rotation++ % tracks.length
    return [...tracks.slice(first), ...tracks.slice(0, first)].map((track) => {
      track.isInFlight = true
      return { track, offset: track.position, turn: track.turn }
    })
  }

  async #fetch(
    node: number,
    broker: BrokerState,
    channel: Channel,
    plan: readonly Planned[],
  ): Promise<void> {
    broker.busy.add(channel)
    const expectedBytes = broker.restraint.asked(plan.map(({ track }) => track))
    let response: FetchResponse | null = null
    try {
      const request = fetchRequest(plan, this.#settings, this.#client.cluster, this.#rackId)
      ;({ response } = await this.#client.request(fetch, request, {
        to: { node },
        channel,
        timeoutMs: this.#client.settings.requestTimeoutMs + this.#settings.fetch.maxWaitMs,
      }))
      broker.failures = 0
    } catch (error) {
      this.#brokerFailed(broker, error)
      for (const { track } of plan) this.#leaveReplica(track)
    }
    broker.busy.delete(channel)
    broker.restraint.answered(expectedBytes)
    for (const { track } of plan) track.isInFlight = false
    if (this.#isClosed) return
    this.#guard(() => {
      const tracks = response === null ? [] : this.#accept(response, plan)
      // The next fetch is on its way while this answer is decoded.
      this.#pump()
      for (const track of tracks) this.#deliver(track)
      // Unless too much waited: now less does.
      this.#pump()
    })
  }

  /** Moves the positions of what can be used, and settles what cannot. */
  #accept(response: FetchResponse, plan: readonly Planned[]): readonly Track[] {
    if (response.errorCode !== 'NONE') {
      this.#refreshSoon()
      return []
    }
    const byKey = new Map(plan.map((one) => [partitionKey(one.track.partition), one]))
    const accepted: Track[] = []
    for (const { topic, topicId, partitions } of response.responses) {
      const name = topic === '' ? this.#client.cluster.topicNames.get(topicId) : topic
      for (const answer of partitions) {
        const planned = byKey.get(
          partitionKey({ topic: name ?? '', partition: answer.partitionIndex }),
        )
        if (planned === undefined || !this.#isCurrent(planned)) continue
        if (answer.errorCode !== 'NONE') this.#refused(planned, answer.errorCode)
        else if (answer.preferredReadReplica >= 0) this.#follow(planned.track, answer)
        // The log has other records there than those that were read.
        else if (answer.divergingEpoch.endOffset >= 0) this.#hasDiverged(planned)
        else if (this.#take(planned, answer)) accepted.push(planned.track)
      }
    }
    return accepted
  }

  #isCurrent({ track, turn }: Planned): boolean {
    return this.#current(track.partition) === track && track.turn === turn
  }

  /** Moves the position, and keeps the answer for `deliver`. */
  #take({ track, offset }: Planned, answer: PartitionAnswer): boolean {
    const bytes = answer.records ?? NO_BYTES
    const { readCommitted, fetch: limits } = this.#settings
    try {
      const nextOffset = positionAfter(bytes, offset, track.trail)
      if (nextOffset === offset && bytes.length > 0)
        throw new ShoalError('SHOAL_CORRUPT_BATCH', 'the answer holds no whole batch')
      const endOffset = readCommitted ? answer.lastStableOffset : answer.highWatermark
      track.position = nextOffset
      track.endOffset = endOffset
      this.#refreshFailures = 0
      track.arrived.push({
        answer: new FetchedAnswer(bytes, nextOffset, {
          from: offset,
          aborted: readCommitted ? answer.abortedTransactions : null,
          maxDecompressedBytes: limits.maxDecompressedBytes,
          pieceBytes: limits.maxBytes,
        }),
        endOffset,
      })
      return true
    } catch (error) {
      this.#isDamaged(track, offset, error)
      return false
    }
  }

  /** Hands over what has arrived. After some pieces others have their turn, and the runtime a chance to pause. */
  #deliver(track: Track): void {
    if (track.isContinuing) return
    const turn = { records: TURN_RECORDS, bytes: this.#settings.fetch.maxBytes }
    // An earlier batch may have made the runtime give this partition up.
    while (!track.isPaused && !track.isContinuing && this.#current(track.partition) === track) {
      const [arrived] = track.arrived
      if (arrived === undefined) return
      if (!this.#deliverPiece(track, arrived, turn)) return
    }
  }

  /** @param turn what is left of this turn. False: nothing more in it. */
  #deliverPiece(track: Track, { answer, endOffset }: Arrived, turn: Turn): boolean {
    if (!answer.isRead) {
      let piece
      try {
        piece = answer.read()
      } catch (error) {
        this.#isDamaged(track, answer.offset, error)
        return false
      }
      track.damaged = 0
      track.isAtEnd = false
      turn.records -= piece.records.length
      turn.bytes -= piece.byteLength
      if (!answer.isRead && (turn.records <= 0 || turn.bytes <= 0)) this.#continue(track)
      this.#events.records({ ...track.partition, ...piece, endOffset })
      if (this.#current(track.partition) !== track) return false
      if (!answer.isRead) return true
    }
    track.arrived.shift()
    if (answer.nextOffset >= endOffset && !track.isAtEnd) {
      track.isAtEnd = true
      this.#events.endOfPartition(track.partition, answer.nextOffset)
    }
    return true
  }

  /** Goes on with what has arrived once others had their turn. */
  #continue(track: Track): void {
    if (track.isContinuing) return
    track.isContinuing = true
    this.#client.ports.timers.soon(() => {
      track.isContinuing = false
      this.#guard(() => {
        this.#deliver(track)
        this.#pump()
      })
    })
  }

  /** The leader knows a nearer replica, and sent nothing. */
  #follow(track: Track, { preferredReadReplica }: PartitionAnswer): void {
    const { clock } = this.#client.ports
    const untilMs = clock.monotonicMs() + this.#client.settings.metadataMaxAgeMs
    track.replica = { node: preferredReadReplica, untilMs }
    if (nodeToRead(track, this.#client.cluster, clock.monotonicMs()) === preferredReadReplica)
      return
    this.#leaveReplica(track)
    this.#refreshSoon()
  }

  #hasDiverged(planned: Planned): void {
    if (!this.#leaveReplica(planned.track)) void this.#findPosition(planned)
  }

  /** Back to the leader. */
  #leaveReplica(track: Track): boolean {
    if (track.replica === null) return false
    track.replica = null
    this.#leadersOnlyUntilMs = this.#client.ports.clock.monotonicMs() + REPLICA_REST_MS
    return true
  }

  get #rackId(): string {
    const isResting = this.#client.ports.clock.monotonicMs() < this.#leadersOnlyUntilMs
    return isResting ? '' : (this.#settings.clientRack ?? '')
  }

  #refused(planned: Planned, error: KafkaErrorCode): void {
    const { track } = planned
    // A follower may lag behind, or not know yet what the leader knows: the leader's word counts.
    if (this.#leaveReplica(track)) return
    const verdict = fetchVerdict(error)
    switch (verdict) {
      case 'look-again':
        track.waitsFor = 'cluster'
        this.#refreshSoon()
        return
      case 'out-of-range':
        void this.#findPosition(planned)
        return
      case 'damaged':
        this.#isDamaged(
          track,
          planned.offset,
          new ShoalError('SHOAL_CORRUPT_BATCH', `the broker says ${error}`),
        )
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

  /** The broker does not hold the position, or not what was read before it. */
  async #findPosition({ track, offset }: Planned): Promise<void> {
    track.waitsFor = 'position'
    try {
      const leaderEpoch = track.trail.before(offset)
      const position = await this.#events.outOfRange(track.partition, offset, leaderEpoch)
      // The broker was asked about these epochs and knows nothing that speaks against the position.
      track.trail.cutAt(Number.NEGATIVE_INFINITY)
      this.#goBack(track, position)
      track.waitsFor = 'nothing'
      this.#pump()
    } catch (error) {
      if (this.#current(track.partition) !== track) return
      track.waitsFor = 'the end'
      this.#events.failed(error instanceof Error ? error : new Error(messageOf(error)))
    }
  }

  /** Fetches the same bytes again, a few times. */
  #isDamaged(track: Track, offset: number, error: unknown): void {
    track.damaged++
    this.#goBack(track, offset)
    const unreadable = unreadableFor(track, offset, error)
    track.waitsFor = unreadable === null ? 'cluster' : 'the end'
    if (unreadable === null) this.#refreshSoon()
    else this.#events.failed(unreadable)
  }

  /** Sets the position anew; what was fetched beyond it is dropped. */
  #goBack(track: Track, position: number): void {
    track.position = position
    track.arrived.splice(
      0,
      Infinity,
      ...track.arrived.filter(({ answer }) => answer.nextOffset <= position),
    )
    track.trail.cutAt(position)
    track.turn++
  }

  /** What must not happen ends the session, not the process. */
  #guard(steps: () => void): void {
    try {
      steps()
    } catch (error) {
      this.#events.failed(error instanceof Error ? error : new Error(messageOf(error)))
    }
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

  #broker(node: number): BrokerState {
    const known = this.#brokers.get(node)
    if (known !== undefined) return known
    const restraint = new FetchRestraint(this.#settings.fetch, this.#client.ports.timers, () =>
      this.#pump(),
    )
    const broker: BrokerState = { busy: new Set(), restraint, failures: 0, backoff: null }
    this.#brokers.set(node, broker)
    return broker
  }
}

function newLog(): ReadLog {
  return { topicId: null, trail: new EpochTrail() }
}
