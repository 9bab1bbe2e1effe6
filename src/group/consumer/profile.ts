/** What a member says of itself, put together from its heartbeats: what one leaves out is as before. */

import { sameProtocols } from '../classic/protocols.ts'
import type { ConsumerHeartbeatRequest } from '../messages.ts'
import type { MemberProfile } from '../records.ts'

const NO_NAMES: readonly string[] = []

/** A join says everything: what it leaves out is not there. */
export function profileOf(
  request: ConsumerHeartbeatRequest,
  known: MemberProfile | null,
): MemberProfile {
  const before = request.memberEpoch === 0 ? null : known
  const { rebalanceTimeoutMs, subscribedTopicRegex: regex } = request
  const names =
    request.subscribedTopicNames === null
      ? (before?.subscribedTopicNames ?? NO_NAMES)
      : sortedNames(request.subscribedTopicNames)
  return {
    memberId: request.memberId,
    groupInstanceId: request.instanceId ?? known?.groupInstanceId ?? null,
    rackId: request.rackId ?? before?.rackId ?? null,
    clientId: request.clientId,
    clientHost: request.clientHost,
    rebalanceTimeoutMs:
      rebalanceTimeoutMs === -1 ? (before?.rebalanceTimeoutMs ?? 0) : rebalanceTimeoutMs,
    subscribedTopicNames: keptNames(names, known),
    subscribedTopicRegex:
      regex === null ? (before?.subscribedTopicRegex ?? null) : regex === '' ? null : regex,
    serverAssignor: request.serverAssignor ?? before?.serverAssignor ?? null,
    classic: null,
    http: request.http ?? before?.http ?? null,
  }
}

export function sortedNames(names: readonly string[]): readonly string[] {
  return [...new Set(names)].sort()
}

/** The list that is known already when it says the same. */
export function keptNames(
  names: readonly string[],
  known: MemberProfile | null,
): readonly string[] {
  return known !== null && sameNames(names, known.subscribedTopicNames)
    ? known.subscribedTopicNames
    : names
}

/** Nobody subscribes to nothing. */
export function sameSubscription(left: MemberProfile, right: MemberProfile | null): boolean {
  return (
    sameNames(left.subscribedTopicNames, right?.subscribedTopicNames ?? NO_NAMES) &&
    left.subscribedTopicRegex === (right?.subscribedTopicRegex ?? null)
  )
}

export function sameProfile(left: MemberProfile, right: MemberProfile): boolean {
  return (
    sameSubscription(left, right) &&
    left.groupInstanceId === right.groupInstanceId &&
    left.rackId === right.rackId &&
    left.clientId === right.clientId &&
    left.clientHost === right.clientHost &&
    left.rebalanceTimeoutMs === right.rebalanceTimeoutMs &&
    left.serverAssignor === right.serverAssignor &&
    sameClassicSide(left.classic, right.classic) &&
    left.http?.sessionTimeoutMs === right.http?.sessionTimeoutMs &&
    left.http?.start === right.http?.start
  )
}

function sameClassicSide(left: MemberProfile['classic'], right: MemberProfile['classic']): boolean {
  if (left === null || right === null) return left === right
  return (
    left.sessionTimeoutMs === right.sessionTimeoutMs &&
    sameProtocols(left.protocols, right.protocols)
  )
}

function sameNames(left: readonly string[], right: readonly string[]): boolean {
  return (
    left === right ||
    (left.length === right.length && left.every((name, index) => name === right[index]))
  )
}
