/**
 * Keeps the parked lanes of one partition: loads them, moves records there, runs what is due, and writes down how it ended.
 *
 *   assigned ─▶ loading: fence written, log read until the fence ─▶ open ─▶ closed (revoked, lost, stopped)
 *   lane       parked ── due ──▶ head read from the log ──▶ runs ──▶ done written ──▶ next head, or the lane is free
 *                ▲                                            └ failed: attempt and due time written ┘
 *
 * While it loads, no record of the partition starts. Records of a parked lane are appended behind what is parked there and
 * then count as done, once the append was read back: nothing of the lane moves before. Where another fence turns up
 * behind ours, somebody else takes the partition for his: we begin anew, if our heartbeats say that it is ours.
 * Who may begin what is decided in `parked-lanes.ts`; payloads stay in the log and are read when their turn comes.
 */

import { ShoalError, messageOf } from '../../core/index.ts'
import type { Clock, Logger, Random, Timers } from '../../core/index.ts'
import { Alarm } from '../dispatch/alarm.ts'
import { DelayQueue } from '../dispatch/delay-queue.ts'
import type { Delayed } from '../dispatch/delay-queue.ts'
import { backoffMs } from '../failure/decide.ts'
import type { OutgoingRecord, SourceSession } from '../source.ts'
import { telemetry } from '../telemetry.ts'
import { WorkItem } from '../work.ts'
import type { Letter, PartitionWork } from '../work.ts'
import { ParkedLanes } from './parked-lanes.ts'
import type { ParkedEntry, ParkedHead } from './parked-lanes.ts'
import { entryRecord, laneName, messageRecord, readEntry, unparked } from './parked-record.ts'
import type { Place } from './parked-record.ts'

export interface ParkingSettings {
  /** Where the records of a topic are parked, in the partition of the same number. */
  topic(from: string): string
  /** `key`: a lane holds what comes after. `record`: each record is for itself, and order is lost. */
  readonly keeps: 'key' | 'record'
  /** Parked records of one partition from which its intake pauses. */
  readonly maxRecords: number
  /** Parked records of one partition that run at once. */
  readonly concurrency: number
}

export interface ParkingHost {
  readonly group: string
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly logger: Logger
  readonly session: SourceSession | null
  /** These may start now. */
  ready(items: readonly WorkItem[]): void
  /** What is parked has grown or shrunk. */
  parkedChanged(work: PartitionWork): void
  broken(error: unknown): void
}

const READ_RECORDS = 500
const RETRY = { kind: 'exponential', base: 50, max: 5_000, jitter: 'equal' } as const

/** Whose an entry is, and which one of his. */
type Stamp = Pick<Extract<ParkedEntry, { kind: 'done' }>, 'by' | 'sequence'>

type Unstamped =
  | Omit<Extract<ParkedEntry, { kind: 'done' }>, keyof Stamp>
  | Omit<Extract<ParkedEntry, { kind: 'attempt' }>, keyof Stamp>

class LaneTimer implements Delayed {
  readonly lane: string
  dueMs = 0
  dueOrder = 0

  constructor(lane: string) {
    this.lane = lane
  }
}

export class Parking {
  readonly #settings: ParkingSettings
  readonly #host: ParkingHost
  readonly #work: PartitionWork
  readonly #place: Place
  readonly #lanes = new ParkedLanes()
  #state: 'new' | 'loading' | 'open' | 'closed' = 'new'
  readonly #from: number
  #loaded = false
  /** Where to read on in the parked topic. */
  #cursor: number
  #held: WorkItem[] = []
  /** Appends of ours that have not been read back, by their id: who waits for each. */
  readonly #unseen = new Map<string, (counts: boolean) => void>()
  /** Those of them that were answered: the log has them. */
  readonly #answered = new Set<string>()
  #following = false
  #sequence = 0
  readonly #nonce: string
  /** What our fence, and all that counts because of it, carries. */
  #by = 0
  readonly #due = new DelayQueue<LaneTimer>()
  /** Lanes whose head is in the delay queue, or runs, or has ended and is being written down. */
  readonly #busy = new Set<string>()
  #running = 0
  readonly #alarm: Alarm

