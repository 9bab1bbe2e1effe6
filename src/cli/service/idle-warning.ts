/**
 * Says so when this member has been in its group for a while and has no partition: there are more members than partitions.
 *
 * The group is looked at before anything is said, so that a rebalance under way is not taken for idleness; once for each
 * time that it stays idle. Looking is best effort: a broker that does not answer is somebody else's news.
 */

import type { AdminPort } from '../../admin/index.ts'
import { groupAdvice, viewGroup } from '../../admin/index.ts'
import type { NoticeEvent, RebalanceEvent } from '../../consumer/index.ts'
import { telemetry } from '../../consumer/index.ts'
import type { Logger, Timer, Timers } from '../../core/index.ts'
import { messageOf } from '../../core/index.ts'

/** Long enough for the rebalances of a start. */
const SETTLE_MS = 10_000

export interface IdleWarningOptions {
  readonly group: string
  readonly timers: Timers
  readonly logger: Logger
  openAdmin(): Promise<AdminPort>
}

/** Watches until it is disposed of. */
export function warnWhenIdle(options: IdleWarningOptions): AsyncDisposable {
  const { group, timers, logger } = options
  let owned = 0
  let timer: Timer | null = null
  let looking: Promise<void> = Promise.resolve()
  const lookLater = () => {
    timer?.cancel()
    timer = timers.schedule(SETTLE_MS, () => {
      if (owned === 0) looking = look(options)
    })
  }
  const onNotice = (event: NoticeEvent) => {
    if (event.group === group && event.notice.kind === 'joined') lookLater()
  }
  const onRebalance = ({ kind, partitions, ...event }: RebalanceEvent) => {
    if (event.group !== group) return
    if (kind === 'assigned') owned += partitions.length
    if (kind === 'released' || kind === 'lost') owned -= partitions.length
    if (owned === 0) lookLater()
  }
  telemetry.notice.subscribe(onNotice)
  telemetry.rebalance.subscribe(onRebalance)
  return {
    async [Symbol.asyncDispose]() {
      telemetry.notice.unsubscribe(onNotice)
      telemetry.rebalance.unsubscribe(onRebalance)
      timer?.cancel()
      await looking
    },
  }

  async function look({ openAdmin }: IdleWarningOptions): Promise<void> {
    try {
      const admin = await openAdmin()
      try {
        const findings = groupAdvice([await viewGroup(admin, group)])
        for (const { rule, problem, fix } of findings)
          if (rule === 'idle-members')
            logger.log('warn', `This member has no partition: ${problem}; ${fix}`)
      } finally {
        await admin.close()
      }
    } catch (error) {
      logger.log('debug', 'the group could not be looked at', { group, error: messageOf(error) })
    }
  }
}
