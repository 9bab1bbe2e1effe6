/**
 * The topic table, alive: a journal under it, partition logs beside it.
 *
 * Deciding, replaying and journaling happen in one turn. Answers that rest on the table wait for `flushed`, their own
 * records or not. Logs are opened when they are first used; a topic that is deleted meanwhile takes the log with it.
 */

import type { Random } from '../../core/index.ts'
import { uuidBytes } from '../../core/index.ts'
import type { LogStore, PartitionLog, PartitionLogConfig, StateMachine } from '../../log/index.ts'
import { DELAYED_LOG } from '../delayed/delayed-log.ts'
import type { BrokerSettingName } from '../settings/broker-settings.ts'
import type { BrokerConfigTexts } from '../settings/describe.ts'
import { partitionLogConfig } from '../settings/topic-configs.ts'
import type {
  CreateTopic,
  ManualAssignment,
  Topic,
  TopicDecision,
  TopicRequest,
  TopicTable,
} from './topic-table.ts'
import { decodeTopicRecord, encodeTopicRecord } from './topic-records.ts'
import type { TopicRecord } from './topic-records.ts'

const MACHINE = 'topics'

/** The table as a machine of the journal. */
export function topicMachine(table: TopicTable): StateMachine {
  return {
    name: MACHINE,
    replay: (bytes) => table.replay(decodeTopicRecord(bytes)),
    *snapshot() {
      for (const record of table.snapshot()) yield encodeTopicRecord(record)
    },
  }
}

export interface TopicServiceOptions {
  readonly table: TopicTable
  readonly logs: LogStore
  readonly random: Random
  /** Broker settings that were given at the start, as text. */
  readonly given: ReadonlyMap<BrokerSettingName, string>
  /** Told after a topic is gone, so that its offsets go with it. */
  readonly onDeleted: (topic: Topic) => void
  readonly fail: (error: Error) => void
}

/** What CreateTopics says of one topic, ids aside. */
export interface NewTopic {
  readonly name: string
  readonly partitionCount: number
  readonly replicationFactor: number
  readonly assignments: readonly ManualAssignment[]
  readonly configs: readonly { readonly name: string; readonly value: string | null }[]
}

interface OpeningWaiter {
  readonly ready: (log: PartitionLog | null) => void
  readonly failed: (error: unknown) => void
}

export class TopicService {
  readonly #options: TopicServiceOptions
  /** Open logs by topic id; a partition that is not open yet is a hole. */
  readonly #open = new Map<string, (PartitionLog | undefined)[]>()
  /** Who waits for a log that is being opened, in the order of their calls. */
  readonly #opening = new Map<string, OpeningWaiter[]>()
  /** What logs are told, by the topic's configs and those of the broker: each is a new object when it changes. */
  readonly #logConfigs = new WeakMap<object, { broker: object; config: PartitionLogConfig }>()

  constructor(options: TopicServiceOptions) {
    this.#options = options
  }

  get table(): Omit<TopicTable, 'handle' | 'replay' | 'snapshot'> {
    return this.#options.table
  }

  get clusterId(): string {
    return this.#options.table.clusterId ?? ''
  }

