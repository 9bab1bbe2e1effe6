/**
 * ListGroups v0-5, DescribeGroups v0-6: how a classic group looks from outside. What a member said and got is shown only
 * while the group is stable, as Kafka does.
 */

import { EMPTY_BYTES } from '../core/index.ts'
import type { ClassicGroup } from './classic/classic-group.ts'
import { metadataOf } from './classic/protocols.ts'
import type { SoftState } from './classic/soft-state.ts'
import { membersOf, stateOf } from './classic/turn.ts'
import type { DescribedGroup, GroupState, ListedGroup, ListGroupsFilter } from './queries.ts'

export function listedClassic(
  group: ClassicGroup,
  soft: SoftState | undefined,
): ListedGroup & { readonly groupState: GroupState } {
  return {
    groupId: group.groupId,
    protocolType: soft?.round?.protocolType ?? group.protocolType,
    groupState: stateOf(group, soft),
    groupType: 'classic',
  }
}

/** Case does not matter; a state or type that does not exist fits no group. */
export function matches(
  { groupState, groupType }: ListedGroup,
  { statesFilter, typesFilter }: ListGroupsFilter,
): boolean {
  const holds = (filter: readonly string[], value: string) =>
    filter.length === 0 || filter.some((wanted) => wanted.toLowerCase() === value.toLowerCase())
  return holds(statesFilter, groupState) && holds(typesFilter, groupType)
}

export function describeGroup(
  group: ClassicGroup | null,
  soft: SoftState | undefined,
  groupId: string,
  { apiVersion, why }: { readonly apiVersion: number; readonly why: string },
): DescribedGroup {
  if (group === null)
    return {
      groupId,
      errorCode: apiVersion >= 6 ? 'GROUP_ID_NOT_FOUND' : 'NONE',
      errorMessage: apiVersion >= 6 ? why : null,
      groupState: 'Dead',
      protocolType: '',
      protocolData: '',
      members: [],
    }
  const { groupState, protocolType } = listedClassic(group, soft)
  const isStable = groupState === 'Stable'
  return {
    groupId,
    errorCode: 'NONE',
    errorMessage: null,
    groupState,
    protocolType,
    protocolData: isStable ? (group.protocolName ?? '') : '',
    members: membersOf(group, soft).map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      memberMetadata: isStable ? metadataOf(member, group.protocolName) : EMPTY_BYTES,
      memberAssignment: isStable ? member.assignment : EMPTY_BYTES,
    })),
  }
}
