/**
 * A share-partition beside a naive one that knows every offset for itself, whatever members, time, retention and crashes do.
 * What members were told is kept apart from both: a ledger of answers, in which the promises are checked.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { Accept, Gap, Reject, Release, Renew, ShareSim } from './fixture.test.ts'
import { dueDeadLetters, nextFetchOffset, type ShareConfig } from './index.ts'
import { segments } from './holds.ts'

const LOG_END = 40

interface Entry {
  state: 'available' | 'archiving' | 'acknowledged' | 'archived'
  count: number
  member: string | null
  /** Of the lock, or of the delay if there is no member; null when neither holds. */
  untilMs: number | null
}

/** Offset by offset, the slow way. Index is the offset; what lies at or after the length was never delivered. */
class Model {
  entries: Entry[] = []
  logStart = 0
  readonly #config: ShareConfig

  constructor(config: ShareConfig) {
    this.#config = config
  }

  get start(): number {
    const open = this.entries.findIndex((_, offset) => this.#isOpen(offset))
    return open < 0 ? this.entries.length : open
  }

  #isOpen(offset: number): boolean {
    const state = this.entries[offset]?.state
    return state === 'available' || state === 'archiving'
  }

  tick(nowMs: number): void {
    for (const entry of this.entries)
      if (entry.untilMs !== null && entry.untilMs <= nowMs)
        if (entry.member === null) entry.untilMs = null
        else this.giveBack(entry, null)
  }

  giveBack(entry: Entry, untilMs: number | null): void {
    const isLast = entry.count >= this.#config.deliveryCountLimit
    Object.assign(entry, { member: null, untilMs: isLast ? null : untilMs })
    if (isLast) this.giveUp(entry)
  }

  giveUp(entry: Entry): void {
    const state = this.#config.hasDeadLetters ? 'archiving' : 'archived'
    Object.assign(entry, { state, member: null, untilMs: null })
  }

  acquire(step: AcquireStep, read: Read, nowMs: number): Got[] {
    this.tick(nowMs)
    const got: Got[] = []
    const { deliveryCountLimit, partitionMaxRecordLocks, recordLockDurationMs } = this.#config
    const isStrict = step.mode === 'record-limit'
    let next = Math.max(read.from, this.start)
    if (next > this.entries.length) return got
    for (const { first, last } of read.batches) {
      if (last < next) continue
      if (got.length >= step.max) return got
      for (; next < first; next++) this.#missing(next)
      let isBegun = false
      for (; next <= last; next++) {
        const known = this.entries[next]
        if (known !== undefined && (known.state !== 'available' || known.untilMs !== null)) continue
        if (known !== undefined && known.count >= deliveryCountLimit) {
          this.giveUp(known)
          continue
        }
        const portion = known === undefined ? null : this.#portion(next, last, known)
        if (portion !== null && got.length > 0) return got
        // New offsets of a batch that was begun are taken whole, unless the limit is strict.
        const isBounded = known === undefined && (isStrict || !isBegun)
        if (isBounded && this.entries.length - this.start >= partitionMaxRecordLocks) return got
        if (isStrict && got.length >= step.max) return got
        isBegun ||= known === undefined
        const count = (known?.count ?? 0) + 1
        const untilMs = nowMs + recordLockDurationMs
        this.entries[next] = { state: 'available', count, member: step.member, untilMs }
        got.push({ offset: next, count })
        if (portion !== null) return this.#moreAlike(got, portion, step, untilMs)
      }
    }
    for (; next < read.to; next++) this.#missing(next)
    return got
  }

  /** Of how many that failed alike, one after the other, how many go: null for all. */
  #portion(offset: number, last: number, { count }: Entry): number | null {
    const { deliveryCountLimit: limit, isolatesFailing } = this.#config
    const suspicious = Math.ceil(limit / 2)
    if (!isolatesFailing || count < suspicious) return null
    let alike = 0
    while (offset + alike <= last && this.#isFree(offset + alike, count)) alike++
    if (count === limit - 1) return 1
    for (let halved = suspicious; halved <= count; halved++) alike = Math.floor(alike / 2)
    return Math.max(1, alike)
  }

