/**
 * What holds for deliveries: of a share group its own `share.*`, for all other groups the topic's `shoal.delivery.*`.
 *
 * Read with every decision, so what configs come to is remembered as long as they are the same.
 */

import { DEFAULT_SHARE_CONFIG, type ShareConfig, type SharePartitionId } from '../../group/index.ts'
import type { BrokerSettings } from '../settings/broker-settings.ts'
import { shareDeliveryConfig } from '../settings/group-configs.ts'
import {
  effectiveConfig,
  type TopicConfigName,
  type TopicConfigs,
} from '../settings/topic-configs.ts'
import type { TopicService } from '../topics/topic-service.ts'

export interface DeliveryConfigWorld {
  readonly topics: TopicService
  readonly settings: BrokerSettings
  isShareGroup(groupId: string): boolean
}

type GroupDeliveryConfig = ReturnType<typeof shareDeliveryConfig>

export class DeliveryConfigs {
  readonly #world: DeliveryConfigWorld
  readonly #ofTopics = new WeakMap<TopicConfigs, ShareConfig>()
  readonly #ofGroups = new WeakMap<ReadonlyMap<string, string>, GroupDeliveryConfig>()

  constructor(world: DeliveryConfigWorld) {
    this.#world = world
  }

  of({ groupId, topicId }: SharePartitionId): ShareConfig {
    const { topics, isShareGroup } = this.#world
    if (isShareGroup(groupId)) return this.ofShareGroup(groupId)
    const topic = topics.table.byId(topicId)
    if (topic === undefined) return DEFAULT_SHARE_CONFIG
    return remembered(this.#ofTopics, topic.configs, topicShareConfig)
  }

  ofShareGroup(groupId: string): GroupDeliveryConfig {
    const { topics, settings } = this.#world
    return remembered(this.#ofGroups, topics.table.groupConfigs(groupId), (own) =>
      shareDeliveryConfig(own, settings),
    )
  }

  isOrderedByKey({ groupId, topicId }: SharePartitionId): boolean {
    const { topics, isShareGroup } = this.#world
    const topic = topics.table.byId(topicId)
    return topic !== undefined && !isShareGroup(groupId) && orderOf(topic.configs) === 'key'
  }
}

export function topicShareConfig(own: TopicConfigs): ShareConfig {
  const number = (name: TopicConfigName) => Number(textOf(own, name))
  return {
    partitionMaxRecordLocks: number('shoal.delivery.max.in.flight'),
    deliveryCountLimit: number('shoal.delivery.attempts'),
    recordLockDurationMs: number('shoal.delivery.lock.duration.ms'),
    releaseBackoff: {
      initialMs: number('shoal.delivery.backoff.ms'),
      factor: number('shoal.delivery.backoff.factor'),
      maxMs: number('shoal.delivery.backoff.max.ms'),
    },
    isolatesFailing: true,
    hasDeadLetters: textOf(own, 'shoal.delivery.dead.letters') === 'true',
  }
}

function orderOf(own: TopicConfigs): string {
  return textOf(own, 'shoal.delivery.order')
}

function textOf(own: TopicConfigs, name: TopicConfigName): string {
  return effectiveConfig(name, own, NO_BROKER_CONFIGS)
}

/** They have no defaults at the broker. */
const NO_BROKER_CONFIGS = new Map<never, never>()

function remembered<Key extends object, Value>(
  known: WeakMap<Key, Value>,
  key: Key,
  make: (key: Key) => Value,
): Value {
  const value = known.get(key) ?? make(key)
  known.set(key, value)
  return value
}
