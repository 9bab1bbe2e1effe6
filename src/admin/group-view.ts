/**
 * What has to be asked of the port to show a group: its description, its committed offsets, the ends of its partitions.
 */

import type { AdminPort, GroupDescription } from './admin-port.ts'
import { lagRows, partitionKey, partitionsToMeasure, type LagRow } from './lag-model.ts'

export interface GroupView {
  readonly group: GroupDescription
  readonly rows: readonly LagRow[]
}

/** @throws ShoalError SHOAL_UNKNOWN_GROUP, naming the group. */
export async function viewGroup(admin: AdminPort, groupId: string): Promise<GroupView> {
  const group = await admin.describeGroup(groupId)
  const committed = await admin.committedOffsets(groupId)
  const ends = await admin.offsets(partitionsToMeasure(group, committed), 'latest')
  const endOf = new Map(ends.map((end) => [partitionKey(end), end.offset]))
  const endOffsetOf = (partition: { topic: string; partition: number }) =>
    endOf.get(partitionKey(partition)) ?? null
  return { group, rows: lagRows({ group, committed, endOffsetOf }) }
}
