/**
 * One partition that members of a group share record by record, under seeded faults in virtual time: the broker crashes and
 * loses what was not flushed, answers are lost, members are slow, forget records, die; dead letters cannot be written.
 *
 *   member ──acquire──▶ decided, replayed, parked ──flush──▶ answered ──▶ works ──▶ acknowledges │ releases │ rejects │ forgets
 *
 * The shell here does what `broker/delivery/` does, with the same pure parts and nothing else of it. In the end the faults
 * stop, and every record has to be acknowledged or to stand in the dead letters.
 */

import { randomBelow, seededRandom } from '../../src/core/index.ts'
import type { Random } from '../../src/core/index.ts'
import {
  AcknowledgeType,
  applyShareRecord,
  DEFAULT_SHARE_CONFIG,
  dueDeadLetters,
  expireHolds,
  NO_HOLDS,
  nextDeadlineMs,
  nextFetchOffset,
  startSharePartition,
} from '../../src/group/index.ts'
import type { ShareConfig, ShareDecision, SharePartition } from '../../src/group/index.ts'
import type { ShareRecord, ShareState } from '../../src/group/index.ts'
import { Agenda } from './agenda.ts'
import type { DeliveryBuild } from './broken-deliveries.ts'
import { DeliveryChecker } from './delivery-checker.ts'

const ID = { groupId: 'workers', topicId: 'orders', partition: 0 }
const FAULTY_MS = 60_000
const QUIET_LIMIT_MS = 600_000
const PACE_MS = 250

interface Parked {
  /** How many records must be on disk before it may leave. */
  readonly after: number
  readonly leave: () => void
}

export interface DeliveryOutcome {
  readonly violations: readonly string[]
  readonly counts: Readonly<Record<string, number>>
}

export function simulateDelivery(seed: number, build: DeliveryBuild): DeliveryOutcome {
  return new DeliveryWorld(seed, build).run()
}

class DeliveryWorld {
  readonly #build: DeliveryBuild
  readonly #random: Random
  readonly #agenda = new Agenda()
  readonly #checker = new DeliveryChecker()
  readonly #config: ShareConfig
  readonly #recordCount: number
  readonly #chance: { readonly crash: number; readonly lost: number; readonly forget: number }
  /** On disk. */
  #journal: ShareRecord[] = []
  /** Replayed and not flushed. */
  #unflushed: ShareRecord[] = []
  #parked: Parked[] = []
  #state: ShareState
  /** Counts the starts of the broker; -1 while it is down. */
  #life = 0
  #isFaulty = true
  #members = 0
  readonly #writing = new Set<number>()