  get brokerConfigs(): BrokerConfigTexts {
    return { given: this.#options.given, dynamic: this.#options.table.brokerConfigs }
  }

  /** What a folder's first start decides: the id of the cluster and, as a fresh Kafka has it, one dynamic default. */
  nameCluster(): void {
    if (this.#options.table.clusterId !== null) return
    this.#append([
      { kind: 'cluster-named', clusterId: newUuid(this.#options.random) },
      { kind: 'broker-configured', configs: [['min.insync.replicas', '1']] },
    ])
  }

  /**
   * Finishes deletions that a crash cut in two: a topic's end and that of its logs are separate records.
   * Call once at the start.
   */
  async removeOrphans(): Promise<void> {
    const { logs } = this.#options
    for (const { topicId, partition } of logs.partitions())
      if (topicId !== DELAYED_LOG.topicId && !this.#has(topicId, partition))
        await logs.deletePartition({ topicId, partition })
  }

  create(topic: NewTopic, validateOnly: boolean): TopicDecision {
    const request: CreateTopic = { kind: 'create', topicId: this.#newTopicId(), ...topic }
    return this.decide(request, validateOnly)
  }

  /** Makes a topic with the defaults because a client asked for it. */
  createOnDemand(name: string): TopicDecision {
    const defaults = { partitionCount: -1, replicationFactor: -1, assignments: [], configs: [] }
    return this.create({ name, ...defaults }, false)
  }

  /** Decides, and unless it is only a question makes it so. The answer may leave after `flushed`. */
  decide(request: TopicRequest, validateOnly = false): TopicDecision {
    const decision = this.#options.table.handle(request)
    if (!validateOnly && decision.records.length > 0) {
      this.#append(decision.records)
      this.#carryOut(request, decision)
    }
    return decision
  }

  flushed(): Promise<void> {
    return this.#options.logs.flushed()
  }

  /** The topic of a name or, where there is one, of an id. */
  find(name: string, topicId: string | null): Topic | undefined {
    const { table } = this.#options
    return topicId === null ? table.byName(name) : table.byId(topicId)
  }

  /** The partition's log when it is open already: no promise on the hot path. */
  openLog(topic: Topic, partition: number): PartitionLog | undefined {
    return this.#open.get(topic.topicId)?.[partition]
  }

  /** The partition's log; null when the topic has no such partition (any more). */
  async log(topic: Topic, partition: number): Promise<PartitionLog | null> {
    return this.withLog(topic, partition, (log) => log)
  }

  /**
   * Hands the partition's log to `use` and answers what that answers: at once when the log is open, else when it is.
   * Calls keep their order: who waited has had the log before anybody finds it open.
   */
  withLog<Result>(
    topic: Topic,
    partition: number,
    use: (log: PartitionLog | null) => Result,
  ): Result | Promise<Result> {
    const open = this.openLog(topic, partition)
    if (open !== undefined) return use(open)
    if (!this.#has(topic.topicId, partition)) return use(null)
    const waiting = this.#waitingFor(topic.topicId, partition)
    return new Promise((resolve, failed) => {
      waiting.push({
        ready: (log) => {
          try {
            resolve(use(log))
          } catch (error) {
            failed(error)
          }
        },
        failed,
      })
    })
  }

  /** Opens what is not open yet, one after another: retention looks at every partition. */
  async openAll(signal: AbortSignal): Promise<void> {
    for (const topic of this.#options.table.topics())
      for (let partition = 0; partition < topic.partitionCount; partition++) {
        if (signal.aborted) return
        await this.log(topic, partition)
      }
  }

  #append(records: readonly TopicRecord[]): void {
    const { table, logs } = this.#options
    logs.appendMetadata(MACHINE, records.map(encodeTopicRecord))
    for (const record of records) table.replay(record)
  }

  #carryOut(request: TopicRequest, { topic }: TopicDecision): void {
    switch (request.kind) {
      case 'create':
      case 'add-partitions':
        return
      case 'delete':
        if (topic !== null) this.#deleteLogs(topic)
        return
      case 'configure-topic':
        if (topic !== null) this.#configure(topic)
        return
      case 'configure-broker':
        for (const each of this.#options.table.topics()) this.#configure(each)
        return
    }
  }

  #deleteLogs(topic: Topic): void {
    const { logs, fail, onDeleted } = this.#options
    this.#open.delete(topic.topicId)
    for (let partition = 0; partition < topic.partitionCount; partition++)
      logs.deletePartition({ topicId: topic.topicId, partition }).catch(fail)
    onDeleted(topic)
  }

  #configure(topic: Topic): void {
    const config = this.configOf(topic)
    for (const log of this.#open.get(topic.topicId) ?? []) log?.configure(config)
  }

  /** What the topic's logs are told. */
  configOf({ configs }: Topic): PartitionLogConfig {
    const { given, table } = this.#options
    const { brokerConfigs } = table
    const known = this.#logConfigs.get(configs)
    if (known?.broker === brokerConfigs) return known.config
    const broker = new Map([...given, ...brokerConfigs]) as ReadonlyMap<BrokerSettingName, string>
    const config = partitionLogConfig(configs, broker)
    this.#logConfigs.set(configs, { broker: brokerConfigs, config })
    return config
  }

  #waitingFor(topicId: string, partition: number): OpeningWaiter[] {
    const key = `${topicId}/${partition}`
    const known = this.#opening.get(key)
    if (known !== undefined) return known
    const waiting: OpeningWaiter[] = []
    this.#opening.set(key, waiting)
    this.#openLog(topicId, partition, (log) => {
      this.#opening.delete(key)
      for (const { ready } of waiting) ready(log)
    }).catch((error: unknown) => {
      this.#opening.delete(key)
      for (const { failed } of waiting) failed(error)
    })
    return waiting
  }

  /** From the turn in which the log can be found, `opened` is told; null when the topic was deleted meanwhile. */
  async #openLog(
    topicId: string,
    partition: number,
    opened: (log: PartitionLog | null) => void,
  ): Promise<void> {
    const { logs, table } = this.#options
    const topic = table.byId(topicId)
    if (topic === undefined) return opened(null)
    const log = await logs.openPartition({ topicId, partition }, this.configOf(topic))
    const current = table.byId(topicId)
    if (current === undefined) {
      // What the open made goes as well.
      await logs.deletePartition({ topicId, partition })
      return opened(null)
    }
    if (current.configs !== topic.configs) log.configure(this.configOf(current))
    const open = this.#open.get(topicId) ?? []
    open[partition] = log
    this.#open.set(topicId, open)
    opened(log)
  }

  #has(topicId: string, partition: number): boolean {
    const topic = this.#options.table.byId(topicId)
    return topic !== undefined && partition >= 0 && partition < topic.partitionCount
  }

  /** Kafka's tools take an id that begins with a dash for an option. */
  #newTopicId(): string {
    for (;;) {
      const topicId = newUuid(this.#options.random)
      if (!topicId.startsWith('-') && this.#options.table.byId(topicId) === undefined)
        return topicId
    }
  }
}

/** A random UUID as Kafka writes it: 22 characters of base64url. */
export function newUuid(random: Random): string {
  return Buffer.from(uuidBytes(random)).toString('base64url')
}
