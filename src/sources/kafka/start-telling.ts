/**
 * What a decision about a start means: where to go on, what the operator is told, or the error that asks him to decide.
 *
 * Pure but for the notice.
 */

import { ShoalError } from '../../core/index.ts'
import type { SourceNotice } from '../../consumer/index.ts'
import type { SourceSettings } from './options.ts'
import type { StartDecision, StartProblem } from './start-offset.ts'
import type { TopicPartition } from './topic-partition.ts'

/** @throws ShoalError SHOAL_NO_OFFSET, SHOAL_OFFSET_OUT_OF_RANGE where the user has to decide */
export function settle(
  decision: StartDecision,
  { topic, partition }: TopicPartition,
  at: { readonly offset: number; readonly divergedAt: number | null },
  { offsetReset }: SourceSettings,
  notice: (notice: SourceNotice) => void,
): number {
  switch (decision.kind) {
    case 'start':
      if (decision.reason !== 'committed') {
        const reason =
          decision.reason === 'remade'
            ? 'the topic was deleted and made anew'
            : `nothing was committed and offsetReset is ${offsetReset}`
        notice({ kind: 'offset-reset', topic, partition, from: null, to: decision.offset, reason })
      }
      if (decision.leftOut !== undefined) {
        const reason = 'they were there before the group, and offsetReset is latest'
        notice({ kind: 'records-skipped', topic, partition, count: decision.leftOut, reason })
      }
      return decision.offset
    case 'skip': {
      const reason = 'retention deleted them before they were read'
      notice({ kind: 'records-skipped', topic, partition, count: decision.count, reason })
      return decision.offset
    }
    case 'stop':
      throw stopped(decision.problem, { topic, partition }, at)
  }
}

function stopped(
  problem: StartProblem,
  { topic, partition }: TopicPartition,
  { offset, divergedAt }: { readonly offset: number; readonly divergedAt: number | null },
): ShoalError {
  const where = `partition ${partition} of topic ${topic}`
  const details = { topic, partition, offset }
  switch (problem) {
    case 'no-offset':
      return new ShoalError(
        'SHOAL_NO_OFFSET',
        `the group has committed nothing for ${where} and offsetReset is none; set an offset or choose earliest or latest`,
        { details },
      )
    case 'gone':
      return new ShoalError(
        'SHOAL_OFFSET_OUT_OF_RANGE',
        `retention deleted offset ${offset} of ${where} before it was read and offsetReset is none; reset the group's offset`,
        { details },
      )
    case 'remade':
      return new ShoalError(
        'SHOAL_OFFSET_OUT_OF_RANGE',
        `${where} is of a topic that was deleted and made anew, and offsetReset is none; set an offset or choose earliest or latest`,
        { details },
      )
    case 'beyond-end':
      return new ShoalError(
        'SHOAL_OFFSET_OUT_OF_RANGE',
        `offset ${offset} of ${where} lies beyond its end: the topic was truncated or made anew, or this is another cluster; reset the group's offset`,
        { details },
      )
    case 'truncated':
      return new ShoalError(
        'SHOAL_OFFSET_OUT_OF_RANGE',
        `${where} lost what it held from offset ${divergedAt} on, and the group had read to offset ${offset}; what is written there now was not read: reset the group's offset to ${divergedAt} to read it, or leave it out by starting at ${offset}`,
        { details: { ...details, divergedAt: divergedAt ?? -1 } },
      )
  }
}
