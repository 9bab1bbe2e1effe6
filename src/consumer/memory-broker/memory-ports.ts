/**
 * What the parts of the memory broker know of each other: its group knows the broker as a host, its member knows both.
 */

import type { Clock, Timers } from '../../core/index.ts'
import type { MemoryLog } from './memory-log.ts'
import type { CommitPosition, CommitResult, OutgoingRecord } from '../source.ts'

/** What may happen to a request: how long it takes to arrive, what becomes of it, how long the answer takes. */
export interface MemoryFault {
  readonly beforeMs?: number
  /** `refused`: not done, answered so. `lost`: done, answered as if not. `thrown`: not done, and the call rejects. */
  readonly outcome?: 'refused' | 'lost' | 'thrown'
  readonly afterMs?: number
}

export interface MemoryFaults {
  /** Why an output of a transaction is refused for good. */
  output?: (record: OutgoingRecord) => string | undefined
  commit?: (memberId: string, positions: readonly CommitPosition[]) => MemoryFault | undefined
  read?: (memberId: string) => MemoryFault | undefined
  produce?: (memberId: string, record: OutgoingRecord) => MemoryFault | undefined
}

/** A commit as the broker stored it. */
export interface StoredCommit extends CommitPosition {
  readonly group: string
  readonly memberId: string
}

/** The broker, to its groups and members. */
export interface MemoryHost {
  readonly log: MemoryLog
  readonly faults: MemoryFaults
  readonly clock: Clock
  readonly timers: Timers
  /** How long a revoke may take at most, whatever the member asks for. */
  readonly rebalanceTimeoutMs: number
  readonly onCommit: ((commit: StoredCommit) => void) | null
  nextEpoch(): number
  append(record: OutgoingRecord): number
}

/** The group, to its members. */
export interface MemoryMembership<M> {
  readonly hasCommitted: boolean
  committed(
    topic: string,
    partition: number,
  ): { readonly offset: number; readonly metadata: string } | null
  commit(member: M, positions: readonly CommitPosition[]): CommitResult[]
  join(member: M): void
  leave(member: M): void
}
