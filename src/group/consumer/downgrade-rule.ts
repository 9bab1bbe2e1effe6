/**
 * When a KIP-848 group becomes classic again; what it then is, is in `migration.ts`.
 */

import type { ConsumerGroup } from './consumer-group.ts'
import type { ConsumerLimits } from './turn.ts'

/** Whether nobody is left who speaks KIP-848, and somebody is. */
export function mustDowngrade(group: ConsumerGroup, limits: ConsumerLimits): boolean {
  const policy = limits.groupConsumerMigrationPolicy
  if (policy !== 'bidirectional' && policy !== 'downgrade') return false
  if (group.members.size === 0 || group.members.size > limits.groupConsumerMaxSize) return false
  for (const { profile } of group.members.values()) if (profile.classic === null) return false
  return true
}
