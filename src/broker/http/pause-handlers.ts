/** Holding the delivery of a group, and giving it back: see `src/http/routes-pause.ts`. */

import type { brokerRoutes, Handlers } from '../../http/index.ts'
import { LAST_TIME_MS, problem } from '../../http/index.ts'
import type { HttpContext } from './http-context.ts'
import { timestampText } from './message-json.ts'

type PauseHandlers = Pick<Handlers<typeof brokerRoutes>, 'pauseGroup' | 'resumeGroup' | 'getPause'>

export function pauseHandlers({ context }: HttpContext): PauseHandlers {
  const { groups, clock } = context
  const state = async (groupId: string) => {
    const told = await groups.ask((coordinator) => coordinator.pauseOf(groupId))
    if (told === undefined) return unknownGroup(groupId)
    const { pause, owners } = told
    return {
      group_id: groupId,
      paused: pause !== null,
      held: pause !== null && owners.length === 0,
      since: timeText(pause?.sinceMs),
      until: timeText(pause?.untilMs),
      reason: pause?.reason ?? '',
      holding: owners.map(({ memberId, clientId, partitions }) => ({
        member_id: memberId,
        client_id: clientId,
        partitions: partitions.reduce((sum, topic) => sum + topic.partitions.length, 0),
      })),
    }
  }
  return {
    pauseGroup: async ({ params: { groupId }, body: { reason, until } }) => {
      const untilMs =
        until === undefined
          ? null
          : typeof until === 'number'
            ? clock.wallMs() + until
            : Date.parse(until)
      const wrong = untilMs === null ? null : untilProblem(untilMs, clock.wallMs())
      if (wrong !== null)
        return problem('INVALID_REQUEST', `until: ${wrong}`, {
          errors: [{ path: 'body.until', message: wrong }],
        })
      const answer = await groups.request<'pause'>({ kind: 'pause', groupId, reason, untilMs })
      if (answer.errorCode === 'INCONSISTENT_GROUP_PROTOCOL')
        return problem('GROUP_TYPE', `group ${groupId} is not one of consumers`)
      return state(groupId)
    },
    resumeGroup: async ({ params: { groupId } }) => {
      await groups.request<'resume'>({ kind: 'resume', groupId })
      return state(groupId)
    },
    getPause: ({ params: { groupId } }) => state(groupId),
  }
}

function untilProblem(untilMs: number, nowMs: number): string | null {
  if (untilMs <= nowMs) return 'expected a time to come'
  return untilMs > LAST_TIME_MS ? 'expected a time before the year 10000' : null
}

function timeText(wallMs: number | null | undefined): string | null {
  return wallMs === null || wallMs === undefined ? null : timestampText(wallMs)
}

function unknownGroup(groupId: string) {
  return problem('UNKNOWN_GROUP', `group ${groupId} does not exist`)
}
