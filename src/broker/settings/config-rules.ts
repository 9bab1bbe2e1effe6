/** What may be set on a topic and, while it runs, on the broker: the rules that the topic table checks changes by. */

import { brokerSettingTable, isBrokerSetting } from './broker-settings.ts'
import type { BrokerSettingName } from './broker-settings.ts'
import type { ConfigRules } from './config-changes.ts'
import { parseValue } from './definition.ts'
import { isDynamicSetting } from './describe.ts'
import {
  effectiveConfig,
  isTopicConfig,
  topicConfigProblem,
  topicConfigTable,
} from './topic-configs.ts'

/** @param broker the broker's settings as text, as they are at the moment of a change. */
export function topicDefaultRules(broker: () => ReadonlyMap<string, string>): ConfigRules {
  return {
    isList: (name) => isTopicConfig(name) && topicConfigTable[name].type === 'list',
    problemWith: topicConfigProblem,
    inherited: (name) =>
      isTopicConfig(name)
        ? effectiveConfig(name, new Map(), broker() as ReadonlyMap<BrokerSettingName, string>)
        : '',
  }
}

/** @param given the settings that were given at the start, as text. */
export function brokerConfigRules(given: ReadonlyMap<BrokerSettingName, string>): ConfigRules {
  return {
    isList: (name) => isBrokerSetting(name) && brokerSettingTable[name].type === 'list',
    problemWith(name, value) {
      if (!isBrokerSetting(name)) return `Unknown broker config name: ${name}`
      if (!isDynamicSetting(name))
        return `Cannot update these configs dynamically: ${name}; it is read at the start`
      if (value === null) return `Null value not supported for broker configs: ${name}`
      const parsed = parseValue(brokerSettingTable[name], value)
      return parsed.kind === 'value'
        ? null
        : `Invalid value for configuration ${name}: ${parsed.problem}`
    },
    inherited: (name) =>
      isBrokerSetting(name) ? (given.get(name) ?? brokerSettingTable[name].default) : '',
  }
}