  #isFree(offset: number, count: number): boolean {
    const entry = this.entries[offset]
    return entry?.state === 'available' && entry.untilMs === null && entry.count === count
  }

  /** The rest of a portion, after its first. */
  #moreAlike(got: Got[], portion: number, { member, mode, max }: AcquireStep, untilMs: number) {
    const { offset, count } = got[0]!
    for (let next = offset + 1; next < offset + portion; next++) {
      if (mode === 'record-limit' && got.length >= max) break
      this.entries[next] = { state: 'available', count, member, untilMs }
      got.push({ offset: next, count })
    }
    return got
  }

  #missing(offset: number): void {
    const entry = this.entries[offset]
    if (entry === undefined || (entry.state === 'available' && entry.member === null))
      this.entries[offset] = { state: 'archived', count: 0, member: null, untilMs: null }
  }

  acknowledge(step: AcknowledgeStep, nowMs: number): string {
    const undo = structuredClone(this.entries)
    this.tick(nowMs)
    const { start } = this
    for (let offset = step.first; offset <= step.first + step.types.length - 1; offset++) {
      const problem = this.#problem(step, offset, start)
      if (problem === null) continue
      this.entries = undo
      return problem
    }
    for (const [index, type] of step.types.entries()) {
      const entry = this.entries[step.first + index]
      if (entry === undefined || step.first + index < start) continue
      if (type === Renew) entry.untilMs = nowMs + this.#config.recordLockDurationMs
      else if (type === Release) this.giveBack(entry, this.#delayed(entry, nowMs))
      else if (type === Reject) this.giveUp(entry)
      else
        Object.assign(entry, {
          state: type === Accept ? 'acknowledged' : 'archived',
          member: null,
          untilMs: null,
        })
    }
    return 'NONE'
  }

  #problem(step: AcknowledgeStep, offset: number, start: number): string | null {
    const last = step.first + step.types.length - 1
    if (last < start) return null
    if (start === this.entries.length) return 'INVALID_RECORD_STATE'
    if (last >= this.entries.length) return 'INVALID_REQUEST'
    if (offset < start) return null
    return this.entries[offset]?.member === step.member ? null : 'INVALID_RECORD_STATE'
  }

  #delayed({ count }: Entry, nowMs: number): number | null {
    const backoff = this.#config.releaseBackoff
    if (backoff === null) return null
    let delay = backoff.initialMs
    for (let attempt = 1; attempt < count; attempt++) delay *= backoff.factor
    return nowMs + Math.min(delay, backoff.maxMs)
  }

  leave(member: string, nowMs: number): void {
    this.tick(nowMs)
    for (const entry of this.entries) if (entry.member === member) this.giveBack(entry, null)
  }

  moveLogStart(offset: number): void {
    while (this.entries.length < offset)
      this.entries.push({ state: 'archived', count: 0, member: null, untilMs: null })
    for (const entry of this.entries.slice(0, offset))
      if (entry.state === 'available' || entry.state === 'archiving')
        Object.assign(entry, { state: 'archived', member: null, untilMs: null })
  }

  crash(): void {
    for (const entry of this.entries) Object.assign(entry, { member: null, untilMs: null })
  }
}

interface Got {
  offset: number
  count: number
}
interface Read {
  from: number
  to: number
  batches: { first: number; last: number }[]
}
type AcquireStep = Extract<Step, { kind: 'acquire' }>
type AcknowledgeStep = { member: string; first: number; types: number[] }

const member = fc.constantFrom('a', 'b', 'c', 'd')
const type = fc.constantFrom(Accept, Accept, Release, Release, Reject, Renew, Gap)
const mode = fc.constantFrom<('batch-optimized' | 'record-limit')[]>(
  'batch-optimized',
  'record-limit',
)

const anyStep = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('acquire' as const),
      member,
      mode,
      max: fc.integer({ min: 0, max: 9 }),
      /** From where it reads: what is to be fetched, or a while before or after it. */
      skew: fc.constantFrom(0, 0, 0, 0, -4, 3),
      length: fc.integer({ min: 1, max: 14 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('acknowledge' as const),
      member,
      /** Of those it holds, from the n-th on; or somewhere, held or not. */
      nth: fc.integer({ min: 0, max: 6 }),
      somewhere: fc.option(fc.integer({ min: 0, max: LOG_END + 3 }), { freq: 4 }),
      types: fc.array(type, { minLength: 1, maxLength: 5 }),
    }),
  },
  fc.record({
    kind: fc.constant('wait' as const),
    ms: fc.constantFrom(1, 40, 100, 130),
    isNoticed: fc.boolean(),
  }),
  fc.record({ kind: fc.constant('leave' as const), member }),
  fc.record({ kind: fc.constant('crash' as const), fromSnapshot: fc.boolean() }),
  fc.record({ kind: fc.constant('dead-letters' as const), max: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ kind: fc.constant('log-start' as const), by: fc.integer({ min: 0, max: 4 }) }),
)
type Step = typeof anyStep extends fc.Arbitrary<infer T> ? T : never

