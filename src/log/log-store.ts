/**
 * A data folder, alive: opens and recovers it, hands out partition logs, takes checkpoints, closes.
 *
 * Checkpoint, in this order: in one turn, the state of all machines and partitions and a cut of the journal; the journal
 * flushed up to the cut; segment files synced; the checkpoint written and durable; the journal before the cut removed.
 * A crash anywhere leaves the older checkpoint and all of the journal it needs. On a full disk a checkpoint comes to nothing
 * and is tried again; any other failure ends the store.
 * Files of partitions are removed and checkpointed one after the other, never at once.
 */

import { assertInvariant, messageOf, ShoalError, type Timer } from '../core/index.ts'
import { CheckpointDraft, removeOtherCheckpoints, writeCheckpoint } from './checkpoint-file.ts'
import {
  openDataFolder,
  partitionFolder,
  readFormat,
  topicFolder,
  TOPICS_FOLDER,
} from './data-folder.ts'
import { DurableMark } from './durable-mark.ts'
import { FileCache } from './file-cache.ts'
import { Journal } from './journal.ts'
import {
  encodeMachineHead,
  encodePartition,
  encodePartitionEntry,
  EntryKind,
} from './journal-entry.ts'
import type { CoveringCut } from './journal-round.ts'
import { LogMemory } from './log-memory.ts'
import type {
  LogStore,
  LogStoreOptions,
  PartitionLog,
  PartitionLogConfig,
  PartitionLogId,
  StateMachine,
} from './log.ts'
import type { PartitionCheckpoint } from './partition-checkpoint.ts'
import { SegmentedPartitionLog } from './partition-log.ts'
import { encodeSlot, type PartitionSlot, PartitionTable } from './partition-table.ts'
import { isFull, isOutOfFiles, SpaceReserve } from './space-reserve.ts'
import { recoverStore } from './store-recovery.ts'

const DEFAULTS = {
  flushPolicy: 'group',
  flushIntervalMs: 1_000,
  checkpointBytes: 256 * 1024 * 1024,
  checkpointIdleMs: 30_000,
  journalFileBytes: 64 * 1024 * 1024,
  journalRoomBytes: 64 * 1024,
  reserveBytes: 4 * 1024 * 1024,
  maxOpenFiles: 1_000,
  memoryBytes: 64 * 1024 * 1024,
  directWriteBytes: 512 * 1024,
  maxDirectSegments: 16,
} as const

/**
 * Opens the folder behind `options.files`, making it when it is new, and replays what it holds into `options.machines`.
 *
 * @throws ShoalError SHOAL_FOLDER_LOCKED when somebody works on it, SHOAL_FOLDER_FORMAT when a newer version wrote it,
 * SHOAL_STORAGE_CORRUPT when the journal or both copies of the checkpoint are damaged.
 */
export async function openLogStore(options: LogStoreOptions): Promise<LogStore> {
  // Before the lock, which leaves a trace: a folder of a newer version is not touched.
  await readFormat(options.files)
  const lock = await options.files.lock()
  try {
    return await JournaledLogStore.open(options, lock)
  } catch (error) {
    await lock.release()
    throw error
  }
}

type Settings = LogStoreOptions & Required<Pick<LogStoreOptions, keyof typeof DEFAULTS>>

interface Folder {
  readonly lock: { release(): Promise<void> }
  readonly storeId: Uint8Array
  readonly reserve: SpaceReserve
  readonly mark: DurableMark
}

class JournaledLogStore implements LogStore {
  readonly #settings: Settings
  readonly #folder: Folder
  readonly #machines: ReadonlyMap<string, StateMachine>
  readonly #table = new PartitionTable()
  readonly #journal: Journal
  readonly #cache: FileCache
  readonly #memory: LogMemory
  /** Checkpoints and removals, one after the other. */
  #work: Promise<void> = Promise.resolve()
  #checkpointWaits = false
  /** Journal bytes at which the next checkpoint is due. */
  #checkpointAtBytes: number
  #idleTimer: Timer | null = null
  #lastWriteMs = 0
  #closing: Promise<void> | null = null

  static async open(options: LogStoreOptions, lock: Folder['lock']): Promise<JournaledLogStore> {
    const settings = { ...DEFAULTS, ...withoutUndefined(options) }
    const { files, logger, random, reserveBytes } = settings
    const storeId = await openDataFolder(files, random)
    const reserve = await SpaceReserve.open(files, reserveBytes)
    const mark = await DurableMark.open(files, storeId, logger)
    const store = new JournaledLogStore(settings, { lock, storeId, reserve, mark })
    try {
      await store.#recover()
    } catch (error) {
      await store.#letGo()
      throw error
    }
    return store
  }

