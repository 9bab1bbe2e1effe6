/**
 * Which topics there are: their ids, partitions and configs; and the settings of the broker and of groups that were changed
 * while it ran.
 *
 * Pure: `handle` decides one request and changes nothing, `replay` alone changes the table. Topics are kept by id and by
 * name, in Maps: `__proto__` and `constructor` are legal names.
 *
 * Invariants: ids are never used twice, so a topic that is deleted and made again is another topic; a partition count only
 * grows; two living topics never have names that differ only in `.` and `_`.
 * Not here: logs and offsets of the topics (`topic-service.ts`), and the wire.
 */

import { assertInvariant } from '../../core/index.ts'
import type { KafkaErrorName } from '../../protocol/index.ts'
import type { ChangedConfigs, ConfigChange, ConfigRules } from '../settings/config-changes.ts'
import { changeConfigs, replaceConfigs } from '../settings/config-changes.ts'
import type { TopicConfigs } from '../settings/topic-configs.ts'
import { collisionKey, topicNameProblem } from './topic-name.ts'
import type { ConfigPairs, TopicRecord } from './topic-records.ts'

/** Most partitions that one request may ask for, as in Kafka. */
const MOST_PARTITIONS_A_REQUEST = 10_000

/** Most groups that may have configs of their own. */
const MOST_CONFIGURED_GROUPS = 10_000

const NO_CONFIGS: ReadonlyMap<string, string> = new Map()

export interface Topic {
  readonly topicId: string
  readonly name: string
  readonly partitionCount: number
  readonly configs: TopicConfigs
}

export interface ManualAssignment {
  readonly partitionIndex: number
  readonly brokerIds: readonly number[]
}

export interface CreateTopic {
  readonly kind: 'create'
  /** Random, never used before. */
  readonly topicId: string
  readonly name: string
  /** -1 takes the broker's default. */
  readonly partitionCount: number
  /** -1 takes the broker's default; more than 1 is accepted and served as 1. */
  readonly replicationFactor: number
  readonly assignments: readonly ManualAssignment[]
  readonly configs: readonly { readonly name: string; readonly value: string | null }[]
}

export interface AddPartitions {
  readonly kind: 'add-partitions'
  readonly name: string
  /** How many there shall be. */
  readonly count: number
  /** The brokers of each new partition, or null to leave it to the broker. */
  readonly assignments: readonly { readonly brokerIds: readonly number[] }[] | null
}

export interface ConfigureTopic {
  readonly kind: 'configure-topic'
  readonly name: string
  readonly changes: ConfigChanges
}

export interface ConfigureBroker {
  readonly kind: 'configure-broker'
  readonly changes: ConfigChanges
}

export interface ConfigureGroup {
  readonly kind: 'configure-group'
  readonly groupId: string
  readonly changes: ConfigChanges
}

/** `replace`: what is not named goes back to its default. */
export type ConfigChanges =
  | { readonly kind: 'incremental'; readonly changes: readonly ConfigChange[] }
  | {
      readonly kind: 'replace'
      readonly entries: readonly { readonly name: string; readonly value: string | null }[]
    }

export type TopicRequest =
  | CreateTopic
  | { readonly kind: 'delete'; readonly topicId: string }
  | AddPartitions
  | ConfigureTopic
  | ConfigureBroker
  | ConfigureGroup

export interface TopicDecision {
  readonly errorCode: KafkaErrorName
  readonly errorMessage: string | null
  /** The topic as it will be; null when there is none or the request was refused. */
  readonly topic: Topic | null
  readonly records: readonly TopicRecord[]
}

export interface TopicTableOptions {
  /** `num.partitions`. */
  readonly defaultPartitionCount: number
  /** `shoal.max.partitions`. */
  readonly maxPartitions: number
  readonly topicConfigRules: ConfigRules
  readonly brokerConfigRules: ConfigRules
  readonly groupConfigRules: ConfigRules
}

