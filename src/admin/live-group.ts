/**
 * Whether a group is at work, and the sentence for what must wait until it is not. Pure.
 */

import { ShoalError } from '../core/index.ts'
import type { GroupDescription } from './admin-port.ts'

/** Names beyond this many are counted only. */
const NAMED_MEMBERS = 5

/** Whether somebody reads or is about to: offsets then belong to the members. */
export function isLive(group: GroupDescription): boolean {
  return group.members.length > 0 || (group.state !== 'Empty' && group.state !== 'Dead')
}

/** `group g is Stable with 2 members: a-1 (client a at /10.0.0.1), …` */
export function liveGroupText(group: GroupDescription): string {
  const { groupId, state, members } = group
  const named = members
    .slice(0, NAMED_MEMBERS)
    .map(({ memberId, clientId, host }) => `${memberId} (client ${clientId} at ${host})`)
  const more = members.length - named.length
  const list = [...named, ...(more > 0 ? [`${more} more`] : [])].join(', ')
  const count = `${members.length} member${members.length === 1 ? '' : 's'}`
  return `group ${groupId} is ${state} with ${count}${list === '' ? '' : `: ${list}`}`
}

/** The refusal of a change that needs a group without members. @param change such as `delete it` */
export function liveGroupError(group: GroupDescription, change: string): ShoalError {
  return new ShoalError(
    'SHOAL_REQUEST_FAILED',
    `${liveGroupText(group)}; stop them and wait until the group is Empty, then ${change}. Nothing changed`,
    { details: { group: group.groupId, error: 'NON_EMPTY_GROUP' } },
  )
}