  private constructor(settings: Settings, folder: Folder) {
    this.#settings = settings
    this.#folder = folder
    this.#checkpointAtBytes = settings.checkpointBytes
    const { files, timers, logger, machines, maxOpenFiles, memoryBytes } = settings
    this.#machines = new Map(machines.map((machine) => [machine.name, machine]))
    assertInvariant(this.#machines.size === machines.length, 'two state machines have one name')
    this.#cache = new FileCache({ files, limit: maxOpenFiles })
    this.#memory = new LogMemory({ limitBytes: memoryBytes })
    this.#journal = new Journal({
      files,
      timers,
      logger,
      storeId: folder.storeId,
      policy: settings.flushPolicy,
      flushIntervalMs: settings.flushIntervalMs,
      fileBytes: settings.journalFileBytes,
      roomBytes: settings.journalRoomBytes,
      spareFiles: Math.ceil(settings.checkpointBytes / settings.journalFileBytes),
      reserve: folder.reserve,
      mark: folder.mark,
      directWrites: settings,
      grown: (bytes) => this.#journalGrew(bytes),
      fail: (error) => settings.fail(error),
    })
  }

  async #recover(): Promise<void> {
    const { files, logger } = this.#settings
    const { storeId, mark, reserve } = this.#folder
    // Redoing may need space on a disk that is full.
    await reserve.release()
    const { end, replayedBytes, checkpoint } = await recoverStore({
      files,
      logger,
      storeId,
      durable: mark.found,
      machines: this.#machines,
      table: this.#table,
      openLog: (slot) => this.#openLog(slot),
      touch: (id) => this.#journal.touch(id),
    })
    await this.#journal.begin(end, replayedBytes)
    for (const { log } of this.#table.slots()) await log?.finishRecovery()
    if (checkpoint.impaired) await this.#checkpointInTurn()
    else await this.#removeReplaced({ fileNumber: checkpoint.cut.fileNumber, coveredBytes: 0 })
    if (replayedBytes > 0) this.#journalGrew(replayedBytes)
  }

  async openPartition(id: PartitionLogId, config: PartitionLogConfig): Promise<PartitionLog> {
    this.#refuseWhenClosing()
    encodePartition(id)
    const known = this.#table.get(id)
    const slot =
      known ??
      this.#table.add({
        id: { topicId: id.topicId, partition: id.partition },
        config,
        state: null,
        isNew: true,
      })
    slot.config = config
    if (known === undefined) this.#journal.appendOpened(slot.id, { ...config })
    if (slot.log !== null) {
      slot.log.configure(config)
      return slot.log
    }
    slot.opening ??= this.#openLive(slot)
    return slot.opening
  }

  partition(id: PartitionLogId): PartitionLog | undefined {
    return this.#table.get(id)?.log ?? undefined
  }

  partitions(): readonly PartitionLogId[] {
    return Array.from(this.#table.slots(), (slot) => slot.id)
  }

  async deletePartition(id: PartitionLogId): Promise<void> {
    this.#refuseWhenClosing()
    const slot = this.#table.get(id)
    if (slot === undefined) return
    this.#table.delete(id)
    this.#journal.appendDeleted(slot.id)
    await this.#journal.flushed()
    await this.#inTurn(async () => {
      await slot.opening
      await slot.log?.close()
      await this.#settings.files.remove(partitionFolder(slot.id))
    })
  }

  appendMetadata(machine: string, records: readonly Uint8Array[]): void {
    assertInvariant(this.#machines.has(machine), () => `there is no state machine ${machine}`)
    this.#journal.appendMachine(machine, records)
  }

  flushed(): Promise<void> {
    return this.#journal.flushed()
  }

  sizeOf(id: PartitionLogId): number {
    const slot = this.#table.get(id)
    if (slot?.log != null) return slot.log.sizeBytes
    return slot?.state?.segments.reduce((sum, { size }) => sum + size, 0) ?? 0
  }

  async applyRetention(): Promise<void> {
    for (const { log } of this.#table.slots())
      await log?.applyRetention(this.#settings.clock.wallMs())
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#idleTimer?.cancel()
    try {
      const flushed = await this.#journal.settle()
      await this.#work
      if (flushed && this.#journal.untrimmedBytes > 0) await this.#checkpointInTurn()
    } finally {
      await this.#letGo()
    }
  }

  /** Lets go of everything as it is, the lock last, whatever refuses on the way. */
  async #letGo(): Promise<void> {
    await using stack = new AsyncDisposableStack()
    const { lock, mark, reserve } = this.#folder
    stack.defer(() => lock.release())
    stack.defer(() => mark.close())
    stack.defer(() => reserve.close())
    stack.defer(() => this.#journal.close())
    for (const slot of this.#table.slots())
      stack.defer(async () => {
        await slot.opening
        await slot.log?.close()
      })
  }

  #openLog(slot: PartitionSlot): Promise<SegmentedPartitionLog> {
    const { files, clock, logger, buffers, producerIdExpirationMs } = this.#settings
    return SegmentedPartitionLog.open({
      files: this.#cache,
      store: files,
      folder: partitionFolder(slot.id),
      id: slot.id,
      config: slot.config,
      clock,
      logger,
      journal: this.#journal,
      memory: this.#memory,
      buffers,
      limits: producerIdExpirationMs === undefined ? {} : { producerIdExpirationMs },
      checkpoint: slot.state,
    })
  }

  async #openLive(slot: PartitionSlot): Promise<SegmentedPartitionLog> {
    try {
      const log = await this.#openLog(slot)
      await log.finishRecovery()
      slot.log = log
      return log
    } finally {
      slot.opening = null
    }
  }

  #journalGrew(untrimmedBytes: number): void {
    const { clock, timers, checkpointIdleMs } = this.#settings
    this.#lastWriteMs = clock.monotonicMs()
    // The last flush of a store that closes: its timers are cancelled already.
    if (this.#closing !== null) return
    if (untrimmedBytes >= this.#checkpointAtBytes) this.#checkpointSoon()
    this.#idleTimer ??= timers.schedule(checkpointIdleMs, () => this.#checkpointWhenIdle())
  }

  #checkpointWhenIdle(): void {
    this.#idleTimer = null
    if (this.#closing !== null || this.#journal.failed || this.#journal.untrimmedBytes === 0) return
    const { clock, timers, checkpointIdleMs } = this.#settings
    const restMs = this.#lastWriteMs + checkpointIdleMs - clock.monotonicMs()
    if (restMs <= 0) this.#checkpointSoon()
    this.#idleTimer = timers.schedule(restMs > 0 ? restMs : checkpointIdleMs, () =>
      this.#checkpointWhenIdle(),
    )
  }

  #checkpointSoon(): void {
    if (this.#checkpointWaits || this.#closing !== null) return
    this.#checkpointWaits = true
    this.#checkpointInTurn()
      .catch((error: unknown) => this.#journal.fail(error))
      .finally(() => {
        this.#checkpointWaits = false
      })
  }

  #checkpointInTurn(): Promise<void> {
    return this.#inTurn(async () => {
      const { checkpointBytes } = this.#settings
      const touched = this.#journal.takeTouched()
      try {
        await this.#checkpoint(touched)
        this.#checkpointAtBytes = checkpointBytes
      } catch (error) {
        for (const id of touched) this.#journal.touch(id)
        if (!isFull(error) && !isOutOfFiles(error)) throw error
        // Not again with every write: a part of what usually comes between two, or the idle timer.
        this.#checkpointAtBytes = this.#journal.untrimmedBytes + checkpointBytes / 4
        this.#settings.logger.log('warn', 'no checkpoint was taken, it will be tried again', {
          error: messageOf(error),
        })
      }
    })
  }

  async #checkpoint(touched: ReadonlySet<PartitionLogId>): Promise<void> {
    const { files } = this.#settings
    const { draft, states } = this.#draft(touched)
    const cut = await this.#journal.cut()
    await this.#makeFoldersDurable(states.keys())
    for (const { log } of states.keys()) await log?.syncDirty()
    await writeCheckpoint(files, this.#folder.storeId, cut, draft)
    for (const [slot, state] of states) slot.state = state
    await this.#removeReplaced(cut)
  }

  /** The state of this moment; of partitions that nothing touched, the state that the last checkpoint had. */
  #draft(touched: ReadonlySet<PartitionLogId>) {
    const draft = new CheckpointDraft()
    const states = new Map<PartitionSlot, PartitionCheckpoint | null>()
    for (const machine of this.#machines.values())
      for (const record of machine.snapshot())
        draft.add(encodeMachineHead(machine.name, record.length), [record])
    for (const slot of this.#table.slots()) {
      const isTouched = touched.has(slot.id)
      const state = isTouched && slot.log !== null ? slot.log.checkpoint() : slot.state
      if (isTouched) states.set(slot, state)
      const payload = encodeSlot(slot.config, state)
      draft.add(encodePartitionEntry(EntryKind.partitionState, slot.id, payload))
    }
    return { draft, states }
  }

  async #makeFoldersDurable(slots: Iterable<PartitionSlot>): Promise<void> {
    const { files } = this.#settings
    const topics = new Set<string>()
    for (const slot of slots) {
      if (!slot.isNew) continue
      await files.makeFolder(partitionFolder(slot.id))
      topics.add(topicFolder(slot.id.topicId))
      slot.isNew = false
    }
    for (const topic of topics) await files.syncFolder(topic)
    if (topics.size > 0) await files.syncFolder(TOPICS_FOLDER)
  }

  async #removeReplaced(cut: Omit<CoveringCut, 'sequence'>): Promise<void> {
    await this.#journal.trim(cut)
    await removeOtherCheckpoints(this.#settings.files, cut.fileNumber)
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#work.then(work)
    this.#work = done.catch(() => {})
    return done
  }

  #refuseWhenClosing(): void {
    if (this.#closing !== null) throw new ShoalError('SHOAL_CLOSED', 'the log store is closed')
  }
}

function withoutUndefined(options: LogStoreOptions): LogStoreOptions {
  return Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as unknown as LogStoreOptions
}
