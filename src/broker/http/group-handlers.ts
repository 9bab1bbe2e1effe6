/** Groups over HTTP: see `src/http/routes-groups.ts`. */

import type { BrokerRoutes, Handlers } from '../../http/index.ts'
import { problem } from '../../http/index.ts'
import type { BrokerContext } from '../context.ts'
import { LagReader } from '../lag/group-lag.ts'
import { groupJson } from './group-json.ts'
import { figuresOf } from './history-handlers.ts'
import type { HttpContext } from './http-context.ts'

type GroupHandlers = Pick<Handlers<BrokerRoutes>, 'listGroups' | 'getGroup' | 'deleteGroup'>

const NO_FILTER = { statesFilter: [], typesFilter: [] } as const
/** Members that a refusal names. */
const MOST_NAMED = 20

export function groupHandlers({ context }: HttpContext): GroupHandlers {
  const { groups, topics, clock } = context
  const lags = new LagReader(groups, topics, clock)
  return {
    listGroups: async ({ query: { state, topic, limit, cursor = '' } }) => {
      const answer = await groups.ask((coordinator) => {
        const all = coordinator
          .list(NO_FILTER)
          .filter(({ groupId }) => groupId > cursor)
          .sort((left, right) => (left.groupId < right.groupId ? -1 : 1))
        const page: ReturnType<typeof groupJson>[] = []
        for (const listed of all) {
          if (page.length === limit) return { page, hasMore: true }
          const group = groupJson(coordinator, topics, listed)
          if (state !== undefined && group.state !== state) continue
          if (topic === undefined || group.topics?.includes(topic) === true) page.push(group)
        }
        return { page, hasMore: false }
      })
      const nextCursor = answer.hasMore ? (answer.page.at(-1)?.group_id ?? null) : null
      return { groups: answer.page, next_cursor: nextCursor }
    },
    getGroup: async ({ params: { groupId } }) => {
      const known = await groups.ask((coordinator) => {
        const listed = coordinator.list(NO_FILTER).find((each) => each.groupId === groupId)
        if (listed === undefined) return null
        const timeline = coordinator.timeline(groupId)
        const paused = (coordinator.pauseOf(groupId)?.pause ?? null) !== null
        return { group: groupJson(coordinator, topics, listed), timeline, paused }
      })
      if (known === null) return unknownGroup(groupId)
      const { group, timeline, paused } = known
      const lag = await lags.of(groupId)
      return {
        ...group,
        paused,
        ...(lag === null ? {} : { lag: lag.lag, max_lag_seconds: lag.maxLagSeconds }),
        ...(timeline === undefined
          ? {}
          : {
              created_at: new Date(timeline.createdMs).toISOString(),
              ...figuresOf(timeline, clock.wallMs()),
            }),
      }
    },
    deleteGroup: async ({ params: { groupId } }) => {
      const { results } = await groups.request<'delete'>({ kind: 'delete', groupsNames: [groupId] })
      switch (results[0]?.errorCode) {
        case 'NONE':
          return { deleted: true, name: groupId }
        case 'NON_EMPTY_GROUP':
          return problem(
            'GROUP_NOT_EMPTY',
            `the group ${groupId} has members: ${await memberNames(context, groupId)}; it can be deleted when they have left`,
          )
        default:
          return unknownGroup(groupId)
      }
    },
  }
}

async function memberNames({ groups, topics }: BrokerContext, groupId: string): Promise<string> {
  const names = await groups.ask((coordinator) => {
    const listed = coordinator.list(NO_FILTER).find((each) => each.groupId === groupId)
    const members = listed && groupJson(coordinator, topics, listed).members
    return (members ?? []).map(({ member_id: memberId }) => memberId)
  })
  return names.length > MOST_NAMED
    ? `${names.slice(0, MOST_NAMED).join(', ')} and ${names.length - MOST_NAMED} more`
    : names.join(', ')
}

function unknownGroup(groupId: string) {
  return problem('UNKNOWN_GROUP', `the group ${groupId} does not exist`)
}