export class TopicTable {
  readonly #options: TopicTableOptions
  readonly #byId = new Map<string, Topic>()
  readonly #byName = new Map<string, Topic>()
  readonly #collisions = new Map<string, string>()
  #brokerConfigs: ReadonlyMap<string, string> = new Map()
  readonly #groupConfigs = new Map<string, ReadonlyMap<string, string>>()
  #clusterId: string | null = null
  #partitionCount = 0
  #version = 0

  constructor(options: TopicTableOptions) {
    this.#options = options
  }

  /** Null before the first start of a folder is over. */
  get clusterId(): string | null {
    return this.#clusterId
  }

  /** Another number after every change. */
  get version(): number {
    return this.#version
  }

  get topicCount(): number {
    return this.#byId.size
  }

  /** Partitions of all topics together. */
  get partitionCount(): number {
    return this.#partitionCount
  }

  /** Broker settings that were changed while it ran. */
  get brokerConfigs(): ReadonlyMap<string, string> {
    return this.#brokerConfigs
  }

  /** What was set for a group, whether there is such a group or not. */
  groupConfigs(groupId: string): ReadonlyMap<string, string> {
    return this.#groupConfigs.get(groupId) ?? NO_CONFIGS
  }

  byId(topicId: string): Topic | undefined {
    return this.#byId.get(topicId)
  }

  byName(name: string): Topic | undefined {
    return this.#byName.get(name)
  }

  /** Every topic, oldest first. */
  topics(): IterableIterator<Topic> {
    return this.#byId.values()
  }

  handle(request: TopicRequest): TopicDecision {
    switch (request.kind) {
      case 'create':
        return this.#create(request)
      case 'delete':
        return this.#delete(request.topicId)
      case 'add-partitions':
        return this.#addPartitions(request)
      case 'configure-topic':
        return this.#configureTopic(request)
      case 'configure-broker':
        return this.#configureBroker(request)
      case 'configure-group':
        return this.#configureGroup(request)
    }
  }