  constructor(seed: number, build: DeliveryBuild) {
    this.#build = build
    this.#random = seededRandom(seed)
    this.#config = {
      ...DEFAULT_SHARE_CONFIG,
      hasDeadLetters: true,
      deliveryCountLimit: 2 + this.#below(4),
      recordLockDurationMs: 1_000 + this.#below(4_000),
      partitionMaxRecordLocks: 20 + this.#below(100),
      releaseBackoff: this.#happens(0.5) ? { initialMs: 100, factor: 2, maxMs: 2_000 } : null,
    }
    this.#recordCount = 20 + this.#below(60)
    // Some seeds have none of one kind.
    this.#chance = {
      crash: this.#below(3) * 0.02,
      lost: this.#below(3) * 0.05,
      forget: this.#below(3) * 0.08,
    }
    this.#journal = [startSharePartition(ID, null, 0)]
    this.#state = this.#recovered()
    this.#checker.recordCount = this.#recordCount
  }

  run(): DeliveryOutcome {
    const members = 1 + this.#below(4)
    for (let index = 0; index < members; index++) this.#join()
    this.#tick()
    this.#agenda.advance(FAULTY_MS)
    this.#isFaulty = false
    for (let passedMs = 0; passedMs < QUIET_LIMIT_MS && !this.#checker.isDone; passedMs += 1_000)
      this.#agenda.advance(1_000)
    this.#checker.ended()
    return { violations: this.#checker.violations, counts: this.#checker.counts }
  }

  // --- the broker ---

  /** Decides and replays at once; the answer leaves after the flush, if the broker lives that long. */
  #request<Response>(
    decide: (state: ShareState, nowMs: number) => ShareDecision<Response>,
    answer: (response: Response) => void,
  ): void {
    if (this.#life < 0) return
    const life = this.#life
    const { response, records, holds } = decide(this.#state, this.#agenda.nowMs)
    const partition = records.reduce<SharePartition | null>(applyShareRecord, this.#state.partition)
    if (partition === null) throw new Error('the partition is never deleted here')
    this.#state = { ...this.#state, partition, holds }
    this.#unflushed.push(...records)
    const leave = () => {
      if (this.#isFaulty && this.#happens(this.#chance.lost)) return this.#checker.count('lost')
      this.#agenda.after(1 + this.#below(20), () => answer(response))
    }
    const after = this.#build.answersBeforeFlush ? 0 : this.#journal.length + this.#unflushed.length
    this.#parked.push({ after, leave })
    this.#agenda.after(1 + this.#below(15), () => life === this.#life && this.#flush())
    this.#deadlineLater(life)
    if (this.#build.answersBeforeFlush) this.#leave()
  }

  #flush(): void {
    this.#journal.push(...this.#unflushed.splice(0))
    this.#checker.flushed(this.#state.partition.startOffset)
    this.#leave()
    this.#writeLetters()
  }

  #leave(): void {
    const ready = this.#parked.filter(({ after }) => after <= this.#journal.length)
    this.#parked = this.#parked.filter(({ after }) => after > this.#journal.length)
    for (const { leave } of ready) leave()
  }

  #deadlineLater(life: number): void {
    const dueMs = nextDeadlineMs(this.#state)
    if (dueMs === null) return
    this.#agenda.after(dueMs - this.#agenda.nowMs, () => {
      if (life === this.#life && nextDeadlineMs(this.#state) === dueMs)
        this.#request(expireHolds, () => {})
    })
  }

  /** Letters are written one by one; one that cannot be is tried again. */
  #writeLetters(): void {
    const life = this.#life
    for (const { firstOffset, lastOffset } of dueDeadLetters(this.#state.partition))
      for (let offset = firstOffset; offset <= lastOffset; offset++) {
        if (this.#writing.has(offset)) continue
        this.#writing.add(offset)
        this.#agenda.after(5 + this.#below(50), () => {
          this.#writing.delete(offset)
          const fails = this.#isFaulty && this.#happens(0.3)
          if (!fails) this.#checker.letterWritten(offset)
          else this.#checker.count('letter failed')
          if (life !== this.#life) return
          if (fails && !this.#build.takesFailedLettersForWritten) return this.#writeLetters()
          const ranges = [{ firstOffset: offset, lastOffset: offset }]
          this.#request(
            (state, nowMs) => this.#build.deadLettersWritten(state, ranges, nowMs),
            () => {},
          )
        })
      }
  }

  #crash(): void {
    this.#checker.count('crash')
    this.#life = -1
    this.#unflushed = []
    this.#parked = []
    const life = (this.#checker.counts['crash'] ?? 0) + 1
    this.#agenda.after(100 + this.#below(2_000), () => {
      this.#journal = [...this.#build.recover(this.#journal)]
      this.#state = this.#recovered()
      this.#life = life
      this.#checker.restarted()
      this.#writeLetters()
    })
  }

  #recovered(): ShareState {
    const partition = this.#journal.reduce<SharePartition | null>(applyShareRecord, null)
    if (partition === null) throw new Error('the journal begins with the start')
    return { partition, holds: NO_HOLDS, config: this.#config }
  }

  /** Something may happen to the broker. */
  #tick(): void {
    if (this.#isFaulty && this.#life >= 0 && this.#happens(this.#chance.crash)) this.#crash()
    this.#agenda.after(PACE_MS, () => this.#tick())
  }

  // --- members ---

  #join(): void {
    const memberId = `m${this.#members++}`
    this.#checker.count('join')
    this.#poll({ memberId, isAlive: true })
  }

  #poll(member: Living): void {
    if (!member.isAlive) return
    this.#agenda.after(20 + this.#below(PACE_MS), () => this.#poll(member))
    if (this.#isFaulty && this.#happens(0.01)) return this.#die(member)
    const { memberId } = member
    const maxRecords = 1 + this.#below(6)
    this.#request(
      (state, nowMs) => {
        const fromOffset = nextFetchOffset(state, nowMs) ?? this.#recordCount
        const batches =
          fromOffset < this.#recordCount
            ? [{ firstOffset: fromOffset, lastOffset: this.#recordCount - 1 }]
            : []
        const read = { fromOffset, toOffset: this.#recordCount, batches }
        return this.#build.acquire(state, {
          memberId,
          maxRecords,
          mode: 'record-limit',
          read,
          nowMs,
        })
      },
      (acquired) => {
        for (const { firstOffset, lastOffset, deliveryCount } of acquired)
          for (let offset = firstOffset; offset <= lastOffset; offset++) {
            this.#checker.delivered(memberId, offset, deliveryCount)
            if (member.isAlive) this.#work(member, offset, deliveryCount)
          }
      },
    )
  }

  #work(member: Living, offset: number, deliveryCount: number): void {
    const { recordLockDurationMs } = this.#config
    const tookMs = this.#isFaulty ? this.#below(recordLockDurationMs * 1.5) : 10
    this.#agenda.after(tookMs, () => {
      if (!member.isAlive) return
      const isForgotten = this.#isFaulty && this.#happens(this.#chance.forget)
      if (isForgotten) return this.#checker.count('forgotten')
      const type = this.#isFaulty ? this.#verdict() : AcknowledgeType.Accept
      this.#settle(member, { offset, deliveryCount, type }, 3)
    })
  }

  /** Asks again when there was no answer, as a client does. */
  #settle(member: Living, what: Verdict, attempts: number): void {
    const { offset, deliveryCount, type } = what
    const { memberId } = member
    let isAnswered = false
    const acknowledgeTypes = [type]
    const batches = [{ firstOffset: offset, lastOffset: offset, acknowledgeTypes, deliveryCount }]
    if (type === AcknowledgeType.Accept) this.#checker.asked(offset)
    this.#request(
      (state, nowMs) => {
        const decision = this.#build.acknowledge(state, { memberId, batches, nowMs })
        if (decision.response.errorCode !== 'NONE') this.#checker.count('refused')
        else {
          this.#checker.accepted(memberId, offset, what)
          if (type === AcknowledgeType.Accept) this.#checker.taken(offset)
        }
        return decision
      },
      ({ errorCode }) => {
        isAnswered = true
        if (errorCode === 'NONE' && type === AcknowledgeType.Accept) this.#checker.done(offset)
      },
    )
    this.#agenda.after(500, () => {
      if (!isAnswered && member.isAlive && attempts > 1) this.#settle(member, what, attempts - 1)
    })
  }

  #verdict(): number {
    const chance = this.#random.next()
    if (chance < 0.7) return AcknowledgeType.Accept
    return chance < 0.93 ? AcknowledgeType.Release : AcknowledgeType.Reject
  }

  /** It says nothing more; the group finds out, and another takes its place. */
  #die(member: Living): void {
    member.isAlive = false
    this.#checker.count('member died')
    this.#agenda.after(500 + this.#below(1_500), () => {
      this.#request(
        (state, nowMs) => this.#build.releaseMember(state, member.memberId, nowMs),
        () => {},
      )
      this.#join()
    })
  }

  #happens(chance: number): boolean {
    return this.#random.next() < chance
  }

  #below(bound: number): number {
    return randomBelow(this.#random, bound)
  }
}

interface Living {
  readonly memberId: string
  isAlive: boolean
}

interface Verdict {
  readonly offset: number
  readonly deliveryCount: number
  readonly type: number
}
