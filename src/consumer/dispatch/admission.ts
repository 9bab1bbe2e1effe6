/**
 * What stands between an item whose turn it is and its handler: parked records of its key, and care with what its process
 * may have died over.
 */

import type { Caution } from '../failure/caution.ts'
import type { WorkItem } from '../work.ts'

/** `hold`: it is kept, and comes back. `divert`, `kept`: it is parked now, or is already. `give-up`: it killed too often. */
export type Admission = 'run' | 'hold' | 'divert' | 'kept' | 'give-up'

export function admissionOf(item: WorkItem, caution: Caution): Admission {
  const { parking, careful } = item.partition
  if (item.parked !== null) return 'run'
  const answer = parking === null ? 'run' : parking.admission(item)
  return answer === 'run' && careful ? caution.admission(item) : answer
}
