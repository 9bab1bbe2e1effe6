/**
 * Telling what happens to a member: to the log and to whoever listens on the channels of `telemetry.ts`.
 */

import type { LogLevel } from '../core/index.ts'
import type { Settings } from './resolve-options.ts'
import type { OwnedPartition, SourceNotice } from './source.ts'
import { telemetry } from './telemetry.ts'
import type { EndEvent, RebalanceEvent } from './telemetry.ts'
import { partitionId } from './work.ts'
import type { WorkItem } from './work.ts'

type Teller = Pick<Settings, 'group' | 'logger'>

export function tellNotice({ group, logger }: Teller, notice: SourceNotice): void {
  const { kind, ...facts } = notice
  telemetry.notice.publish({ group, notice })
  logger.log(levelOf(notice), `source: ${kind}`, { group, ...facts })
}

export function tellRebalance(
  { group, logger }: Teller,
  kind: RebalanceEvent['kind'],
  partitions: readonly OwnedPartition[],
): void {
  logger.log('info', `partitions ${kind}`, { group, partitions: partitions.map(partitionId) })
  telemetry.rebalance.publish({ group, kind, partitions })
}

/** Call it only while somebody listens. */
export function tellEnd(
  group: string,
  { partition, record }: WorkItem,
  how: EndEvent['how'],
): void {
  const { topic, partition: index } = partition
  const { offset, timestampMs } = record
  telemetry.end.publish({ group, how, topic, partition: index, offset, timestampMs })
}

/** A group that starts for the first time is no surprise; a position that had to be given up is. */
function levelOf(notice: SourceNotice): LogLevel {
  const { kind } = notice
  if (kind === 'joined' || kind === 'reconnected') return 'info'
  return kind === 'offset-reset' && notice.from === null ? 'info' : 'warn'
}
