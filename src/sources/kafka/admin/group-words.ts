/**
 * States and types of groups as brokers spell them, to the words of the admin port. Pure.
 */

import type { GroupState, GroupType } from '../../../admin/index.ts'

const states: readonly GroupState[] = [
  'Empty',
  'PreparingRebalance',
  'CompletingRebalance',
  'Stable',
  'Dead',
  'Assigning',
  'Reconciling',
]

/** A broker too old to say (ListGroups before version 4) leaves the state empty; nothing better is known than Stable. */
export function groupState(word: string): GroupState {
  return states.find((state) => state.toLowerCase() === word.toLowerCase()) ?? 'Stable'
}

/** Before ListGroups 5 there were only classic groups. */
export function groupType(word: string): GroupType {
  switch (word.toLowerCase()) {
    case 'consumer':
      return 'Consumer'
    case 'share':
      return 'Share'
    default:
      return 'Classic'
  }
}
