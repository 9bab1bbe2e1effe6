/** The assignors by the names under which Kafka's clients know them. */

import type { Assignor } from './assignor.ts'
import { assignRange } from './range.ts'
import { assignRoundRobin } from './round-robin.ts'
import { assignCooperativeSticky, assignSticky } from './sticky.ts'

export * from './assignor.ts'

export type AssignorName = 'range' | 'roundrobin' | 'sticky' | 'cooperative-sticky'

export const assignors: Readonly<Record<AssignorName, Assignor>> = {
  range: assignRange,
  roundrobin: assignRoundRobin,
  sticky: assignSticky,
  'cooperative-sticky': assignCooperativeSticky,
}
