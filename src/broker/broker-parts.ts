/**
 * What a broker is made of, below its listener: the log store with its machines, and the services over them.
 *
 *   files ─▶ log store (replays the machines: topics, groups, producer ids) ─▶ services ─▶ context of the handlers
 */

import type { Logger } from '../core/index.ts'
import {
  BufferPool,
  messageOf,
  randomBelow,
  silentLogger,
  systemClock,
  systemRandom,
  systemTimers,
  uuidText,
} from '../core/index.ts'
import type { MigrationPolicy } from '../group/index.ts'
import { GroupCoordinator } from '../group/index.ts'
import type { FileStore, LogStore } from '../log/index.ts'
import { NodeFileStore, openLogStore } from '../log/index.ts'
import type { BrokerOptions, CheckedOptions } from './broker-options.ts'
import type { BrokerContext } from './context.ts'
import { DeliveryService } from './delivery/delivery-service.ts'
import { ensureReceiptKey, receiptMachine, ReceiptKey } from './delivery/receipt-handle.ts'
import { type DelayedLimits, delayedMachine, DelayedService } from './delayed/delayed-service.ts'
import { DelayedTable } from './delayed/delayed-table.ts'
import { FetchSessions } from './fetch/fetch-session.ts'
import { groupMachine, GroupService } from './group-service.ts'
import { MemoryFileStore } from './memory-file-store.ts'
import { producerIdMachine, ProducerIdService, ProducerIdTable } from './producer-ids.ts'
import type { BrokerSettings } from './settings/broker-settings.ts'
import { brokerConfigRules, topicDefaultRules } from './settings/config-rules.ts'
import {
  consumerGroupConfig,
  groupConfigRules,
  shareGroupConfig,
} from './settings/group-configs.ts'
import { topicMachine, TopicService } from './topics/topic-service.ts'
import { ShareService } from './share/share-service.ts'
import { type Topic, TopicTable } from './topics/topic-table.ts'

/** Journal bytes before a checkpoint when the journal lives in memory. */
const MEMORY_CHECKPOINT_BYTES = 16 * 1_048_576

/** A broker without a listener. */
export interface BrokerParts {
  readonly context: BrokerContext
  readonly failure: Failure
}

/** The first thing that went wrong for good, told once. */
export class Failure {
  readonly promise: Promise<never>
  readonly #reject: (error: Error) => void
  readonly #logger: Logger
  #happened = false
  #listener: () => void = () => {}

  constructor(logger: Logger) {
    const { promise, reject } = Promise.withResolvers<never>()
    // Who does not look at it still has the log line and the closed port.
    promise.catch(() => {})
    this.promise = promise
    this.#reject = reject
    this.#logger = logger
  }

  get happened(): boolean {
    return this.#happened
  }

