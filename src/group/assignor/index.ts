/** The assignors by the names under which Kafka's clients and, for KIP-848 groups, its brokers know them. */

import type { Assignor } from './assignor.ts'
import { assignRange } from './range.ts'
import { assignRoundRobin } from './round-robin.ts'
import { assignCooperativeSticky, assignSticky } from './sticky.ts'

export * from './assignor.ts'

export type AssignorName = 'range' | 'roundrobin' | 'sticky' | 'cooperative-sticky'

/** What the leader of a classic group computes. */
export const assignors: Readonly<Record<AssignorName, Assignor>> = {
  range: assignRange,
  roundrobin: assignRoundRobin,
  sticky: assignSticky,
  'cooperative-sticky': assignCooperativeSticky,
}

export type ServerAssignorName = 'uniform' | AssignorName

/**
 * What the coordinator computes for KIP-848 groups: `uniform` and `range` as in Kafka, whose `range` looks at nobody's
 * past; the others are our addition. What members hold is the target before. A target names the last owner at once: handing over one by one is reconciliation's.
 */
export const serverAssignors: Readonly<Record<ServerAssignorName, Assignor>> = {
  uniform: assignSticky,
  range: assignRange,
  roundrobin: assignRoundRobin,
  sticky: assignSticky,
  'cooperative-sticky': assignSticky,
}
