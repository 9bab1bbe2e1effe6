/** What a request leads to. The shell replays the records at once, sets the timers, and holds the replies until the flush. */

import type { GroupReply, TimerCommand } from './messages.ts'
import type { GroupRecord } from './records.ts'

export interface GroupDecision {
  readonly records: readonly GroupRecord[]
  readonly replies: readonly GroupReply[]
  readonly timers: readonly TimerCommand[]
}
