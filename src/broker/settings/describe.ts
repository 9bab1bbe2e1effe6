/**
 * Configs as DescribeConfigs and CreateTopics show them: value, where it comes from, and what it would be without that.
 *
 * Precedence, best first: the topic's own (1), changed while running (2 asked by broker id, 3 as the cluster's default), given
 * at the start (4), default (5). The same order is that of the synonyms.
 */

import type { BrokerSettingName } from './broker-settings.ts'
import { brokerSettingTable } from './broker-settings.ts'
import type { SettingDefinition, SettingType } from './definition.ts'
import { type GroupConfigDefinition, groupConfigTable } from './group-configs.ts'
import type { TopicConfigDefinition, TopicConfigName, TopicConfigs } from './topic-configs.ts'
import { topicConfigTable } from './topic-configs.ts'

export const ConfigSource = {
  group: 8,
  topic: 1,
  dynamicBroker: 2,
  dynamicDefaultBroker: 3,
  staticBroker: 4,
  default: 5,
} as const

const typeNumbers: Readonly<Record<SettingType, number>> = {
  boolean: 1,
  string: 2,
  int: 3,
  long: 5,
  double: 6,
  list: 7,
}

export interface DescribedConfig {
  readonly name: string
  readonly value: string
  readonly readOnly: boolean
  readonly configSource: number
  readonly isSensitive: boolean
  readonly synonyms: readonly ConfigSynonym[]
  readonly configType: number
  readonly documentation: string
}

export interface ConfigSynonym {
  readonly name: string
  readonly value: string
  readonly source: number
}

/** The texts that the broker has for its settings, apart by where they come from. */
export interface BrokerConfigTexts {
  readonly given: ReadonlyMap<BrokerSettingName, string>
  readonly dynamic: ReadonlyMap<string, string>
}

/** Kafka shows no default for these, since its own default is under another name (`log.retention.hours`). */
const withoutDefaultSynonym: ReadonlySet<TopicConfigName> = new Set(['retention.ms', 'segment.ms'])

/** Every config of a topic, in Kafka's order; of ours those that are set. */
export function describeTopicConfigs(
  own: TopicConfigs,
  broker: BrokerConfigTexts,
): readonly DescribedConfig[] {
  return Object.entries<TopicConfigDefinition>(topicConfigTable)
    .filter(([key, { isOurs }]) => isOurs !== true || own.has(key as TopicConfigName))
    .map(([key, definition]) =>
      describeTopicConfig(key as TopicConfigName, definition, own, broker),
    )
}

/**
 * The broker's settings, all by its id; for the cluster's default (name '') only those that were changed while running.
 */
export function describeBrokerConfigs(
  { given, dynamic }: BrokerConfigTexts,
  asked: 'broker' | 'cluster-default',
): readonly DescribedConfig[] {
  const dynamicSource =
    asked === 'broker' ? ConfigSource.dynamicBroker : ConfigSource.dynamicDefaultBroker
  return Object.entries(brokerSettingTable)
    .filter(([name]) => asked === 'broker' || dynamic.has(name))
    .map(([key, definition]) => {
      const name = key as BrokerSettingName
      const synonyms = [
        ...synonym(name, dynamic.get(name), dynamicSource),
        ...synonym(name, given.get(name), ConfigSource.staticBroker),
        ...synonym(name, definition.default, ConfigSource.default),
      ]
      return entry(name, definition, synonyms, !isDynamicSetting(name))
    })
}

/** Every config of a group. */
export function describeGroupConfigs(
  own: ReadonlyMap<string, string>,
  { given }: BrokerConfigTexts,
): readonly DescribedConfig[] {
  return Object.entries<GroupConfigDefinition>(groupConfigTable).map(([name, definition]) => {
    const { broker } = definition
    const inherited =
      broker === undefined ? [] : synonym(broker, given.get(broker), ConfigSource.staticBroker)
    const synonyms = [
      ...synonym(name, own.get(name), ConfigSource.group),
      ...inherited,
      ...synonym(broker ?? name, definition.default, ConfigSource.default),
    ]
    return entry(name, definition, synonyms, false)
  })
}

/** Broker settings that may change while it runs: those that are defaults of topics. */
export function isDynamicSetting(name: string): boolean {
  return dynamicSettings.has(name)
}

const dynamicSettings: ReadonlySet<string> = new Set(
  Object.values(topicConfigTable).flatMap(
    (definition: TopicConfigDefinition) => definition.broker ?? [],
  ),
)

function describeTopicConfig(
  name: TopicConfigName,
  definition: TopicConfigDefinition,
  own: TopicConfigs,
  { given, dynamic }: BrokerConfigTexts,
): DescribedConfig {
  const broker = definition.broker
  const defaultName = broker ?? definition.synonym
  const synonyms = [
    ...synonym(name, own.get(name), ConfigSource.topic),
    ...(broker === undefined
      ? []
      : [
          ...synonym(broker, dynamic.get(broker), ConfigSource.dynamicDefaultBroker),
          ...synonym(broker, given.get(broker), ConfigSource.staticBroker),
        ]),
    ...(defaultName === undefined || withoutDefaultSynonym.has(name)
      ? []
      : synonym(defaultName, definition.default, ConfigSource.default)),
  ]
  return entry(name, definition, synonyms, false)
}

function entry(
  name: string,
  definition: SettingDefinition,
  synonyms: readonly ConfigSynonym[],
  readOnly: boolean,
): DescribedConfig {
  const [best] = synonyms
  return {
    name,
    value: best?.value ?? definition.default,
    readOnly,
    configSource: best?.source ?? ConfigSource.default,
    isSensitive: false,
    synonyms,
    configType: typeNumbers[definition.type],
    documentation: definition.doc,
  }
}

function synonym(name: string, value: string | undefined, source: number): ConfigSynonym[] {
  return value === undefined ? [] : [{ name, value, source }]
}
