/** What holds for deliveries of a topic: the topic's own `shoal.delivery.*`, else their defaults. */

import type { ShareConfig } from '../../group/index.ts'
import {
  effectiveConfig,
  type TopicConfigName,
  type TopicConfigs,
} from '../settings/topic-configs.ts'

export function topicShareConfig(own: TopicConfigs): ShareConfig {
  const number = (name: TopicConfigName) => Number(effectiveConfig(name, own, NO_BROKER_CONFIGS))
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
    hasDeadLetters: text(own, 'shoal.delivery.dead.letters') === 'true',
  }
}

export function isOrderedByKey(own: TopicConfigs): boolean {
  return text(own, 'shoal.delivery.order') === 'key'
}

function text(own: TopicConfigs, name: TopicConfigName): string {
  return effectiveConfig(name, own, NO_BROKER_CONFIGS)
}

/** They have no defaults at the broker. */
const NO_BROKER_CONFIGS = new Map<never, never>()
