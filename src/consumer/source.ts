/**
 * The source port: what the runtime needs of a broker, whatever it is. Kafka and Shoal implement it in
 * `sources/kafka/`; `memory-source.ts` is the real thing over memory that tests inject faults into.
 *
 * Membership, heartbeats and fetching are the source's; lanes, handlers, tracking and the decision what to commit are
 * the runtime's. They meet in few calls:
 *
 *   source ──assigned──▶ runtime ──(start offsets are in the assignment)
 *   source ──records───▶ runtime ──pause/resume one partition──▶ source
 *   runtime ──commit───▶ source
 *   source ──revoked───▶ runtime: drains, commits, resolves ──▶ source releases. Heartbeats go on meanwhile.
 *   source ──lost──────▶ runtime: drops at once, commits nothing
 *
 * Every assignment of a partition carries an `epoch`, unique within the process and rising: work of an older epoch
 * changes nothing. After `revoked` resolved or `lost` was called, no records of that epoch are delivered.
 */

import type { Completions } from './completion/completion-map.ts'

/** A source carries what its broker can do in its type: `Source<{ kind: 'kafka', transactions: true, … }>`. */
export interface Source<C extends SourceCapabilities = SourceCapabilities> {
  readonly name: string
  readonly capabilities: C
  /**
   * How many records of a partition the broker hands out before it wants one committed (RabbitMQ's prefetch): commits leave
   * when a quarter of them is done. Left out where it hands out all that there is.
   */
  readonly unacknowledgedLimit?: number
  /** Joins the group and begins to deliver. Rejects when the broker cannot be reached within the source's own limit or refuses for good. */
  open(context: SourceContext): Promise<SourceSession>
}

/** What a broker can do; the types of the public API carry the same facts, so that asking for more is a compile error. */
export interface SourceCapabilities {
  readonly kind: 'kafka' | 'memory' | 'redis-streams' | 'rabbitmq'
  readonly transactions: boolean
  /** Positions are stored, can be reset, and lag is counted in records; else each record is acknowledged for itself. */
  readonly offsets: boolean
  /** What finished beyond the committed position survives a restart: by the metadata of positions, or acknowledged alone. */
  readonly completionMemory: boolean
  /** What a commit's metadata says comes back with the next assignment, to whomever: starts before a crash are noted there. */
  readonly returnsMetadata?: boolean
  /** `SourceSession.read` is there: parked keys and retry topics need it. */
  readonly readsBack?: boolean
  /** `SourceSession.delay` is there: the broker itself keeps what is to be tried later. */
  readonly nativeDelay: boolean
}

export interface SourceContext {
  readonly group: string
  readonly events: SourceEvents
  /** Positions are committed in transactions with what handlers send. @throws when the broker has none */
  readonly exactlyOnce?: boolean
  /** Records are put off by `SourceSession.delay`; left out: none are, but those that were before come back all the same. */
  readonly delays?: boolean
  /** How long a revoke may wait for `events.revoked`, milliseconds; the source takes the group's rebalance timeout less a margin when that is shorter. */
  readonly drainTimeoutMs: number
  /** Deliveries after which a record is given up unseen: a source that counts them has it alone in the last one. */
  readonly maxDeliveries?: number
}

export interface SourceEvents {
  /** Partitions that this member owns from now on. Records may follow in the same turn. */
  assigned(assignments: readonly Assignment[]): void
  /**
   * Finish what has started, commit it, drop the rest. The source waits for the promise, at most `drainTimeoutMs`, then
   * releases. `limitMs` says how long it will wait when that is shorter (the group's rebalance timeout).
   */
  revoked(partitions: readonly OwnedPartition[], limitMs?: number): Promise<void>
  /** Gone already: another member may have them. Drop everything, commit nothing. */
  lost(partitions: readonly OwnedPartition[]): void
  records(batch: SourceBatch): void
  /** Every record there is was delivered; once per arrival at the end. */
  endOfPartition(partition: OwnedPartition, offset: number): void
  /** Something that the operator should know and that needs no decision: a reset, records that retention took, a slow broker. */
  notice(notice: SourceNotice): void
  /** The session is over and cannot be mended: fenced, refused, or the reset policy says stop. */
  failed(error: Error): void
}

export interface OwnedPartition {
  readonly topic: string
  readonly partition: number
  readonly epoch: number
}

export interface Assignment extends OwnedPartition {
  /** What the group had committed, with its metadata; null when nothing was. */
  readonly committed: { readonly offset: number; readonly metadata: string } | null
  /** Where delivery begins. */
  readonly startOffset: number
  /**
   * The generation (member epoch) of the group that this assignment belongs to: rises over all members and restarts, so
   * handlers can hand it on as a fencing token. Left out where the broker has none.
   */
  readonly generation?: number
}

export interface SourceBatch extends OwnedPartition {
  /** In order of offset; there may be gaps (compaction, transaction markers), also before the first and after the last. */
  readonly records: SourceRecords
  /** Bytes of memory that these records keep alive, shared buffers included. */
  readonly byteLength: number
  /** The position after the batch, gaps at its end included: what may be committed when all of it is done. */
  readonly nextOffset: number
  /** The end of the partition as the broker told it with this batch. */
  readonly endOffset: number
  /** Whether a record may have been handed out before, as the broker counts; left out: they are asked one by one. */
  readonly hasHistory?: boolean
}

