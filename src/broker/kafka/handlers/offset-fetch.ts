/**
 * OffsetFetch v1-9: one group up to v7, several from v8 on; null topics ask for all that was committed.
 *
 * v1 has no place for an error of the whole group: there every partition carries it.
 */

import type { OffsetFetchGroup, OffsetFetchGroupResult } from '../../../group/index.ts'
import { offsetFetch } from '../../../protocol/index.ts'
import { handler } from './define.ts'

const GROUPS_SINCE = 8

export const handleOffsetFetch = handler(offsetFetch, async ({ request, version, context }) => {
  const { groupId, topics } = request
  const asked: readonly OffsetFetchGroup[] =
    version >= GROUPS_SINCE
      ? request.groups
      : [{ groupId, memberId: null, memberEpoch: -1, topics }]
  const groups = await context.groups.ask((coordinator) =>
    asked.map((group) => coordinator.fetchOffsets(group)),
  )
  const only = version >= GROUPS_SINCE ? undefined : groups[0]
  return {
    throttleTimeMs: 0,
    topics: only === undefined ? [] : version === 1 ? withGroupError(only) : only.topics,
    errorCode: only?.errorCode ?? ('NONE' as const),
    groups,
  }
})

function withGroupError({ errorCode, topics }: OffsetFetchGroupResult) {
  if (errorCode === 'NONE') return topics
  return topics.map((topic) => ({
    ...topic,
    partitions: topic.partitions.map((partition) => ({ ...partition, errorCode })),
  }))
}