  fail(error: unknown): void {
    if (this.#happened) return
    this.#happened = true
    this.#logger.log('error', 'the broker cannot go on and stops', { error: messageOf(error) })
    this.#reject(error instanceof Error ? error : new Error(messageOf(error)))
    this.#listener()
  }

  onFailure(listener: () => void): void {
    this.#listener = listener
    if (this.#happened) listener()
  }
}

/** Opens everything below the listener; when it resolves, all is recovered. */
export async function openParts(
  options: BrokerOptions,
  checked: CheckedOptions,
): Promise<BrokerParts> {
  const { settings, given } = checked
  const { clock = systemClock, timers = systemTimers, random = systemRandom } = options
  const { logger = silentLogger } = options
  const failure = new Failure(logger)
  const fail = (error: Error) => failure.fail(error)
  const brokerTexts = () => new Map<string, string>([...given, ...table.brokerConfigs])
  const table: TopicTable = new TopicTable({
    defaultPartitionCount: settings.numPartitions,
    maxPartitions: settings.shoalMaxPartitions,
    topicConfigRules: topicDefaultRules(brokerTexts),
    brokerConfigRules: brokerConfigRules(given),
    groupConfigRules: groupConfigRules(settings),
  })
  const coordinator = newCoordinator(settings, table, (prefix) => `${prefix}-${uuidText(random)}`)
  const producers = new ProducerIdTable()
  const delayedTable = new DelayedTable()
  const receipts = new ReceiptKey()
  const buffers = new BufferPool()
  const logs = await openLogs(options, settings, {
    buffers,
    clock,
    timers,
    random,
    logger,
    machines: [
      topicMachine(table),
      groupMachine(coordinator),
      producerIdMachine(producers),
      receiptMachine(receipts),
      delayedMachine(delayedTable),
    ],
    fail,
  })
  let delayed: DelayedService | null = null
  const groups = new GroupService({ coordinator, logs, clock, timers, fail })
  const onDeleted = (topic: Topic) => {
    groups.topicDeleted(topic)
    delayed?.topicDeleted(topic)
  }
  const topics = new TopicService({ table, logs, random, given, onDeleted, fail })
  topics.nameCluster()
  await topics.removeOrphans()
  groups.start()
  ensureReceiptKey(receipts, logs, random)
  const deliveries = new DeliveryService({
    groups,
    topics,
    receipts,
    logs,
    settings,
    clock,
    timers,
    logger,
    fail,
  })
  deliveries.start()
  const producerIds = new ProducerIdService(producers, logs)
  delayed = await DelayedService.open({
    table: delayedTable,
    logs,
    topics,
    producerIds,
    clock,
    timers,
    logger,
    limits: delayedLimits(settings),
    fail,
  })
  const { advertised, data } = options
  const context: BrokerContext = {
    settings,
    topics,
    groups,
    deliveries,
    producerIds,
    delayed,
    shares: new ShareService({
      deliveries,
      topics,
      maxSessions: settings.groupShareMaxShareSessions,
      fail,
    }),
    fetchSessions: new FetchSessions({
      slots: settings.maxIncrementalFetchSessionCacheSlots,
      newId: () => 1 + randomBelow(random, 2 ** 31 - 2),
    }),
    logs,
    buffers,
    clock,
    timers,
    random,
    logger,
    dataName: data ?? 'memory',
    advertised: (listenerAddress) => advertised ?? listenerAddress,
  }
  return { context, failure }
}

function delayedLimits(settings: BrokerSettings): DelayedLimits {
  return {
    maxDelayMs: settings.shoalDelayedMaxMs,
    maxRecords: settings.shoalDelayedMaxRecords,
    maxBytes: settings.shoalDelayedMaxBytes,
    // A record is never larger than the request that brought it, but for its header.
    maxMessageBytes: settings.socketRequestMaxBytes + 4_096,
  }
}

function newCoordinator(
  settings: BrokerSettings,
  table: TopicTable,
  newMemberId: (prefix: string) => string,
): GroupCoordinator {
  return new GroupCoordinator({
    newMemberId,
    topics: table,
    groupMinSessionTimeoutMs: settings.groupMinSessionTimeoutMs,
    groupMaxSessionTimeoutMs: settings.groupMaxSessionTimeoutMs,
    groupInitialRebalanceDelayMs: settings.groupInitialRebalanceDelayMs,
    groupMaxSize: settings.groupMaxSize,
    groupConsumerMaxSize: settings.groupConsumerMaxSize,
    groupConsumerMigrationPolicy: settings.groupConsumerMigrationPolicy as MigrationPolicy,
    consumerGroupConfig: (groupId) => consumerGroupConfig(table.groupConfigs(groupId), settings),
    groupShareMaxSize: settings.groupShareMaxSize,
    shareGroupConfig: (groupId) => shareGroupConfig(table.groupConfigs(groupId), settings),
    groupTimelineEntries: settings.shoalGroupTimelineEntries,
    groupTimelineRows: settings.shoalGroupTimelineRows,
    offsetMetadataMaxBytes: settings.offsetMetadataMaxBytes,
    offsetsRetentionMs: settings.offsetsRetentionMinutes * 60_000,
    offsetsRetentionCheckIntervalMs: settings.offsetsRetentionCheckIntervalMs,
  })
}

async function openLogs(
  options: BrokerOptions,
  settings: BrokerSettings,
  ports: Omit<Parameters<typeof openLogStore>[0], 'files'>,
): Promise<LogStore> {
  const { files, data } = options
  const isKept = files !== undefined || (data !== undefined && data !== null)
  return openLogStore({
    files: await openFiles(options, settings),
    flushPolicy: settings.shoalFlushPolicy as 'group' | 'os' | 'none',
    flushIntervalMs: settings.shoalFlushIntervalMs,
    memoryBytes: settings.shoalLogMemoryBytes,
    directWriteBytes: settings.shoalDirectWriteBytes,
    maxDirectSegments: settings.shoalDirectWriteSegments,
    producerIdExpirationMs: settings.producerIdExpirationMs,
    // Memory needs no room held back, and a journal in it costs twice.
    ...(isKept ? {} : { checkpointBytes: MEMORY_CHECKPOINT_BYTES, reserveBytes: 0 }),
    ...ports,
  })
}

async function openFiles(
  { files, data }: BrokerOptions,
  settings: BrokerSettings,
): Promise<FileStore> {
  if (files !== undefined) return files
  if (data === undefined || data === null) return new MemoryFileStore()
  return NodeFileStore.open(data, { uncachedWrites: !settings.shoalDirectWriteCached })
}
