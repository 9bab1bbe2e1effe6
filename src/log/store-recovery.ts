/**
 * From a folder to a living state: the newest checkpoint, then every journal entry behind it, in order.
 *
 * Redoing is idempotent and nothing that it needs is removed before a later checkpoint counts, so a crash at any point of a
 * recovery leaves a folder that recovers to the same. Folders of partitions that nobody knows any more (their removal, or
 * their first flush, met a crash) are removed at the end.
 */

import type { Logger } from '../core/index.ts'
import { ShoalError } from '../core/index.ts'
import { type Checkpoint, CHECKPOINT_FOLDER, readNewestCheckpoint } from './checkpoint-file.ts'
import { partitionFolder, topicFolder, TOPICS_FOLDER } from './data-folder.ts'
import type { FileStore } from './file-store.ts'
import type { JournalEntry } from './journal-entry.ts'
import { recoverJournal, type RecoveredJournal } from './journal-recovery.ts'
import type { PartitionLogConfig, PartitionLogId, StateMachine } from './log.ts'
import type { SegmentedPartitionLog } from './partition-log.ts'
import { decodeSlot, type PartitionSlot, type PartitionTable } from './partition-table.ts'

export interface StoreRecoveryOptions {
  readonly files: FileStore
  readonly logger: Logger
  readonly storeId: Uint8Array
  readonly durable: number
  readonly machines: ReadonlyMap<string, StateMachine>
  readonly table: PartitionTable
  /** The log of a slot, opened from the slot's state. */
  readonly openLog: (slot: PartitionSlot) => Promise<SegmentedPartitionLog>
  /** The slot's state is no longer what the checkpoint said. */
  readonly touch: (id: PartitionLogId) => void
}

/** @throws ShoalError SHOAL_STORAGE_CORRUPT or SHOAL_FOLDER_FORMAT: see `recoverJournal` and `readNewestCheckpoint`. */
export async function recoverStore(
  options: StoreRecoveryOptions,
): Promise<RecoveredJournal & { readonly checkpoint: Checkpoint }> {
  const { files, logger, storeId, durable } = options
  const checkpoint = await readNewestCheckpoint(files, storeId, logger)
  const replay = new StoreReplay(options)
  // A crash may have left its name in the kernel alone; what it replaced is there as long as that is so.
  await files.syncFolder(CHECKPOINT_FOLDER)
  for (const entry of checkpoint.entries) await replay.replay(entry, alreadyDurable)
  const journal = await recoverJournal({
    files,
    logger,
    storeId,
    durable,
    from: checkpoint.cut,
    isKnown: (partition) => options.table.get(partition) !== undefined,
    replay: (entry, durableSoFar) => replay.replay(entry, durableSoFar),
  })
  await removeOrphans(options)
  return { ...journal, checkpoint }
}

const alreadyDurable = async (): Promise<void> => {}

class StoreReplay {
  readonly #options: StoreRecoveryOptions

  constructor(options: StoreRecoveryOptions) {
    this.#options = options
  }

  replay(entry: JournalEntry, durableSoFar: () => Promise<void>): Promise<void> | void {
    switch (entry.kind) {
      case 'machine-record':
        return this.#replayRecord(entry.machine, entry.record)
      case 'partition-state': {
        const { config, state } = decodeSlot(entry.state)
        this.#options.table.add({ id: entry.partition, config, state, isNew: false })
        return
      }
      case 'partition-opened':
        return this.#open(entry.partition, entry.config as unknown as PartitionLogConfig)
      case 'partition-deleted':
        return this.#delete(entry.partition, durableSoFar)
      case 'batch':
        return this.#withLog(entry.partition, (log) =>
          log.redoBatch(entry.segmentBaseOffset, entry.position, entry.bytes),
        )
      case 'direct-batch':
        return this.#withLog(entry.partition, (log) =>
          log.redoDirect(entry.segmentBaseOffset, entry.position, entry.header),
        )
      case 'partition-event':
        return this.#withLog(entry.partition, (log) => log.replayEvent(entry.event, durableSoFar))
      case 'end':
        return
    }
  }

  #replayRecord(name: string, record: Uint8Array): void {
    const machine = this.#options.machines.get(name)
    if (machine === undefined)
      throw new ShoalError(
        'SHOAL_FOLDER_FORMAT',
        `the data folder has records of ${JSON.stringify(name)}, which this version does not know`,
        { details: { machine: name } },
      )
    machine.replay(record)
  }

  #open(id: PartitionLogId, config: PartitionLogConfig): void {
    const { table, touch } = this.#options
    const known = table.get(id)
    if (known === undefined) table.add({ id, config, state: null, isNew: true })
    else known.config = config
    touch(known?.id ?? id)
  }

  async #delete(id: PartitionLogId, durableSoFar: () => Promise<void>): Promise<void> {
    const { table, files } = this.#options
    const slot = table.get(id)
    table.delete(id)
    await slot?.log?.close()
    await durableSoFar()
    await files.remove(partitionFolder(id))
  }

  /** A batch can follow the deletion of its partition: whoever appended it had not heard of it. */
  async #withLog(
    id: PartitionLogId,
    use: (log: SegmentedPartitionLog) => Promise<void> | void,
  ): Promise<void> {
    const slot = this.#options.table.get(id)
    if (slot === undefined) return
    this.#options.touch(slot.id)
    slot.log ??= await this.#options.openLog(slot)
    const done = use(slot.log)
    if (done !== undefined) await done
  }
}

/** Names that are not ours are left alone. */
async function removeOrphans({ files, logger, table }: StoreRecoveryOptions): Promise<void> {
  const known = new Set<string>()
  for (const { id } of table.slots()) known.add(topicFolder(id.topicId)).add(partitionFolder(id))
  const remove = async (path: string) => {
    logger.log('info', 'the folder of a deleted partition was removed', { path })
    await files.remove(path)
  }
  for (const topic of await files.list(TOPICS_FOLDER)) {
    const path = `${TOPICS_FOLDER}/${topic.name}`
    if (!topic.isFolder || !/^[0-9a-f]{32}$/.test(topic.name)) continue
    if (!known.has(path)) {
      await remove(path)
      continue
    }
    for (const { name, isFolder } of await files.list(path))
      if (isFolder && /^\d+$/.test(name) && !known.has(`${path}/${name}`))
        await remove(`${path}/${name}`)
  }
}