/** Records in their order, made when they are asked for where that is cheaper; an array is one. */
export interface SourceRecords extends Iterable<SourceRecord> {
  readonly length: number
  at(index: number): SourceRecord | undefined
}

export interface SourceRecord {
  readonly offset: number
  readonly timestampMs: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly RecordHeader[]
  /** How often the broker has handed this record out, this time included, where it counts. */
  readonly deliveryCount?: number
  /** It was put off by `SourceSession.delay`, and is back: what was said of it then. */
  readonly retried?: Retried
  /** What the record is called for good, where offsets are counted anew in every epoch. */
  readonly id?: string
}

export interface RecordHeader {
  readonly key: string
  readonly value: Uint8Array | null
}

export type SourceNotice =
  | {
      readonly kind: 'joined'
      readonly memberId: string
      readonly generation: number
      readonly protocol: string
    }
  | {
      readonly kind: 'offset-reset'
      readonly topic: string
      readonly partition: number
      readonly from: number | null
      readonly to: number
      readonly reason: string
    }
  | {
      readonly kind: 'records-skipped'
      readonly topic: string
      readonly partition: number
      readonly count: number
      readonly reason: string
    }
  | {
      readonly kind: 'disconnected' | 'reconnected'
      readonly address: string
      readonly reason: string
    }
  | { readonly kind: 'heartbeat-failed'; readonly reason: string }
  /** A subscribed topic does not exist (yet); its partitions are picked up when it does. */
  | { readonly kind: 'topic-missing'; readonly topic: string }

export interface SourceSession {
  /** Who this member is in the group, for logs; changes when it has to join anew. */
  readonly memberId: string
  /** Stops, or goes on with, delivering one partition; what is under way may still arrive. The others flow on. */
  pause(partition: OwnedPartition): void
  resume(partition: OwnedPartition): void
  /**
   * Commits positions, one request for all of them. `retry`: nothing is known to be stored (a rebalance, a timeout), try
   * again later. `stale`: the partition is no longer this epoch's; forget it. One call at a time.
   *
   * Exactly once: the outputs of all positions and the positions are one transaction, so either all of them are `committed`
   * or none is; `retry` then means that it is certain that nothing of it is or will be visible.
   */
  commit(positions: readonly CommitPosition[]): Promise<readonly CommitResult[]>
  /** Appends a record with acks=all; resolves when the broker has it. For dead letters and parked records. */
  produce(record: OutgoingRecord): Promise<void>
  /**
   * Writes the dead letter of a record and ends the record, where the broker can do both: in one step, or the letter first,
   * the end before anything else. `stale`: the record is not this epoch's any more, so it is not ended. Where the call is
   * missing, the letter is produced and a commit passes the record later.
   */
  deadLetter?(letter: OutgoingRecord, of: DeliveredRecord): Promise<'done' | 'stale'>
  /**
   * Ends a record here and hands it out again once `afterMs` have passed, to whomever, durably: retries that hold nothing
   * up. As with `deadLetter`, it is written before it is ended. There where `nativeDelay` is true.
   */
  delay?(of: DeliveredRecord, afterMs: number, retried: Retried): Promise<'done' | 'stale'>
  /**
   * Reads a partition of any topic, whoever owns it, once: what is there from an offset on, nothing at the end. An offset
   * below the log's start reads from its start. Everything that `produce` resolved for is visible at last.
   */
  read?(request: ReadRequest): Promise<ReadAnswer>
  /** What lies below the offset in a topic that `read` reads is not needed any more. Where logs end by themselves it is missing. */
  forget?(below: Omit<ReadRequest, 'maxRecords'>): Promise<void>
  /**
   * Whether a handler may start: false once so much of the session timeout passed without an answered heartbeat (a stalled
   * event loop, a lost broker) that the partitions may belong to somebody else.
   */
  ownershipIsFresh(): boolean
  /** Leaves the group after the runtime committed; does not call `revoked`. Idempotent. */
  close(): Promise<void>
}

export interface CommitPosition extends OwnedPartition {
  readonly offset: number
  readonly metadata: string
  /** Written in one transaction with all positions of the call; only where `SourceContext.exactlyOnce` is true. */
  readonly outputs?: readonly OutgoingRecord[]
  /** What is done beyond the offset, for sources that acknowledge records and store no metadata. */
  readonly completions?: Completions
}

/** What has to be known of a record when it comes back. */
export interface Retried {
  /** Executions since it was put off for the first time. */
  readonly attempts: number
  /** Wall time of its first failed execution. */
  readonly firstFailureMs: number
}

/** A record that was handed out, where it is. */
export interface DeliveredRecord extends OwnedPartition {
  readonly record: SourceRecord
}

export interface CommitResult extends OwnedPartition {
  readonly outcome: 'committed' | 'retry' | 'stale' | 'refused'
  /** `refused`: nothing is stored, and never will be with this output; the record that sent it needs another end. */
  readonly refused?: { readonly output: OutgoingRecord; readonly reason: string }
}

export interface ReadRequest {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** A bound for what is of use, not a promise. */
  readonly maxRecords: number
}

export interface ReadAnswer {
  /** In order of offset. */
  readonly records: readonly SourceRecord[]
  /** Where to read on. */
  readonly nextOffset: number
}

export interface OutgoingRecord {
  readonly topic: string
  /** The partition; null lets the key decide. */
  readonly partition: number | null
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly RecordHeader[]
}
