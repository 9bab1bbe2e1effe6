/** The entry `shoal/broker`: a Kafka-compatible broker in one process and one folder. */

export { Broker, type BrokerSnapshot } from './broker.ts'
export type { BrokerOptions, HttpOptions } from './broker-options.ts'
export { brokerSettingTable } from './settings/broker-settings.ts'
export type {
  BrokerSettingName,
  BrokerSettings,
  BrokerSettingsInput,
} from './settings/broker-settings.ts'
export type { SettingDefinition, SettingType } from './settings/definition.ts'
export { TcpNetwork } from './tcp-network.ts'
export { topicConfigTable } from './settings/topic-configs.ts'
export type { TopicConfigName } from './settings/topic-configs.ts'
