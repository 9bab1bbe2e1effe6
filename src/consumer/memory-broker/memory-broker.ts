/**
 * A broker over memory that implements the source port for real: groups of several members, rebalances that drain,
 * fencing, redelivery from the committed position. And everything that can go wrong with one, on demand: commits that
 * are refused, lost or answered late, members that expire, crash or stall, dead letters that cannot be written.
 *
 * It runs on the timers that it is given, so on a virtual clock a whole group lives in virtual time.
 * Not here: durability. What a crash of the broker does is the embedded broker's to show.
 */

import { ShoalError, systemClock, systemTimers } from '../../core/index.ts'
import type { Clock, Timers } from '../../core/index.ts'
import { MemoryGroup } from './memory-group.ts'
import { MemoryLog } from './memory-log.ts'
import { MemoryMember } from './memory-member.ts'
import type { MemoryFaults, MemoryHost, StoredCommit } from './memory-ports.ts'
import type { OutgoingRecord, Source, SourceCapabilities, SourceRecord } from '../source.ts'

export interface MemoryCapabilities extends SourceCapabilities {
  readonly kind: 'memory'
  readonly transactions: true
  readonly offsets: true
  readonly completionMemory: true
  readonly readsBack: true
  readonly nativeDelay: false
}

export interface MemoryBrokerOptions {
  readonly clock?: Clock
  readonly timers?: Timers
  /** How long a revoke may take at most, whatever the member asks for; default 60 s. */
  readonly rebalanceTimeoutMs?: number
}

export interface MemorySourceOptions {
  readonly topics: readonly string[]
  /** Records a delivery; default 500. */
  readonly maxBatchRecords?: number
  /** Where a group begins that has committed nothing; default the oldest record. */
  readonly startAt?: 'earliest' | 'latest'
}

export class MemoryBroker implements MemoryHost {
  readonly log: MemoryLog = new MemoryLog()
  /** Set a function to make requests fail; looked at for each request. */
  readonly faults: MemoryFaults = {}
  /** Called with each commit when it is stored. */
  onCommit: ((commit: StoredCommit) => void) | null = null
  readonly clock: Clock
  readonly timers: Timers
  readonly rebalanceTimeoutMs: number
  readonly #groups = new Map<string, MemoryGroup>()
  #epoch = 0
  #members = 0

  constructor({
    clock = systemClock,
    timers = systemTimers,
    rebalanceTimeoutMs = 60_000,
  }: MemoryBrokerOptions = {}) {
    this.clock = clock
    this.timers = timers
    this.rebalanceTimeoutMs = rebalanceTimeoutMs
  }

  /** Creates a topic, or adds the partitions that it lacks; members get the new ones. */
  createTopic(topic: string, partitionCount: number): void {
    this.log.createTopic(topic, partitionCount)
    for (const group of this.#groups.values()) group.rebalance()
  }

  /** Appends a record; without a partition its key decides. Gives its offset. */
  append(
    record: Omit<OutgoingRecord, 'partition' | 'headers'> &
      Partial<Pick<OutgoingRecord, 'partition' | 'headers'>>,
  ): number {
    const { topic, key, value, headers = [] } = record
    const count = this.log.partitionCount(topic)
    if (count === 0)
      throw new ShoalError('SHOAL_UNKNOWN_TOPIC', `memory: there is no topic ${topic}`)
    const partition = record.partition ?? sumOf(key) % count
    const timestampMs = this.clock.wallMs()
    const offset = this.log.append(topic, partition, { timestampMs, key, value, headers })
    for (const group of this.#groups.values()) group.wake()
    return offset
  }

  records(topic: string, partition: number): readonly SourceRecord[] {
    return this.log.partition(topic, partition).records
  }

  source({
    topics,
    maxBatchRecords = 500,
    startAt = 'earliest',
  }: MemorySourceOptions): Source<MemoryCapabilities> {
    return {
      name: `memory:${topics.join(',')}`,
      capabilities: {
        kind: 'memory',
        transactions: true,
        offsets: true,
        completionMemory: true,
        returnsMetadata: true,
        readsBack: true,
        nativeDelay: false,
      },
      open: async (context) => {
        const group = this.group(context.group)
        const member = new MemoryMember(this, group, context, {
          id: `member-${++this.#members}`,
          topics,
          maxBatchRecords,
          startAt,
        })
        group.join(member)
        return member
      },
    }
  }

  group(name: string): MemoryGroup {
    const known = this.#groups.get(name)
    if (known !== undefined) return known
    const group = new MemoryGroup(this, name)
    this.#groups.set(name, group)
    return group
  }

  nextEpoch(): number {
    return ++this.#epoch
  }
}

function sumOf(bytes: Uint8Array | null): number {
  return bytes === null ? 0 : bytes.reduce((sum, byte) => sum + byte, 0)
}
