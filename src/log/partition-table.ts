/**
 * The partitions of a store: what the last checkpoint said of each, and its log once somebody opened it.
 *
 * A partition that nobody opened costs its state and nothing else; thousands of them are known after a start without a file
 * being opened.
 */

import type { JsonObject } from './journal-port.ts'
import type { PartitionLogConfig, PartitionLogId } from './log.ts'
import type { PartitionCheckpoint } from './partition-checkpoint.ts'
import type { SegmentedPartitionLog } from './partition-log.ts'

export interface PartitionSlot {
  /** The one object that stands for the partition everywhere: journal entries remember it by identity. */
  readonly id: PartitionLogId
  config: PartitionLogConfig
  /** From the last checkpoint; null before the first. */
  state: PartitionCheckpoint | null
  log: SegmentedPartitionLog | null
  /** Under way while the log is being opened. */
  opening: Promise<SegmentedPartitionLog> | null
  /** The names of its folders may not be durable. */
  isNew: boolean
}

export class PartitionTable {
  readonly #slots = new Map<string, PartitionSlot>()

  get(id: PartitionLogId): PartitionSlot | undefined {
    return this.#slots.get(keyOf(id))
  }

  add(slot: Omit<PartitionSlot, 'log' | 'opening'>): PartitionSlot {
    const added: PartitionSlot = { ...slot, log: null, opening: null }
    this.#slots.set(keyOf(slot.id), added)
    return added
  }

  delete(id: PartitionLogId): void {
    this.#slots.delete(keyOf(id))
  }

  slots(): IterableIterator<PartitionSlot> {
    return this.#slots.values()
  }
}

/** A slot's part of a checkpoint. */
export function encodeSlot(
  config: PartitionLogConfig,
  state: PartitionCheckpoint | null,
): JsonObject {
  return { config: { ...config }, state }
}

export function decodeSlot({ config, state }: JsonObject): {
  readonly config: PartitionLogConfig
  readonly state: PartitionCheckpoint | null
} {
  // Checked by the checkpoint's CRC: what was encoded above comes back.
  return {
    config: config as unknown as PartitionLogConfig,
    state: (state ?? null) as PartitionCheckpoint | null,
  }
}

function keyOf({ topicId, partition }: PartitionLogId): string {
  return `${topicId}/${partition}`
}
