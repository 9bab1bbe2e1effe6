/** A refused request of a KIP-848 member: Kafka's name for it, and a sentence for whoever reads the client's log. */

import type { GroupError } from '../messages.ts'

export interface Refusal {
  readonly errorCode: GroupError
  readonly errorMessage: string
}

export function unknownMember(
  { groupId }: { readonly groupId: string },
  memberId: string,
): Refusal {
  return {
    errorCode: 'UNKNOWN_MEMBER_ID',
    errorMessage: `Member ${memberId} is not a member of group ${groupId}.`,
  }
}

export function fencedInstance(memberId: string, instanceId: string): Refusal {
  return {
    errorCode: 'FENCED_INSTANCE_ID',
    errorMessage: `Static member ${memberId} with instance id ${instanceId} was fenced by a different member.`,
  }
}

export function notConsumer(groupId: string): Refusal {
  return {
    errorCode: 'GROUP_ID_NOT_FOUND',
    errorMessage: `Group ${groupId} is not a consumer group.`,
  }
}