const anyConfig = fc.record({
  partitionMaxRecordLocks: fc.constantFrom(4, 12, 100),
  deliveryCountLimit: fc.constantFrom(1, 2, 5, 7),
  recordLockDurationMs: fc.constant(100),
  releaseBackoff: fc.constantFrom(null, { initialMs: 20, factor: 2, maxMs: 50 }),
  isolatesFailing: fc.boolean(),
  hasDeadLetters: fc.boolean(),
})
/** Sizes of what follows in the log: batches, and (negative) offsets without a record. */
const anyLog = fc.array(fc.constantFrom(1, 2, 3, 5, 8, -1, -3), { minLength: 1, maxLength: 12 })

class World {
  readonly sim: ShareSim
  readonly model: Model
  readonly log: { first: number; last: number }[] = []
  /** From answers alone: until when a member was told that it has a record. */
  readonly told = new Map<number, { member: string; untilMs: number }>()
  readonly accepted = new Set<number>()
  readonly counts = new Map<number, number>()

  constructor(config: ShareConfig, sizes: number[]) {
    this.sim = new ShareSim(config)
    this.model = new Model(config)
    for (let first = 0, index = 0; first < LOG_END; index++) {
      const size = sizes[index % sizes.length]!
      const last = Math.min(first + Math.abs(size), LOG_END) - 1
      if (size > 0) this.log.push({ first, last })
      first = last + 1
    }
  }

  take(step: Step): void {
    const { sim, model } = this
    const { startOffset } = sim.state.partition
    switch (step.kind) {
      case 'acquire':
        this.acquire(step)
        break
      case 'acknowledge':
        this.#acknowledge(step)
        break
      case 'wait':
        sim.nowMs += step.ms
        if (!step.isNoticed) break
        sim.expire()
        model.tick(sim.nowMs)
        break
      case 'leave':
        sim.leave(step.member)
        model.leave(step.member, sim.nowMs)
        for (const [offset, { member }] of this.told)
          if (member === step.member) this.told.delete(offset)
        break
      case 'crash':
        sim.crash(step)
        model.crash()
        this.told.clear()
        break
      case 'dead-letters':
        this.#writeDeadLetters(step.max)
        break
      case 'log-start':
        this.#moveLogStart(Math.min(LOG_END, startOffset + step.by))
        break
    }
    assert.ok(sim.state.partition.startOffset >= startOffset, 'the start offset went back')
    this.#compare()
  }

  acquire(step: AcquireStep): number {
    const { sim, model } = this
    const next = nextFetchOffset(sim.state, sim.nowMs) ?? sim.state.partition.endOffset
    const from = Math.max(0, model.logStart, next + step.skew)
    const to = Math.min(LOG_END, from + step.length)
    if (from >= to) return 0
    // The log gives whole batches, also from the middle of one.
    const batches = this.log.filter(({ first, last }) => last >= from && first < to)
    const read = { from, to: Math.max(to, 1 + (batches.at(-1)?.last ?? 0)), batches }
    const { response } = sim.acquire(step.member, from, read.to, {
      maxRecords: step.max,
      mode: step.mode,
      read: {
        fromOffset: from,
        toOffset: read.to,
        batches: batches.map(({ first, last }) => ({ firstOffset: first, lastOffset: last })),
      },
    })
    const got = response.flatMap(({ firstOffset, lastOffset, deliveryCount }) =>
      Array.from({ length: lastOffset - firstOffset + 1 }, (_, index) => ({
        offset: firstOffset + index,
        count: deliveryCount,
      })),
    )
    assert.deepEqual(got, model.acquire(step, read, sim.nowMs))
    if (step.mode === 'record-limit') assert.ok(got.length <= step.max)
    const untilMs = sim.nowMs + sim.state.config.recordLockDurationMs
    for (const { offset, count } of got) {
      assert.ok(!this.accepted.has(offset), `${offset} came back after it was acknowledged`)
      const before = this.told.get(offset)
      assert.ok(before === undefined || before.untilMs <= sim.nowMs, `${offset} has two holders`)
      assert.ok(count > (this.counts.get(offset) ?? 0), `the count of ${offset} did not rise`)
      assert.ok(count <= sim.state.config.deliveryCountLimit, `${offset} has one delivery too many`)
      this.counts.set(offset, count)
      this.told.set(offset, { member: step.member, untilMs })
    }
    return got.length
  }