  constructor(settings: ParkingSettings, host: ParkingHost, work: PartitionWork, from: number) {
    this.#settings = settings
    this.#host = host
    this.#work = work
    this.#from = from
    this.#cursor = from
    this.#place = { topic: settings.topic(work.topic), partition: work.partition }
    this.#nonce = Math.floor(host.random.next() * 2 ** 48).toString(36)
    this.#alarm = new Alarm(host.clock, host.timers, () => this.#runDue())
  }

  get size(): number {
    return this.#lanes.size
  }

  get laneCount(): number {
    return this.#lanes.laneCount
  }

  get fill(): number {
    return this.#lanes.size / this.#settings.maxRecords
  }

  /** Where the next owner may begin to read. */
  get lowest(): number {
    return this.#loaded ? this.#lanes.lowest() : this.#from
  }

  /** Call it once there is a session. */
  begin(): void {
    if (this.#state !== 'new') return
    this.#state = 'loading'
    this.#load().catch((error: unknown) => this.#host.broken(error))
  }

  close(): void {
    this.#state = 'closed'
    this.#held = []
    for (const seen of this.#unseen.values()) seen(false)
    this.#unseen.clear()
    this.#alarm.cancel()
  }

  /** What is to be done with a record of the source. `hold`: it is kept here and comes back by `ready`. */
  admission(item: WorkItem): 'run' | 'hold' | 'divert' | 'kept' {
    if (this.#state === 'closed') return 'run'
    if (this.#state !== 'open') {
      this.#held.push(item)
      return 'hold'
    }
    if (this.#settings.keeps === 'record') return 'run'
    const lane = laneName(item.laneKey)
    return this.#lanes.admission(lane, item.record.offset)
  }

  /** Resolves when the log has the record: it may be committed past. Rejects when that is not known. */
  async append(item: WorkItem, letter: Letter): Promise<void> {
    const { record } = item
    const lane = this.#laneOf(item)
    const dueMs = Math.floor(this.#host.clock.wallMs() + letter.afterMs)
    const origin = record.offset
    const counts = await this.#appended((id, stamp) => {
      const entry = { kind: 'message', ...stamp, lane, origin, attempts: 0, dueMs } as const
      return this.#produce(messageRecord(this.#place, id, entry, record, item.firstFailureMs))
    })
    if (!counts)
      throw new ShoalError(
        'SHOAL_REQUEST_FAILED',
        `${this.#place.topic}: an append came out of turn`,
      )
    this.#tell('parked', item)
  }

  /** A parked record is done, however: the lane goes on. */
  finished(item: WorkItem): void {
    const { lane, origin } = placeOf(item)
    this.#tell('recovered', item)
    this.#writeDown(item, { kind: 'done', lane, origin })
  }

  /** A parked record failed and gets another attempt. */
  failed(item: WorkItem, afterMs: number): void {
    const { lane, origin } = placeOf(item)
    const dueMs = Math.floor(this.#host.clock.wallMs() + afterMs)
    this.#writeDown(item, {
      kind: 'attempt',
      lane,
      origin,
      attempts: item.attempts,
      dueMs,
    })
  }

  // --- the log ---

  async #load(): Promise<void> {
    let counts = false
    while (!counts && this.#state === 'loading') {
      for (let before = -1; before < this.#cursor && !this.#isClosed();) {
        before = this.#cursor
        await this.#untilDone(() => this.#readOn())
      }
      this.#by = (this.#lanes.owner ?? -1) + 1
      const fence = { kind: 'fence', by: this.#by } as const
      counts = await this.#appended((id) =>
        this.#untilDone(() => this.#produce(entryRecord(this.#place, id, fence, null))),
      )
      // Another one may lie between ours and the end.
      counts &&= this.#lanes.owner === this.#by
    }
    if (this.#state !== 'loading') return
    this.#state = 'open'
    this.#loaded = true
    this.#forget()
    const held = this.#held
    this.#held = []
    this.#host.ready(held)
    for (const head of this.#lanes.heads()) this.#schedule(head)
  }

  /** Another fence lies behind ours. */
  async #loadAgain(): Promise<void> {
    this.#host.logger.log('warn', 'the parked topic has another owner, too', this.#facts())
    this.#state = 'loading'
    for (let looks = 1; this.#host.session?.ownershipIsFresh() === false; looks++) {
      if (this.#isClosed()) return
      await this.#pause(looks)
    }
    await this.#load()
  }

  /** Appends, and waits until it was read back; false: it does not count, or the partition is gone. */
  async #appended(append: (id: string, stamp: Stamp) => Promise<void>): Promise<boolean> {
    const stamp = { by: this.#by, sequence: this.#sequence++ }
    const id = `${this.#nonce}-${stamp.sequence}`
    // Whoever reads may meet it before its answer is here.
    const counts = new Promise<boolean>((resolve) => {
      this.#unseen.set(id, resolve)
    })
    try {
      await append(id, stamp)
    } catch (error) {
      this.#unseen.delete(id)
      throw error
    }
    if (this.#state === 'closed') return false
    if (this.#unseen.has(id)) {
      this.#answered.add(id)
      this.#follow()
    }
    return counts
  }

  /** Reads the log on, unless that is under way. */
  #follow(): void {
    if (this.#following) return
    this.#following = true
    this.#readAll()
      .finally(() => {
        this.#following = false
      })
      .catch((error: unknown) => this.#host.broken(error))
  }

  /** Until everything that we appended has been seen. */
  async #readAll(): Promise<void> {
    for (let idle = 0; this.#answered.size > 0 && this.#state !== 'closed';) {
      const before = this.#cursor
      await this.#untilDone(() => this.#readOn())
      this.#host.parkedChanged(this.#work)
      // An acknowledged record may be visible a moment later.
      idle = this.#cursor > before ? 0 : idle + 1
      if (idle > 0) await this.#pause(idle)
    }
  }

  async #readOn(): Promise<void> {
    const { topic, partition } = this.#place
    const slice = await this.#read(topic, partition, this.#cursor, READ_RECORDS)
    if (this.#state === 'closed') return
    for (const record of slice.records) {
      if (record.offset < this.#cursor) continue
      const read = readEntry(record)
      if (read === null) this.#notice(record.offset)
      else this.#replay(record.offset, read.id, read.entry)
    }
    this.#cursor = Math.max(this.#cursor, slice.nextOffset)
  }

  #replay(offset: number, id: string, entry: ParkedEntry): void {
    const counts = this.#lanes.replay(offset, entry)
    const seen = this.#unseen.get(id)
    this.#unseen.delete(id)
    this.#answered.delete(id)
    seen?.(counts)
    if (entry.kind === 'fence') {
      if (counts && this.#state === 'open')
        this.#loadAgain().catch((error: unknown) => this.#host.broken(error))
      return
    }
    if (this.#state !== 'open' || !counts) return
    if (entry.kind !== 'message' && seen !== undefined) this.#busy.delete(entry.lane)
    const head = this.#lanes.head(entry.lane)
    if (head !== null) this.#schedule(head)
  }

  // --- what is due ---

  #schedule(head: ParkedHead): void {
    if (this.#busy.has(head.lane)) return
    this.#busy.add(head.lane)
    const { clock } = this.#host
    const afterMs = Math.max(0, head.dueMs - clock.wallMs())
    this.#due.push(new LaneTimer(head.lane), clock.monotonicMs() + afterMs)
    this.#alarm.by(this.#due.nextDueMs ?? Number.POSITIVE_INFINITY)
  }

  #runDue(): void {
    if (this.#state !== 'open' || this.#work.state !== 'open') return
    const nowMs = this.#host.clock.monotonicMs()
    while (this.#running < this.#settings.concurrency) {
      const timer = this.#due.shift(nowMs)
      if (timer === null) break
      this.#running++
      this.#run(timer.lane).catch((error: unknown) => this.#host.broken(error))
    }
    if (this.#running < this.#settings.concurrency)
      this.#alarm.by(this.#due.nextDueMs ?? Number.POSITIVE_INFINITY)
  }

  async #run(lane: string): Promise<void> {
    const head = this.#lanes.head(lane)
    if (head === null) return this.#idle(lane)
    const { topic, partition } = this.#place
    let found: ReturnType<typeof unparked> = null
    await this.#untilDone(async () => {
      const { records } = await this.#read(topic, partition, head.offset, 1)
      const record = records.find(({ offset }) => offset === head.offset)
      found = record === undefined ? null : unparked(record)
    })
    if (this.#state !== 'open' || this.#work.state !== 'open') return this.#idle(lane)
    const item = this.#itemOf(head, found)
    if (item === null) {
      this.#host.logger.log('error', 'a parked record is gone from its topic', {
        ...this.#facts(),
        offset: head.offset,
        origin: head.origin,
      })
      this.#running--
      return this.#write({ kind: 'done', lane, origin: head.origin }, null)
    }
    this.#host.ready([item])
  }

  #itemOf(head: ParkedHead, found: ReturnType<typeof unparked>): WorkItem | null {
    if (found === null) return null
    const item = new WorkItem(found.record, this.#work, { byteLength: 0, remaining: 0 }, -1)
    item.parked = head
    item.attempts = head.attempts
    item.firstFailureMs = found.firstFailureMs
    return item
  }

  #idle(lane: string): void {
    this.#running--
    this.#busy.delete(lane)
  }

  /** The slot is free at once; the partition waits until it is written. */
  #writeDown(item: WorkItem, entry: Unstamped): void {
    this.#running--
    this.#work.active++
    this.#write(entry, item.record.key)
      .catch((error: unknown) => this.#host.broken(error))
      .finally(() => {
        this.#work.ended()
        this.#runDue()
      })
  }

  async #write(entry: Unstamped, key: Uint8Array | null): Promise<void> {
    let counts = false
    do {
      counts = await this.#appended((id, stamp) => {
        const record = entryRecord(this.#place, id, { ...entry, ...stamp }, key)
        return this.#untilDone(() => this.#produce(record))
      })
      // Out of turn, it is written again. Behind somebody else's fence, its lane is taken up again after ours.
    } while (!counts && this.#state === 'open')
    if (!counts) this.#busy.delete(entry.lane)
  }

  // --- small things ---

  /** Tries again and again, until it is done or nobody needs it any more. */
  async #untilDone(act: () => Promise<void>): Promise<void> {
    for (let failures = 1; this.#state !== 'closed'; failures++) {
      try {
        return await act()
      } catch (error) {
        this.#host.logger.log('warn', 'the parked topic did not answer', {
          ...this.#facts(),
          error: messageOf(error),
          failures,
        })
      }
      await this.#pause(failures)
    }
  }

  #pause(failures: number): Promise<void> {
    const delayMs = backoffMs(RETRY, failures, undefined, this.#host.random.next())
    return new Promise((resolve) => {
      this.#host.timers.schedule(delayMs, resolve)
    })
  }

  async #produce(record: OutgoingRecord): Promise<void> {
    await this.#host.session?.produce(record)
  }

  /** What is done lies in the log for ever, where the log does not end by itself. */
  #forget(): void {
    this.#host.session
      ?.forget?.({ ...this.#place, offset: this.#lanes.lowest() })
      .catch((error: unknown) => {
        const facts = { ...this.#facts(), error: messageOf(error) }
        this.#host.logger.log('warn', 'the parked topic could not be trimmed', facts)
      })
  }

  async #read(topic: string, partition: number, from: number, maxRecords: number) {
    const empty = { records: [], nextOffset: from }
    return (
      (await this.#host.session?.read?.({ topic, partition, offset: from, maxRecords })) ?? empty
    )
  }

  #laneOf({ laneKey, record }: WorkItem): string {
    return this.#settings.keeps === 'key' ? laneName(laneKey) : `o${record.offset}`
  }

  /** To ask after a wait, where what was known of the state before is no longer true. */
  #isClosed(): boolean {
    return this.#state === 'closed'
  }

  #notice(offset: number): void {
    const facts = { ...this.#facts(), offset }
    this.#host.logger.log('warn', 'a record of the parked topic is none of ours', facts)
  }

  #facts(): Record<string, unknown> {
    return { group: this.#host.group, partition: this.#work.id, topic: this.#place.topic }
  }

  #tell(kind: 'parked' | 'recovered', { record, partition }: WorkItem): void {
    if (!telemetry.park.hasSubscribers) return
    const { topic } = this.#place
    const id = `${partition.id}/${record.offset}`
    telemetry.park.publish({ group: this.#host.group, kind, id, topic })
  }
}

function placeOf({ parked, record }: WorkItem): { readonly lane: string; readonly origin: number } {
  return parked ?? { lane: '', origin: record.offset }
}