  replay(record: TopicRecord): void {
    this.#version++
    switch (record.kind) {
      case 'cluster-named':
        assertInvariant(this.#clusterId === null, 'the cluster is named twice')
        this.#clusterId = record.clusterId
        return
      case 'topic-created': {
        const { topicId, name, partitionCount } = record
        assertInvariant(!this.#byId.has(topicId), () => `topic id ${topicId} is used twice`)
        assertInvariant(!this.#byName.has(name), () => `topic ${name} is made twice`)
        this.#put({ topicId, name, partitionCount, configs: configsOf(record.configs) })
        return
      }
      case 'topic-deleted': {
        const topic = this.#existing(record.topicId)
        this.#byId.delete(topic.topicId)
        this.#byName.delete(topic.name)
        this.#collisions.delete(collisionKey(topic.name))
        this.#partitionCount -= topic.partitionCount
        return
      }
      case 'partitions-added': {
        const topic = this.#existing(record.topicId)
        assertInvariant(
          record.partitionCount > topic.partitionCount,
          () => `topic ${topic.name} would lose partitions`,
        )
        this.#put({ ...topic, partitionCount: record.partitionCount })
        return
      }
      case 'topic-configured':
        this.#put({ ...this.#existing(record.topicId), configs: configsOf(record.configs) })
        return
      case 'broker-configured':
        this.#brokerConfigs = new Map(record.configs)
        return
      case 'group-configured':
        if (record.configs.length === 0) this.#groupConfigs.delete(record.groupId)
        else this.#groupConfigs.set(record.groupId, new Map(record.configs))
        return
    }
  }

  *snapshot(): IterableIterator<TopicRecord> {
    if (this.#clusterId !== null) yield { kind: 'cluster-named', clusterId: this.#clusterId }
    if (this.#brokerConfigs.size > 0)
      yield { kind: 'broker-configured', configs: [...this.#brokerConfigs] }
    for (const [groupId, configs] of this.#groupConfigs)
      yield { kind: 'group-configured', groupId, configs: [...configs] }
    for (const topic of this.#byId.values()) yield createdRecord(topic)
  }

  #create(request: CreateTopic): TopicDecision {
    const { name, configs } = request
    const problem = topicNameProblem(name) ?? this.#collisionProblem(name)
    if (problem !== null) return refuse('INVALID_TOPIC_EXCEPTION', problem)
    if (this.#byName.has(name))
      return refuse('TOPIC_ALREADY_EXISTS', `Topic '${name}' already exists.`)
    const size = partitionCountOf(request, this.#options.defaultPartitionCount)
    if (typeof size !== 'number') return size
    const excess = this.#excess(size)
    if (excess !== null) return excess
    const changed = replaceConfigs(configs, this.#options.topicConfigRules)
    if (changed.kind === 'refused') return refuse(changed.errorCode, changed.message)
    const topic: Topic = {
      topicId: request.topicId,
      name,
      partitionCount: size,
      configs: configsOf([...changed.configs]),
    }
    return accept(topic, createdRecord(topic))
  }

  #delete(topicId: string): TopicDecision {
    const topic = this.#byId.get(topicId)
    if (topic === undefined)
      return refuse('UNKNOWN_TOPIC_ID', 'This server does not host this topic ID.')
    return accept(topic, { kind: 'topic-deleted', topicId })
  }

  #addPartitions({ name, count, assignments }: AddPartitions): TopicDecision {
    const topic = this.#byName.get(name)
    if (topic === undefined) return refuseUnknownTopic()
    const added = count - topic.partitionCount
    if (added <= 0)
      return refuse(
        'INVALID_PARTITIONS',
        added === 0
          ? `Topic already has ${count} partition(s).`
          : `The topic ${name} currently has ${topic.partitionCount} partition(s); ${count} would not be an increase.`,
      )
    if (assignments !== null) {
      if (assignments.length !== added)
        return refuse(
          'INVALID_REPLICA_ASSIGNMENT',
          `Attempted to add ${added} additional partition(s), but only ${assignments.length} assignment(s) were specified.`,
        )
      if (!assignments.every((assignment) => isPlausible(assignment.brokerIds)))
        return refuse('INVALID_REPLICA_ASSIGNMENT', IMPLAUSIBLE_BROKERS)
    }
    const excess = this.#excess(added)
    if (excess !== null) return excess
    const grown = { ...topic, partitionCount: count }
    return accept(grown, {
      kind: 'partitions-added',
      topicId: topic.topicId,
      partitionCount: count,
    })
  }

  #configureTopic({ name, changes }: ConfigureTopic): TopicDecision {
    const topic = this.#byName.get(name)
    if (topic === undefined) return refuseUnknownTopic()
    const changed = applied(topic.configs, changes, this.#options.topicConfigRules)
    if (changed.kind === 'refused') return refuse(changed.errorCode, changed.message)
    const configs = [...changed.configs]
    return accept(
      { ...topic, configs: configsOf(configs) },
      { kind: 'topic-configured', topicId: topic.topicId, configs },
    )
  }

  #configureBroker({ changes }: ConfigureBroker): TopicDecision {
    const changed = applied(this.#brokerConfigs, changes, this.#options.brokerConfigRules)
    if (changed.kind === 'refused') return refuse(changed.errorCode, changed.message)
    return accept(null, { kind: 'broker-configured', configs: [...changed.configs] })
  }

  #configureGroup({ groupId, changes }: ConfigureGroup): TopicDecision {
    if (groupId === '') return refuse('INVALID_REQUEST', 'Default group resources are not allowed.')
    const before = this.groupConfigs(groupId)
    if (before.size === 0 && this.#groupConfigs.size >= MOST_CONFIGURED_GROUPS)
      return refuse(
        'POLICY_VIOLATION',
        `${MOST_CONFIGURED_GROUPS} groups have configs of their own, more may not.`,
      )
    const changed = applied(before, changes, this.#options.groupConfigRules)
    if (changed.kind === 'refused') return refuse(changed.errorCode, changed.message)
    return accept(null, { kind: 'group-configured', groupId, configs: [...changed.configs] })
  }

  #collisionProblem(name: string): string | null {
    const other = this.#collisions.get(collisionKey(name))
    if (other === undefined || other === name) return null
    return `Topic '${name}' collides with existing topic: ${other}`
  }

  #excess(added: number): TopicDecision | null {
    if (added > MOST_PARTITIONS_A_REQUEST)
      return refuse(
        'POLICY_VIOLATION',
        `Excessively large number of partitions per request: ${added} is more than ${MOST_PARTITIONS_A_REQUEST}.`,
      )
    const { maxPartitions } = this.#options
    if (this.#partitionCount + added <= maxPartitions) return null
    return refuse(
      'POLICY_VIOLATION',
      `The broker would have more than ${maxPartitions} partitions, its setting shoal.max.partitions.`,
    )
  }

  #put(topic: Topic): void {
    this.#partitionCount +=
      topic.partitionCount - (this.#byId.get(topic.topicId)?.partitionCount ?? 0)
    this.#byId.set(topic.topicId, topic)
    this.#byName.set(topic.name, topic)
    this.#collisions.set(collisionKey(topic.name), topic.name)
  }

  #existing(topicId: string): Topic {
    const topic = this.#byId.get(topicId)
    assertInvariant(topic !== undefined, () => `there is no topic with the id ${topicId}`)
    return topic
  }
}

const IMPLAUSIBLE_BROKERS =
  'A manual assignment names at least one broker for each partition, none twice and none negative.'

function partitionCountOf(request: CreateTopic, defaultCount: number): number | TopicDecision {
  const { partitionCount, replicationFactor, assignments } = request
  if (assignments.length > 0) return assignedCount(request)
  if (partitionCount === 0 || partitionCount < -1)
    return refuse(
      'INVALID_PARTITIONS',
      'Number of partitions was set to an invalid non-positive value.',
    )
  if (replicationFactor === 0 || replicationFactor < -1)
    return refuse(
      'INVALID_REPLICATION_FACTOR',
      'Replication factor must be larger than 0, or -1 to use the default value.',
    )
  return partitionCount === -1 ? defaultCount : partitionCount
}

function assignedCount(request: CreateTopic): number | TopicDecision {
  const { partitionCount, replicationFactor, assignments } = request
  if (replicationFactor !== -1)
    return refuse(
      'INVALID_REQUEST',
      'A manual partition assignment was specified, but replication factor was not set to -1.',
    )
  if (partitionCount !== -1)
    return refuse(
      'INVALID_REQUEST',
      'A manual partition assignment was specified, but numPartitions was not set to -1.',
    )
  const indexes = new Set(assignments.map((assignment) => assignment.partitionIndex))
  const consecutive = assignments.every((_, index) => indexes.has(index))
  if (indexes.size !== assignments.length || !consecutive)
    return refuse(
      'INVALID_REPLICA_ASSIGNMENT',
      'partitions should be a consecutive 0-based integer sequence',
    )
  if (!assignments.every((assignment) => isPlausible(assignment.brokerIds)))
    return refuse('INVALID_REPLICA_ASSIGNMENT', IMPLAUSIBLE_BROKERS)
  return assignments.length
}

function isPlausible(brokerIds: readonly number[]): boolean {
  const distinct = new Set(brokerIds)
  return distinct.size > 0 && distinct.size === brokerIds.length && brokerIds.every((id) => id >= 0)
}

function applied(
  current: ReadonlyMap<string, string>,
  changes: ConfigChanges,
  rules: ConfigRules,
): ChangedConfigs {
  return changes.kind === 'replace'
    ? replaceConfigs(changes.entries, rules)
    : changeConfigs(current, changes.changes, rules)
}

/** Every name was checked when it was set. */
function configsOf(pairs: ConfigPairs): TopicConfigs {
  return new Map(pairs) as TopicConfigs
}

function createdRecord({ topicId, name, partitionCount, configs }: Topic): TopicRecord {
  return { kind: 'topic-created', topicId, name, partitionCount, configs: [...configs] }
}

function accept(topic: Topic | null, record: TopicRecord): TopicDecision {
  return { errorCode: 'NONE', errorMessage: null, topic, records: [record] }
}

function refuse(errorCode: KafkaErrorName, errorMessage: string): TopicDecision {
  return { errorCode, errorMessage, topic: null, records: [] }
}

function refuseUnknownTopic(): TopicDecision {
  return refuse('UNKNOWN_TOPIC_OR_PARTITION', 'This server does not host this topic-partition.')
}