  #acknowledge(step: Extract<Step, { kind: 'acknowledge' }>): void {
    const { sim, model } = this
    const held = [...this.told].filter(([, { member }]) => member === step.member)
    const first = step.somewhere ?? held.map(([offset]) => offset).sort((a, b) => a - b)[step.nth]
    if (first === undefined) return
    const { types } = step
    const { response } = sim.acknowledge(step.member, {
      firstOffset: first,
      lastOffset: first + types.length - 1,
      acknowledgeTypes: types,
    })
    const { startOffset } = sim.state.partition
    assert.equal(response.errorCode, model.acknowledge({ ...step, first }, sim.nowMs))
    if (response.errorCode !== 'NONE') return
    for (const [index, type] of types.entries()) {
      const offset = first + index
      const before = this.told.get(offset)
      // Below the start nobody has anything: the answer means nothing.
      if (before === undefined) continue
      if (type === Renew && offset >= startOffset)
        before.untilMs = sim.nowMs + sim.state.config.recordLockDurationMs
      else this.told.delete(offset)
      if (type === Accept) this.accepted.add(offset)
    }
  }

  #writeDeadLetters(max: number): void {
    const due = dueDeadLetters(this.sim.state.partition).slice(0, max)
    this.sim.deadLettersWritten(...due)
    this.model.tick(this.sim.nowMs)
    for (const { firstOffset, lastOffset } of due)
      for (let offset = firstOffset; offset <= lastOffset; offset++)
        this.model.entries[offset]!.state = 'archived'
  }

  #moveLogStart(offset: number): void {
    this.sim.moveLogStart(offset)
    if (offset > this.model.start) this.model.moveLogStart(offset)
    this.model.logStart = Math.max(this.model.logStart, offset)
    for (const told of this.told.keys()) if (told < offset) this.told.delete(told)
  }

  #compare(): void {
    const { partition, holds } = this.sim.state
    const { startOffset, endOffset } = partition
    assert.deepEqual([startOffset, endOffset], [this.model.start, this.model.entries.length])
    const view = segments(partition, holds, { firstOffset: 0, lastOffset: endOffset }).flatMap(
      ({ firstOffset, lastOffset, delivery, hold }) =>
        Array.from({ length: lastOffset - firstOffset + 1 }, () => ({
          state: delivery.state,
          count: 'deliveryCount' in delivery ? delivery.deliveryCount : 0,
          member: hold?.kind === 'lock' ? hold.memberId : null,
          untilMs: hold?.untilMs ?? null,
        })),
    )
    const isTerminal = ({ state }: Entry) => state === 'acknowledged' || state === 'archived'
    assert.deepEqual(
      view,
      this.model.entries
        .slice(startOffset)
        .map((entry) => (isTerminal(entry) ? { ...entry, count: 0 } : entry)),
    )
  }

  /** Everybody is gone, one member takes all that is left: nothing is held back for ever. */
  drain(): void {
    const { sim } = this
    sim.nowMs += 1_000
    this.told.clear()
    for (let round = 0; sim.state.partition.startOffset < LOG_END; round++) {
      assert.ok(round < 1_000, `it gets no further than ${sim.state.partition.startOffset}`)
      this.take({
        kind: 'acquire',
        member: 'd',
        mode: 'record-limit',
        max: 9,
        skew: 0,
        length: 9,
      })
      for (const [offset, { member }] of this.told)
        if (member === 'd') {
          const { response } = sim.acknowledge('d', {
            firstOffset: offset,
            lastOffset: offset,
            acknowledgeTypes: [Accept],
          })
          assert.deepEqual(response, { errorCode: 'NONE' })
          this.model.acknowledge({ member: 'd', first: offset, types: [Accept] }, sim.nowMs)
          this.told.delete(offset)
          this.accepted.add(offset)
        }
      this.take({ kind: 'dead-letters', max: 100 })
    }
  }
}

test('whatever happens, ranges say what single offsets would, and no promise to a member is broken', () => {
  fc.assert(
    fc.property(
      anyConfig,
      anyLog,
      fc.array(anyStep, { maxLength: 60, size: 'max' }),
      (config, log, steps) => {
        const world = new World(config, log)
        for (const step of steps) world.take(step)
        world.drain()
      },
    ),
    { numRuns: 300 },
  )
})
