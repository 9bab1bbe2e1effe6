/**
 * What a member of a KIP-848 group knows of itself.
 *
 * Pure: every change is a new object.
 */

import { partitionKey } from '../topic-partition.ts'
import type {
  ConsumerEffect,
  HeldPartition,
  IdPartition,
  NamedPartition,
} from './consumer-messages.ts'
import type { OwnedPartition } from '../../../consumer/index.ts'

export interface ConsumerSettings {
  readonly isStatic: boolean
  /** How long the member believes in itself without an answer. */
  readonly sessionTimeoutMs: number
  readonly retryBackoffMs: number
  readonly retryBackoffMaxMs: number
  /** How long a static member waits for the one before it to be given up. */
  readonly unreleasedLimitMs: number
}

export interface ConsumerState {
  readonly phase: 'out' | 'joining' | 'member' | 'closed'
  /** 0 while joining. */
  readonly memberEpoch: number
  /** Numbers heartbeats; answers carry it back. */
  readonly attempt: number
  readonly isInFlight: boolean
  /** The next heartbeat says everything. */
  readonly isFull: boolean
  /** What is owned is not what the broker was told last. */
  readonly isUntold: boolean
  /** By `partitionKey`; those being drained are still in it. */
  readonly owned: ReadonlyMap<string, HeldPartition>
  /** The newest assignment, as far as its topics are known; null before there is one. */
  readonly wanted: ReadonlyMap<string, NamedPartition> | null
  readonly wantedEpoch: number
  /** Numbers assignments; names that come for an older one are dropped. */
  readonly assignment: number
  readonly drain: { readonly id: number; readonly partitions: readonly OwnedPartition[] } | null
  readonly drainCount: number
  /** The broker says how often it wants to hear of us. */
  readonly intervalMs: number
  /** Heartbeats without a yes in a row. */
  readonly failures: number
  readonly lastProofMs: number
  /** Since when the instance id has been found taken. */
  readonly unreleasedSinceMs: number | null
}

export interface ConsumerStep {
  readonly state: ConsumerState
  readonly effects: readonly ConsumerEffect[]
}

/** Until the broker has said one. */
const FIRST_INTERVAL_MS = 5_000

export const initialConsumer: ConsumerState = {
  phase: 'out',
  memberEpoch: 0,
  attempt: 0,
  isInFlight: false,
  isFull: true,
  isUntold: false,
  owned: new Map(),
  wanted: null,
  wantedEpoch: 0,
  assignment: 0,
  drain: null,
  drainCount: 0,
  intervalMs: FIRST_INTERVAL_MS,
  failures: 0,
  lastProofMs: Number.NEGATIVE_INFINITY,
  unreleasedSinceMs: null,
}

export function ownedOf({ topic, partition, epoch }: OwnedPartition): OwnedPartition {
  return { topic, partition, epoch }
}

export function idOf({ topicId, partition }: IdPartition): IdPartition {
  return { topicId, partition }
}

export function byKey<Item extends NamedPartition>(items: readonly Item[]): Map<string, Item> {
  return new Map(items.map((item) => [partitionKey(item), item]))
}

export function loseAll(state: ConsumerState): readonly ConsumerEffect[] {
  if (state.owned.size === 0) return []
  return [{ kind: 'lose', partitions: [...state.owned.values()].map(ownedOf) }]
}

/** Without partitions and without a place in the group. */
export function outside(state: ConsumerState): ConsumerState {
  return {
    ...state,
    phase: 'joining',
    memberEpoch: 0,
    isInFlight: false,
    isFull: true,
    isUntold: false,
    owned: new Map(),
    wanted: null,
    assignment: state.assignment + 1,
    drain: null,
  }
}

export function stay(state: ConsumerState): ConsumerStep {
  return { state, effects: [] }
}

export function andThen(
  state: ConsumerState,
  effects: readonly ConsumerEffect[],
  next: (state: ConsumerState) => ConsumerStep,
): ConsumerStep {
  const after = next(state)
  return { state: after.state, effects: [...effects, ...after.effects] }
}
