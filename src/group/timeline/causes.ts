/**
 * Why a rebalance began, in a word for programs and a sentence for people.
 *
 * What a client gives as its reason (KIP-800) is quoted, cut at `REASON_LENGTH`.
 */

import type { AssignedTopic, RebalanceCause, RebalanceStart } from '../records.ts'

/** A rebalance's cause before it has its time. */
export type Cause = Omit<RebalanceStart, 'startedMs'>

/** Of a client's own reason as much as the timeline keeps. */
export const REASON_LENGTH = 255

/** Who a cause is about. */
export interface CauseMember {
  readonly memberId: string
  readonly clientId: string
  readonly groupInstanceId: string | null
}

export function causedBy(
  { memberId, clientId, groupInstanceId }: CauseMember,
  cause: RebalanceCause,
  ...details: readonly string[]
): Cause {
  const detail = details.filter((part) => part !== '').join('; ')
  return { cause, memberId, clientId, groupInstanceId, detail }
}

/** A cause that is no member's. */
export function causedByNobody(cause: RebalanceCause, ...details: readonly string[]): Cause {
  return causedBy({ memberId: '', clientId: '', groupInstanceId: null }, cause, ...details)
}

export function saidByClient(reason: string | null): string {
  if (reason === null || reason === '') return ''
  return `the client says: ${reason.slice(0, REASON_LENGTH)}`
}

export function silentFor(silentMs: number, timeoutMs: number): string {
  return `no heartbeat for ${seconds(silentMs)} (session timeout ${seconds(timeoutMs)})`
}

/** What is different in the topics that a group reads: grown, shrunk by being made again, new, gone. */
export function topicChanges(
  before: ReadonlyMap<string, AssignedTopic>,
  after: ReadonlyMap<string, AssignedTopic>,
): string {
  const changes: string[] = []
  for (const [id, { name, partitionCount }] of after) {
    const known = before.get(id)
    if (known === undefined) changes.push(`${name} is new with ${partitions(partitionCount)}`)
    else if (known.partitionCount !== partitionCount)
      changes.push(`${name} grew from ${known.partitionCount} to ${partitions(partitionCount)}`)
  }
  for (const [id, { name }] of before) if (!after.has(id)) changes.push(`${name} is gone`)
  const more = changes.length - MOST_CHANGES
  return more > 0
    ? `${changes.slice(0, MOST_CHANGES).join(', ')}, and ${more} more`
    : changes.join(', ')
}

/** Topics that one sentence names. */
const MOST_CHANGES = 5

function partitions(count: number): string {
  return count === 1 ? '1 partition' : `${count} partitions`
}

function seconds(durationMs: number): string {
  return `${Number((durationMs / 1_000).toFixed(1))} s`
}
